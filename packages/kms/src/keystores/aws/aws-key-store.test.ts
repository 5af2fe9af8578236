import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AwsServer } from '../../../../../tests/support/aws-server.ts'
import { MotoServer } from '../../../../../tests/support/moto-server.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { AwsKeyStoreSettings } from '../key-store-settings.ts'
import { openKeyStore } from '../open-key-store.ts'
import { storeDependencies } from '../store-dependencies.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'
import { openAwsKeyStore } from './open-aws.ts'

const vendor: Vendor<AwsServer, AwsKeyStoreSettings> = {
  service: (now) => new AwsServer(now),
  settings: ({ region, accessKeyId, secretAccessKey }, endpoint) => ({
    kind: 'aws',
    region,
    endpoint,
    credentials: { accessKeyId, secretAccessKey },
  }),
  isLogin: () => false,
  put: (service, name) => service.put(name, 'value'),
  secrets: ({ secretAccessKey }) => [secretAccessKey],
}

testKeyStore('AWS Secrets Manager', vendorHarness(vendor))

describe('a key store in AWS Secrets Manager', () => {
  let bench: VendorBench<AwsServer, AwsKeyStoreSettings>

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
  })

  afterEach(() => bench.stop())

  const inputs = () => bench.server.requests.map(({ body }) => JSON.parse(body))

  it('writes what KES writes: the value as text, under the KMS key of the settings', async () => {
    const store = await bench.open({ kmsKeyId: 'alias/strongroom' })
    await store.create('k', Buffer.from('dmFsdWU='))
    expect(inputs()).toEqual([
      { Name: 'k', SecretString: 'dmFsdWU=', KmsKeyId: 'alias/strongroom', ClientRequestToken: expect.any(String) },
    ])
    expect(bench.server.requests[0]?.headers['x-amz-target']).toBe('secretsmanager.CreateSecret')
    await store.close()
  })

  it('writes bytes that are no text as bytes, and reads either', async () => {
    const store = await bench.open()
    const bytes = Uint8Array.of(0xff, 0, 0xfe)
    await store.create('k', bytes)
    expect(inputs()[0]).toMatchObject({ SecretBinary: '/wD+' })
    expect(Buffer.from(await store.get('k'))).toEqual(Buffer.from(bytes))
    await store.close()
  })

  it('deletes with the window of recovery of the settings, and says how to get the key back', async () => {
    const store = await bench.open({ recoveryWindowDays: 7 })
    await store.create('k', Buffer.from('value'))
    await store.delete('k')
    expect(inputs().at(-1)).toEqual({ SecretId: 'k', RecoveryWindowInDays: 7 })
    await expect(store.create('k', Buffer.from('new'))).rejects.toMatchObject({
      code: 'key-pending-deletion',
      message: expect.stringContaining('aws secretsmanager restore-secret --secret-id k'),
    })
    await store.close()
  })

  it('waits until a purged secret is gone', async () => {
    bench.service.purgeLag = 3
    const pauses: number[] = []
    const store = await bench.open({}, { sleep: async (milliseconds) => void pauses.push(milliseconds) })
    await store.create('k', Buffer.from('value'))
    await store.purge?.('k')
    expect(pauses).toHaveLength(3)
    await store.create('k', Buffer.from('new'))
    await store.close()
  })

  it('takes the name of a secret that is on its way out, as soon as it can be had', async () => {
    bench.service.nameLag = 3
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    bench.service.nameLag = 1_000
    await expect(store.create('k2', Buffer.from('value'))).rejects.toMatchObject({ code: 'unreachable' })
    await store.close()
  })

  it.each([6, 31, 7.5])('refuses a window of recovery of %d days', async (recoveryWindowDays) => {
    await expect(bench.open({ recoveryWindowDays })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('waits and asks again when it is throttled, which AWS says with status 400', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    const { handler } = bench.service
    let refusals = 2
    bench.server.answerWith((request) =>
      refusals-- > 0
        ? { status: 400, json: { __type: 'ThrottlingException', message: 'Rate exceeded' } }
        : handler(request),
    )
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    refusals = 1_000
    await expect(store.get('k')).rejects.toMatchObject({ code: 'busy' })
    await expect(store.create('k2', Buffer.from('value'))).rejects.toMatchObject({ code: 'busy' })
    await store.close()
  })

  it('does not ask again when the answer will be the same', async () => {
    const store = await bench.open()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(bench.server.requests).toHaveLength(1)
    await store.close()
  })

  it('does not take the 404 of whatever is between for an absent key', async () => {
    const store = await bench.open()
    bench.server.fail('refuse-404', 1)
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(
        /^AWS Secrets Manager: GetSecretValue of 'k' answered 404 RefusedException: refused/,
      ),
    })
    await store.close()
  })

  it('names the missing right', async () => {
    bench.service.denies = () => true
    const store = await bench.open()
    const denied = (message: RegExp) => ({ code: 'permission-denied', message: expect.stringMatching(message) })
    await expect(store.get('k')).rejects.toMatchObject(denied(/secretsmanager:GetSecretValue on secret:k-\*/))
    await expect(store.create('k', Buffer.from('v'))).rejects.toMatchObject(denied(/secretsmanager:CreateSecret/))
    expect(await store.status()).toMatchObject({ detail: expect.stringContaining('secretsmanager:ListSecrets') })
    await store.close()
  })

  it('names what is wrong with credentials, never the secret key', async () => {
    const credentials = {
      accessKeyId: bench.service.accessKeyId,
      secretAccessKey: 'wrong-secret',
      sessionToken: 'a-token',
    }
    const store = await bench.open({ credentials })
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringContaining('InvalidSignature') })
    expect(String(error)).not.toMatch(/wrong-secret|a-token/)
    await store.close()
  })

  it('finds credentials by the SDK where the settings have none', async () => {
    const { region, accessKeyId, secretAccessKey } = bench.service
    const { endpoint, caPem } = bench.server
    const settings = { kind: 'aws', region, endpoint, tls: { ca: caPem } } as const
    try {
      vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
      const store = await openKeyStore(settings)
      expect(await store.status()).toEqual({ reachable: true })
      await store.close()
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it('says that there are no credentials where the SDK finds none', async () => {
    const { region } = bench.service
    const none = {
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/dev/null',
    }
    try {
      for (const [name, value] of Object.entries(none)) vi.stubEnv(name, value)
      const store = await openKeyStore({ kind: 'aws', region, endpoint: bench.server.endpoint })
      expect(await store.status()).toMatchObject({
        reachable: false,
        detail: expect.stringContaining('no credentials'),
      })
      expect(bench.server.requests).toHaveLength(0)
      await store.close()
    } finally {
      vi.unstubAllEnvs()
    }
  })

  it.each(['', 'https://aws', 'a/b'])('refuses the region %j', async (region) => {
    await expect(bench.open({ region })).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('says what to install when the SDK is not there', async () => {
    const settings = vendor.settings(bench.service, bench.server.endpoint)
    const opening = openAwsKeyStore(settings, storeDependencies(), () => Promise.reject(new Error('not found')))
    await expect(opening).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('npm install @aws-sdk/client-secrets-manager'),
    })
  })
})

const { STRONGROOM_TEST_MOTO: python = '' } = process.env

// `npm test` says so when it is not there.
if (python !== '') {
  describe('on moto', () => {
    let moto: MotoServer | undefined

    const running = (): MotoServer => {
      if (moto === undefined) throw new Error('moto is not running')
      return moto
    }

    const open = () =>
      openKeyStore({
        kind: 'aws',
        region: 'eu-north-1',
        endpoint: running().endpoint,
        credentials: { accessKeyId: 'AKIAOFTHETEST', secretAccessKey: 'secret-access-key-of-the-test' },
      })

    beforeAll(async () => {
      moto = await MotoServer.start(python)
    }, 90_000)

    afterAll(() => moto?.stop())

    testKeyStore('AWS Secrets Manager as moto has it', {
      async open() {
        await running().reset()
        return open()
      },
      openAgain: open,
    })
  })
}
