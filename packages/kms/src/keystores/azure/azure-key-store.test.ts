import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AzureServer } from '../../../../../tests/support/azure-server.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { AzureKeyStoreSettings } from '../key-store-settings.ts'
import { openKeyStore } from '../open-key-store.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'

const vendor: Vendor<AzureServer, AzureKeyStoreSettings> = {
  service: (now) => new AzureServer(now),
  settings: ({ tenantId, clientId, clientSecret }, endpoint) => ({
    kind: 'azure',
    endpoint,
    authorityHost: endpoint,
    credentials: { tenantId, clientId, clientSecret },
  }),
  isLogin: ({ path }) => path.endsWith('/token'),
  put: (service, name) => service.put(name, 'value'),
  secrets: ({ clientSecret }) => [clientSecret, encodeURIComponent(clientSecret)],
  isTextOnly: true,
  // Neither `_`, nor two names that differ by case alone.
  canName: (name) => /^[0-9a-z-]+$/.test(name),
  timePasses: true,
}

testKeyStore('Azure Key Vault', vendorHarness(vendor))

describe('a key store in Azure Key Vault', () => {
  let bench: VendorBench<AzureServer, AzureKeyStoreSettings>

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
  })

  afterEach(() => bench.stop())

  const oldest = (name: string) => bench.service.secrets.get(name)?.versions[0]

  it('writes what KES writes, with version 7.5 of the API', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('dmFsdWU='))
    const [, , write] = bench.server.requests
    expect(write).toMatchObject({ method: 'PUT', path: '/secrets/k', body: '{"value":"dmFsdWU="}' })
    expect(write?.query.get('api-version')).toBe('7.5')
    await store.close()
  })

  it('reads the oldest version, whatever was added later', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    for (let i = 0; i < 60; i++) bench.service.put('k', 'newer')
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
  })

  it('waits for the second of the creation to end before it believes that it won', async () => {
    const { secrets } = bench.service
    const sleep = async (milliseconds: number): Promise<void> => {
      // Another writer, later in the same second, whose version has a lower id: it counts as the oldest.
      const versions = secrets.get('k')?.versions
      const [mine] = versions ?? []
      if (mine !== undefined && versions?.length === 1) versions.push({ ...mine, id: '0', value: 'other' })
      bench.server.clockSkewMs += milliseconds
    }
    const store = await bench.open({}, { sleep })
    await expect(store.create('k', Buffer.from('value'))).rejects.toMatchObject({ code: 'key-exists' })
    expect(Buffer.from(await store.get('k')).toString()).toBe('other')
    await store.close()
  })

  it('does not read a version in the second of its creation', async () => {
    const pauses: number[] = []
    const sleep = async (milliseconds: number): Promise<void> => {
      pauses.push(milliseconds)
      bench.service.put('k', 'later')
      bench.server.clockSkewMs += milliseconds
    }
    // The clock stands still but for the pauses.
    const began = Date.now()
    const store = await bench.open({}, { sleep, now: () => began })
    bench.service.put('k', 'value')
    const version = oldest('k')
    if (version !== undefined) version.attributes.created = Math.floor(bench.server.now() / 1_000) + 1
    await store.get('k')
    expect(pauses.length).toBeGreaterThan(0)
    await store.close()
  })

  it('knows that a secret is not there by an empty page, too', async () => {
    bench.service.absentIsEmpty = true
    const store = await bench.open()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.create('k', Buffer.from('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
  })

  it('waits for deletions, recoveries and purges, which take their time', async () => {
    bench.service.lag = 3
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    await store.delete('k')
    await store.recover?.('k')
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.purge?.('k')
    await store.create('k', Buffer.from('new'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('new')
    await store.close()
  })

  it('purges and recovers what somebody else is deleting at this moment', async () => {
    const store = await bench.open()
    for (const work of [() => store.purge?.('k'), () => store.recover?.('k')]) {
      await store.create('k', Buffer.from('value'))
      bench.service.lag = 5
      bench.service.beginDeletion('k')
      await work()
      bench.service.lag = 0
    }
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
  })

  it.each([
    ['deleted', /'k' is still being deleted: ask again later/],
    ['purged', /'k' is still being purged: ask again later/],
    ['recovered', /'k' is still being recovered: ask again later/],
  ] as const)('waits a bounded time until a secret is %s, and says so', async (what, message) => {
    const pauses: number[] = []
    const sleep = async (milliseconds: number): Promise<void> => {
      pauses.push(milliseconds)
      bench.server.clockSkewMs += milliseconds
    }
    const store = await bench.open({}, { sleep })
    await store.create('k', Buffer.from('value'))
    if (what !== 'deleted') await store.delete('k')
    bench.service.lag = 1_000
    const before = pauses.length
    const work = { deleted: store.purge, purged: store.purge, recovered: store.recover }[what]
    await expect(work?.call(store, 'k')).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringMatching(message),
    })
    expect(pauses.length - before).toBeLessThan(30)
    await store.close()
  })

  it('says of a secret that somebody else is deleting for too long that it is not purged', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    bench.service.lag = 1_000
    bench.service.beginDeletion('k')
    await expect(store.purge?.('k')).rejects.toMatchObject({
      code: 'busy',
      message: "Azure Key Vault: the secret 'k' is still being deleted: ask again later",
    })
    await store.close()
  })

  it('goes on when the answers of a deletion and a purge are lost', async () => {
    bench.service.lag = 2
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    bench.server.fail('lost-answer', 2, 0, ({ method }) => method === 'DELETE')
    await store.purge?.('k')
    await expect(store.recover?.('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.close()
  })

  it('says that purge protection is in the way of a purge', async () => {
    bench.service.hasPurgeProtection = true
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    await store.delete('k')
    await expect(store.purge?.('k')).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('ForbiddenByPolicy'),
    })
    await store.close()
  })

  it('does not take a name for another that differs by case alone', async () => {
    const store = await bench.open()
    await store.create('my-key', Buffer.from('value'))
    await expect(store.get('My-Key')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.delete('My-Key')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.create('My-Key', Buffer.from('value'))).rejects.toMatchObject({
      code: 'key-exists',
      message: expect.stringContaining("'my-key'"),
    })
    await store.delete('my-key')
    await expect(store.recover?.('My-Key')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.purge?.('My-Key')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.recover?.('my-key')
    bench.service.lag = 5
    bench.service.beginDeletion('my-key')
    await expect(store.purge?.('My-Key')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.recover?.('my-key')
    await store.close()
  })

  it('says of a name with an underscore that Azure cannot have it', async () => {
    const store = await bench.open()
    await expect(store.create('my_key', Buffer.from('value'))).rejects.toMatchObject({
      code: 'invalid-name',
      message: expect.stringContaining('Azure'),
    })
    expect(bench.server.requests).toHaveLength(0)
    await store.close()
  })

  it.each([
    ['disabled', { enabled: false }],
    ['not valid yet', { nbf: 4_000_000_000 }],
    ['expired', { exp: 1_000_000_000 }],
  ])('does not use a version that is %s', async (_, attributes) => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    Object.assign(oldest('k')?.attributes ?? {}, attributes)
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-disabled' })
    await expect(store.create('k', Buffer.from('value'))).rejects.toMatchObject({ code: 'key-exists' })
    await store.close()
  })

  it('sends its token to no other place, whatever a page says', async () => {
    bench.service.linkOrigin = 'https://elsewhere.example'
    for (let i = 0; i < 26; i++) bench.service.put(`k-${i}`, 'value')
    const store = await bench.open()
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('another place'),
    })
    await store.close()
  })

  it('does not show the secrets of certificates', async () => {
    const store = await bench.open()
    const { handler } = bench.service
    bench.server.answerWith((request) =>
      request.path === '/secrets'
        ? {
            status: 200,
            json: { value: [{ id: 'https://v/secrets/c', managed: true }, { id: 'https://v/secrets/k' }] },
          }
        : handler(request),
    )
    const found: string[] = []
    for await (const name of store.list('')) found.push(name)
    expect(found).toEqual(['k'])
    await store.close()
  })

  it('does not log in again because of a missing right, and names it', async () => {
    bench.service.denies = () => true
    const store = await bench.open()
    for (let i = 0; i < 3; i++) {
      await expect(store.get('k')).rejects.toMatchObject({
        code: 'permission-denied',
        message: expect.stringMatching(/ForbiddenByRbac.*permission "list".*Secrets Officer/),
      })
    }
    expect(bench.service.logins).toHaveLength(1)
    await store.close()
  })

  it('names what is wrong with a login, never the secret', async () => {
    const { tenantId, clientId } = bench.service
    const store = await bench.open({ credentials: { tenantId, clientId, clientSecret: 'wrong~secret+value' } })
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({
      code: 'permission-denied',
      message: expect.stringMatching(
        /401: invalid_client AADSTS7000215; it needs a valid secret of the client client-of/,
      ),
    })
    expect(String(error)).not.toMatch(/wrong.*secret.*value/)
    await store.close()
  })

  it('logs in with the token of a workload, read anew each time', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-azure-'))
    try {
      const tokenFile = join(directory, 'token')
      await writeFile(tokenFile, 'old')
      const { tenantId, clientId, workloadToken } = bench.service
      const { endpoint, caPem } = bench.server
      let nowMs = Date.now()
      const store = await openKeyStore(
        {
          kind: 'azure',
          endpoint,
          authorityHost: endpoint,
          workloadIdentity: { tenantId, clientId, tokenFile },
          tls: { ca: caPem },
        },
        { sleep: async () => {}, now: () => nowMs },
      )
      expect(await store.status()).toMatchObject({ detail: expect.stringContaining('federated credential') })
      await writeFile(tokenFile, `${workloadToken}\n`)
      nowMs += 60_000
      expect(await store.status()).toEqual({ reachable: true })
      await store.close()
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it.each([
    [undefined, true],
    ['client-of-the-test', true],
    ['another-client', false],
  ])('logs in with the identity of the machine, client id %s', async (clientId, isReachable) => {
    const { endpoint, caPem } = bench.server
    const store = await openKeyStore(
      {
        kind: 'azure',
        endpoint,
        metadataEndpoint: endpoint,
        ...(clientId === undefined ? {} : { managedIdentity: { clientId } }),
        tls: { ca: caPem },
      },
      { sleep: async () => {} },
    )
    expect(await store.status()).toMatchObject(
      isReachable ? { reachable: true } : { reachable: false, detail: expect.stringContaining('managed identity') },
    )
    expect(bench.service.logins[0]?.get('client_id') ?? undefined).toBe(clientId)
    await store.close()
  })
})
