/**
 * Services that answer anything: whatever comes back, a store ends in bounded time with a `KmsError` or a result, and no
 * message tells a secret, not even one that the service itself sends back.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type VendorRequest, VendorServer } from '../../../../tests/support/vendor-server.ts'
import type { KeyStore } from '../contract.ts'
import { KmsError } from '../kms-error.ts'
import type { KeyStoreSettings } from './key-store-settings.ts'
import { openKeyStore } from './open-key-store.ts'

const secret = 'a-very-secret-credential'
const value = 'the-value-of-a-key-0123456789'

const privateKey = String(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
)

const settingsOf: Readonly<Record<string, (endpoint: string) => KeyStoreSettings>> = {
  'Vault, version 1': (endpoint) => ({
    kind: 'vault',
    endpoint,
    login: { method: 'approle', id: 'role', secret },
    transit: { key: 'k' },
  }),
  'Vault, version 2': (endpoint) => ({
    kind: 'vault',
    endpoint,
    version: 'v2',
    login: { method: 'token', token: secret },
  }),
  AWS: (endpoint) => ({
    kind: 'aws',
    endpoint,
    region: 'eu-north-1',
    credentials: { accessKeyId: 'AKIA', secretAccessKey: secret, sessionToken: `${secret}-too` },
  }),
  'Google, machine': (endpoint) => ({ kind: 'gcp', endpoint, projectId: 'p', metadataEndpoint: endpoint }),
  'Google, service account': (endpoint) => ({
    kind: 'gcp',
    endpoint,
    projectId: 'p',
    credentials: { clientEmail: 'e', privateKeyId: 'i', privateKey, tokenUri: `${endpoint}/token` },
  }),
  'Azure, client secret': (endpoint) => ({
    kind: 'azure',
    endpoint,
    authorityHost: endpoint,
    credentials: { tenantId: 't', clientId: 'c', clientSecret: secret },
  }),
  'Azure, machine': (endpoint) => ({ kind: 'azure', endpoint, metadataEndpoint: endpoint }),
  Fortanix: (endpoint) => ({ kind: 'fortanix', endpoint, credentials: { apiKey: secret } }),
  CipherTrust: (endpoint) => ({ kind: 'gemalto', endpoint, credentials: { refreshToken: secret, domain: 'root' } }),
  KeyControl: (endpoint) => ({
    kind: 'entrust',
    endpoint,
    vaultId: 'v',
    boxId: 'b',
    credentials: { username: 'u', password: secret },
  }),
}

/** Names that the services' answers use, so that random answers get far. */
const fields = [
  ...[
    'auth',
    'client_token',
    'lease_duration',
    'data',
    'metadata',
    'version',
    'keys',
    'ciphertext',
    'plaintext',
    'errors',
  ],
  ...['value', 'kid', 'name', 'enabled', 'message', 'token_type', 'jwt', 'duration', 'material', 'skip', 'total'],
  ...['resources', 'codeDesc', 'access_token', 'expires_at', 'secret_data', 'secrets', 'next_token', 'error', 'k'],
  ...['SecretString', 'SecretBinary', 'SecretList', 'NextToken', 'Name', 'DeletedDate', '__type', 'payload', 'id'],
  ...['nextPageToken', 'expires_in', 'status', 'attributes', 'created', 'nextLink', 'innererror', 'code', 'recoveryId'],
]

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    -1,
    200,
    1e308,
    '',
    'k',
    'Bearer',
    'vault:v1:AAAA',
    'dmFsdWU=',
    'https://v/secrets/k/1',
    'projects/p/secrets/k/versions/1',
    'InvalidRequestException',
    'ResourceExistsException',
    '__proto__',
  ),
  fc.string(),
)

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaf,
    fc.dictionary(fc.constantFrom(...fields), tie('tree'), { maxKeys: 8 }),
    fc.array(tie('tree'), { maxLength: 4 }),
  ),
}))

const answers = fc.array(
  fc.record({
    status: fc.constantFrom(200, 201, 204, 301, 307, 400, 401, 403, 404, 405, 409, 412, 418, 429, 473, 500, 501, 503),
    json: tree,
    echoes: fc.boolean(),
    isBroken: fc.boolean(),
    retryAfter: fc.constantFrom(undefined, '0', '99999999', '-1', 'soon', 'Mon, 23 Nov 2026 18:00:00 GMT'),
  }),
  { minLength: 1, maxLength: 6 },
)

describe.each(Object.keys(settingsOf))('a service that answers anything: %s', (title) => {
  let server: VendorServer

  beforeAll(async () => {
    server = await VendorServer.start(() => ({ status: 500 }))
  })

  afterAll(() => server.close())

  const attempts: readonly ((store: KeyStore) => Promise<unknown>)[] = [
    (store) => store.get('k'),
    (store) => store.create('k', Buffer.from(value)),
    (store) => store.delete('k'),
    async (store) => {
      for await (const name of store.list('')) expect(name).toMatch(/^[\w-]+$/)
    },
    (store) => store.recover?.('k') ?? Promise.resolve(),
    (store) => store.purge?.('k') ?? Promise.resolve(),
  ]

  it('is survived, and told without secrets', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (planned) => {
        const echo = ({ headers, body }: VendorRequest): string => `${JSON.stringify(headers)} ${body}`
        let at = 0
        server.answerWith((request) => {
          const next = planned[at++ % planned.length]
          if (next === undefined) return { status: 500 }
          const retry = next.retryAfter === undefined ? {} : { headers: { 'retry-after': next.retryAfter } }
          const said = {
            errors: [echo(request)],
            message: echo(request),
            codeDesc: echo(request),
            error: echo(request),
            error_description: echo(request),
          }
          const json = next.echoes ? said : next.json
          const text = JSON.stringify(json)
          return { status: next.status, ...retry, text: next.isBroken ? text.slice(0, -1) : text }
        })
        const make = settingsOf[title]
        if (make === undefined) throw new Error('no such store')
        // A clock that moves with every look ends whatever goes on for too long.
        let nowMs = 0
        const settings = { ...make(server.endpoint), tls: { ca: server.caPem } } as KeyStoreSettings
        const store = await openKeyStore(settings, { sleep: async () => {}, now: () => (nowMs += 100) })
        for (const attempt of attempts) {
          const error: unknown = await attempt(store).then(
            () => undefined,
            (reason) => reason,
          )
          if (error === undefined) continue
          expect(error).toBeInstanceOf(KmsError)
          expect(String(error)).not.toContain(secret)
          expect(String(error)).not.toContain(value)
          expect(String(error)).not.toContain(Buffer.from(value).toString('base64'))
        }
        const { detail = '' } = await store.status()
        expect(detail).not.toContain(secret)
        await store.close()
      }),
      { numRuns: 40 },
    )
  })
})
