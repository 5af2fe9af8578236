import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GcpServer } from '../../../../../tests/support/gcp-server.ts'
import type { KeyStore } from '../../contract.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { GcpKeyStoreSettings } from '../key-store-settings.ts'
import { openKeyStore } from '../open-key-store.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'

const vendor: Vendor<GcpServer, GcpKeyStoreSettings> = {
  service: (now) => new GcpServer(now),
  settings: ({ projectId, clientEmail, privateKeyId, privateKey }, endpoint) => ({
    kind: 'gcp',
    projectId,
    endpoint,
    credentials: { clientEmail, privateKeyId, privateKey, tokenUri: `${endpoint}/token` },
  }),
  isLogin: ({ path }) => path === '/token',
  put: ({ secrets }, name) =>
    void secrets.set(name, [{ data: Buffer.from('value').toString('base64'), state: 'ENABLED' }]),
  secrets: ({ privateKey }) => [privateKey, privateKey.slice(100, 160)],
}

testKeyStore('Google Secret Manager', vendorHarness(vendor))

describe('a key store in Google Secret Manager', () => {
  let bench: VendorBench<GcpServer, GcpKeyStoreSettings>
  let directory: string

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
    directory = await mkdtemp(join(tmpdir(), 'strongroom-gcp-'))
  })

  afterEach(async () => {
    await bench.stop()
    await rm(directory, { recursive: true })
  })

  /** A store with the credentials of a file, or without one with those of the machine. */
  async function openWith(file?: unknown): Promise<KeyStore> {
    const { endpoint, caPem } = bench.server
    const { projectId } = bench.service
    const credentialsFile = join(directory, 'credentials.json')
    if (file !== undefined) await writeFile(credentialsFile, typeof file === 'string' ? file : JSON.stringify(file))
    return openKeyStore(
      {
        kind: 'gcp',
        projectId,
        endpoint,
        metadataEndpoint: endpoint,
        tls: { ca: caPem },
        ...(file === undefined ? {} : { credentialsFile }),
      },
      { sleep: async () => {} },
    )
  }

  it('writes what KES writes: a secret with automatic replication, and base64 of the value as its first version', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('dmFsdWU='))
    const [, create, add] = bench.server.requests
    const root = `/v1/projects/${bench.service.projectId}/secrets`
    expect(create).toMatchObject({ method: 'POST', path: root, body: '{"replication":{"automatic":{}}}' })
    expect(create?.query.get('secretId')).toBe('k')
    expect(add).toMatchObject({ method: 'POST', path: `${root}/k:addVersion` })
    expect(JSON.parse(add?.body ?? '')).toEqual({ payload: { data: 'ZG1Gc2RXVT0=' } })
    await store.close()
  })

  it('reads version 1, whatever was added later', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    bench.service.secrets.get('k')?.push({ data: 'b3RoZXI=', state: 'ENABLED' })
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
  })

  it('completes a creation that was cut off between its two steps', async () => {
    bench.service.secrets.set('k', [])
    const store = await bench.open()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.create('k', Buffer.from('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
  })

  it('loses to whoever added the first version between the two steps, and destroys its own value', async () => {
    const { handler, secrets } = bench.service
    bench.server.answerWith((request) => {
      if (request.path.endsWith(':addVersion')) secrets.get('k')?.push({ data: 'b3RoZXI=', state: 'ENABLED' })
      return handler(request)
    })
    const store = await bench.open()
    await expect(store.create('k', Buffer.from('value'))).rejects.toMatchObject({ code: 'key-exists' })
    expect(secrets.get('k')?.map(({ state }) => state)).toEqual(['ENABLED', 'DESTROYED'])
    expect(Buffer.from(await store.get('k')).toString()).toBe('other')
    await store.close()
  })

  it.each([
    ['DISABLED', 'key-disabled'],
    ['DESTROYED', 'key-not-found'],
  ] as const)('does not use a version that is %s', async (state, code) => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    const version = bench.service.secrets.get('k')?.[0]
    if (version !== undefined) version.state = state
    await expect(store.get('k')).rejects.toMatchObject({ code, message: expect.stringContaining('version 1') })
    await expect(store.create('k', Buffer.from('value'))).rejects.toMatchObject({ code: 'key-exists' })
    await store.close()
  })

  it('takes the private key as one line, and asks for the scopes of the settings', async () => {
    const { clientEmail, privateKeyId, privateKey } = bench.service
    const tokenUri = `${bench.server.endpoint}/token`
    const credentials = { clientEmail, privateKeyId, privateKey: privateKey.replaceAll('\n', '\\n'), tokenUri }
    const store = await bench.open({ credentials, scopes: ['a', 'b'] })
    expect(await store.status()).toEqual({ reachable: true })
    const body = bench.service.logins[0]?.get('assertion')?.split('.')[1] ?? ''
    expect(JSON.parse(Buffer.from(body, 'base64url').toString())).toMatchObject({ scope: 'a b', aud: tokenUri })
    await store.close()
  })

  it('logs in with a service account from a credentials file', async () => {
    const { clientEmail, privateKeyId, privateKey } = bench.service
    const store = await openWith({
      type: 'service_account',
      client_email: clientEmail,
      private_key_id: privateKeyId,
      private_key: privateKey,
      token_uri: `${bench.server.endpoint}/token`,
    })
    expect(await store.status()).toEqual({ reachable: true })
    await store.close()
  })

  it('logs in as the person who logged in to gcloud', async () => {
    const store = await openWith({
      type: 'authorized_user',
      client_id: 'client',
      client_secret: 'client-secret',
      refresh_token: bench.service.refreshToken,
      token_uri: `${bench.server.endpoint}/token`,
    })
    expect(await store.status()).toEqual({ reachable: true })
    await store.close()
  })

  it.each([
    ['in a file', false],
    ['in a file, for a service account', true],
  ])('exchanges the token of another issuer %s', async (_, impersonates) => {
    const file = join(directory, 'token.json')
    await writeFile(file, JSON.stringify({ token: bench.service.subjectToken }))
    const { endpoint } = bench.server
    const store = await openWith({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${endpoint}/token`,
      ...(impersonates
        ? { service_account_impersonation_url: `${endpoint}/v1/projects/-/serviceAccounts/a:generateAccessToken` }
        : {}),
      credential_source: { file, format: { type: 'json', subject_token_field_name: 'token' } },
    })
    expect(await store.status()).toEqual({ reachable: true })
    expect(bench.server.requests.some(({ path }) => path.endsWith(':generateAccessToken'))).toBe(impersonates)
    await store.close()
  })

  it('exchanges the token of another issuer at an address', async () => {
    const { handler, subjectToken } = bench.service
    bench.server.answerWith((request) =>
      request.path === '/identity' && request.headers.metadata === 'True' && request.query.get('a') === 'b'
        ? { status: 200, text: `${subjectToken}\n` }
        : handler(request),
    )
    const store = await openWith({
      type: 'external_account',
      audience: 'audience',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${bench.server.endpoint}/token`,
      credential_source: { url: `${bench.server.endpoint}/identity?a=b`, headers: { Metadata: 'True' } },
    })
    expect(await store.status()).toEqual({ reachable: true })
    await store.close()
  })

  it('asks the metadata server where nothing else is given', async () => {
    const store = await openWith()
    await store.create('k', Buffer.from('value'))
    expect(bench.service.logins.map((query) => query.get('scopes'))).toEqual([
      'https://www.googleapis.com/auth/cloud-platform',
    ])
    await store.close()
  })

  it.each([
    ['{"type":"service_account"', 'unreachable', /cannot be read/],
    ['[]', 'unreachable', /no JSON object/],
    ['{"type":"service_account"}', 'unreachable', /client_email/],
    ['{"type":"gdch_service_account"}', 'unsupported', /not supported/],
    [
      '{"type":"external_account","audience":"a","subject_token_type":"s","token_url":"u","credential_source":{"environment_id":"aws1","url":"http://x"}}',
      'unsupported',
      /external accounts/,
    ],
  ])('refuses the credentials file %s', async (file, code, message) => {
    await expect(openWith(file)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it.each([
    ['a wrong key', { privateKeyId: 'another' }, /invalid_grant.*service account strongroom@/],
    ['a key that is none', { privateKey: 'secret-that-is-no-key' }, /PKCS #8/],
  ])('names what is wrong with %s, never the key', async (_, changes, message) => {
    const { clientEmail, privateKeyId, privateKey } = bench.service
    const tokenUri = `${bench.server.endpoint}/token`
    const store = await bench.open({ credentials: { clientEmail, privateKeyId, privateKey, tokenUri, ...changes } })
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringMatching(message) })
    expect(String(error)).not.toMatch(/secret-that-is-no-key|assertion/)
    expect(await store.status()).toMatchObject({ reachable: false })
    await store.close()
  })

  it('names the missing right and the project', async () => {
    bench.service.denies = () => true
    const store = await bench.open()
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringMatching(/403.*PERMISSION_DENIED.*secretmanager\.versions\.access in project project-of/),
    })
    await store.close()
  })

  it('does not log in again because of a missing right', async () => {
    bench.service.denies = () => true
    const store = await bench.open()
    for (let i = 0; i < 3; i++) await store.get('k').catch(() => {})
    expect(bench.service.logins).toHaveLength(1)
    await store.close()
  })
})
