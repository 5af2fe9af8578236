import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeLoopbackCertificate, VendorServer } from '../../../../../tests/support/vendor-server.ts'
import { KeyService } from '../../key-service.ts'
import { testKeyStore } from '../key-store.suite.ts'
import { VaultBench, vaultHarness } from './vault-bench.fixture.ts'

testKeyStore('Vault with KV version 1', vaultHarness({ version: 'v1' }))
testKeyStore('Vault with KV version 2', vaultHarness({ version: 'v2' }))
testKeyStore(
  'Vault, an OpenBao with KV version 2, a namespace, a directory and transit',
  vaultHarness(
    { version: 'v2', namespace: 'team/a', prefix: 'some/dir', transit: { key: 'my-key' } },
    { listsByPages: true, namespace: 'team/a' },
  ),
)

const bytes = (text: string): Uint8Array => Buffer.from(text)
const textOf = (value: Uint8Array): string => Buffer.from(value).toString()

async function names(list: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const name of list) found.push(name)
  return found
}

describe('a key store in Vault', () => {
  let bench: VaultBench

  beforeEach(async () => {
    bench = await VaultBench.start()
  })

  afterEach(() => bench.stop())

  describe('logging in', () => {
    const { jwt, role } = { jwt: 'header.payload.signature', role: 'strongroom' }

    it.each(['kubernetes', 'jwt'] as const)('takes a token of the method %s from the settings', async (method) => {
      const store = await bench.open({ login: { method, jwt, role } })
      await store.create('k', bytes('value'))
      expect(bench.server.requests[0]).toMatchObject({ method: 'PUT', path: `/v1/auth/${method}/login` })
      expect(bench.server.requests[0]?.body).toBe(`{"jwt":"${jwt}","role":"${role}"}`)
      await store.close()
    })

    it('reads a token file anew at each login, without its line end', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'strongroom-jwt-'))
      const path = join(directory, 'token')
      await writeFile(path, 'old.token')
      const store = await bench.open({ login: { method: 'kubernetes', jwt: path, role } })
      await expect(store.get('k')).rejects.toMatchObject({ code: 'permission-denied' })
      await writeFile(path, `${jwt}\n`)
      const again = await bench.open({ login: { method: 'kubernetes', jwt: path, role } })
      await expect(again.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
      await store.close()
      await again.close()
      await rm(directory, { recursive: true })
    })

    it('gives its secrets to no other server that it is sent to, unless that is named', async () => {
      const certificate = await makeLoopbackCertificate(['standby.example'])
      const location = (path: string): string => `${bench.server.endpoint}${path}`
      const standby = await VendorServer.start(
        ({ path }) => ({ status: 307, headers: { location: location(path) } }),
        certificate,
      )
      const tls = { ca: [bench.server.caPem, standby.caPem].join('\n') }
      const settings = { endpoint: standby.endpoint, tls }
      const strict = await bench.open(settings)
      const { host } = new URL(bench.server.endpoint)
      await expect(strict.get('k')).rejects.toMatchObject({
        code: 'unreachable',
        message: expect.stringContaining(`answered 307, to ${host}, which is not among its redirect hosts`),
      })
      expect(bench.server.requests).toEqual([])
      const told = await bench.open({ ...settings, redirectHosts: [host] })
      await told.create('k', bytes('value'))
      expect(textOf(await told.get('k'))).toBe('value')
      await strict.close()
      await told.close()
      await standby.close()
    })

    it('says so when a token file is not there', async () => {
      const store = await bench.open({ login: { method: 'jwt', jwt: '/nowhere/token', role } })
      await expect(store.get('k')).rejects.toMatchObject({
        code: 'unreachable',
        message: expect.stringContaining('/nowhere/token'),
      })
      await store.close()
    })

    it('says what was refused and never the secret, and does not try again at once', async () => {
      const store = await bench.open({ login: { method: 'approle', id: 'role-1234', secret: 'wrong-secret' } })
      const error: unknown = await store.get('k').catch((reason) => reason)
      expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringMatching(/approle.*refused/) })
      expect(String(error)).not.toContain('wrong-secret')
      const before = bench.server.requests.length
      await expect(store.get('k')).rejects.toMatchObject({ code: 'permission-denied' })
      expect(bench.server.requests.length).toBe(before)
      expect(await store.status()).toMatchObject({ reachable: false, detail: expect.stringContaining('refused') })
      await store.close()
    })

    it('uses a token from the settings as it is', async () => {
      const store = await bench.open({ login: { method: 'token', token: 'hvs.nonsense' } })
      await expect(store.get('k')).rejects.toMatchObject({ code: 'permission-denied' })
      expect(bench.server.requests.every(({ path }) => !path.includes('login'))).toBe(true)
      await store.close()
    })

    it('logs in once for many callers', async () => {
      const store = await bench.open()
      await Promise.allSettled(Array.from({ length: 20 }, () => store.get('k')))
      expect(bench.vault.logins).toBe(1)
      await store.close()
    })

    it.each([
      [undefined, 'team'],
      ['', 'team'],
      ['/', undefined],
      ['admin', 'admin'],
    ])('logs in with namespace %j in %j', async (namespace, sent) => {
      const { role_id: id, secret_id: secret } = bench.vault.approle
      const login = { method: 'approle', id, secret, ...(namespace === undefined ? {} : { namespace }) } as const
      const store = await bench.open({ namespace: 'team', login })
      await store.get('k').catch(() => {})
      expect(bench.server.requests[0]?.headers['x-vault-namespace']).toBe(sent)
      await store.status()
      expect(bench.server.requests.at(-1)?.headers['x-vault-namespace']).toBeUndefined()
      await store.close()
    })
  })

  describe('the life of a token', () => {
    /** Timers that fire when a test says so. */
    const timers = () => {
      const planned: { readonly milliseconds: number; readonly callback: () => void }[] = []
      const setTimer = (milliseconds: number, callback: () => void) => {
        planned.push({ milliseconds, callback })
        return () => {}
      }
      return { planned, setTimer }
    }

    const settle = async (isDone: () => boolean): Promise<void> => {
      await expect.poll(isDone, { timeout: 10_000, interval: 5 }).toBe(true)
    }

    it('is renewed after four fifths of it', async () => {
      const { planned, setTimer } = timers()
      const store = await bench.open({}, { setTimer })
      await store.get('k').catch(() => {})
      expect(planned.map(({ milliseconds }) => milliseconds)).toEqual([2_880_000])
      planned[0]?.callback()
      await settle(() => planned.length === 2)
      expect(bench.vault.renewals).toBe(1)
      expect(bench.vault.logins).toBe(1)
      expect(bench.server.requests.at(-1)).toMatchObject({ path: '/v1/auth/token/renew-self', body: '{"increment":0}' })
      await store.close()
    })

    it('ends in a new login when it cannot be made longer', async () => {
      await bench.stop()
      bench = await VaultBench.start({ tokenSeconds: 60, maxTokenSeconds: 60 })
      const { planned, setTimer } = timers()
      const store = await bench.open({}, { setTimer })
      await store.get('k').catch(() => {})
      bench.server.clockSkewMs = 48_000
      planned[0]?.callback()
      await settle(() => planned.length === 2)
      expect([bench.vault.renewals, bench.vault.logins]).toEqual([1, 2])
      await store.close()
    })

    it('has no end when Vault says so', async () => {
      await bench.stop()
      bench = await VaultBench.start({ tokenSeconds: 0 })
      const { planned, setTimer } = timers()
      const store = await bench.open({}, { setTimer })
      await store.get('k').catch(() => {})
      expect(planned).toEqual([])
      await store.close()
    })
  })

  it('names the path and the capability that is missing, and takes a lasting refusal for what it is', async () => {
    const store = await bench.open({ version: 'v2', prefix: 'kes' })
    bench.vault.denies = ({ method }) => method === 'PUT'
    const message = '"create" on kv2/data/kes/k'
    await expect(store.create('k', bytes('value'))).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining(message),
    })
    expect(bench.vault.logins).toBe(2)
    await expect(store.create('k', bytes('value'))).rejects.toMatchObject({ code: 'permission-denied' })
    expect(bench.vault.logins).toBe(2)
    await store.close()
  })

  it('tells who came second under a policy that lets nobody overwrite', async () => {
    bench.vault.hasCreateOnly = true
    const store = await bench.open({ version: 'v2' })
    const results = await Promise.allSettled([1, 2, 3, 4].map((n) => store.create('k', bytes(`value ${n}`))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'key-exists' })
    }
    await store.close()
  })

  it('is unreachable at once while Vault is sealed, and goes on when it is unsealed', async () => {
    const store = await bench.open()
    await store.create('k', bytes('value'))
    bench.vault.isSealed = true
    const before = bench.server.requests.length
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('sealed'),
    })
    expect(bench.server.requests.length).toBe(before + 1)
    expect(await store.status()).toEqual({ reachable: false, detail: 'Vault is sealed' })
    bench.vault.isSealed = false
    expect(textOf(await store.get('k'))).toBe('value')
    expect(await store.status()).toEqual({ reachable: true })
    await store.close()
  })

  it('says which setting is wrong when the engine is of the other version or not there', async () => {
    const one = await bench.open({ version: 'v1', engine: 'kv2' })
    await expect(one.get('k')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('set version'),
    })
    await expect(names(one.list(''))).rejects.toMatchObject({ code: 'unreachable' })
    await one.close()
    const none = await bench.open({ engine: 'nowhere' })
    await expect(none.get('k')).rejects.toMatchObject({ message: expect.stringContaining('no engine is mounted') })
    await none.close()
  })

  it('deletes nothing where version 2 is set and the engine is of version 1', async () => {
    const store = await bench.open({ version: 'v2', engine: 'kv1' })
    bench.vault.kv1.set('data/k', { data: { k: 'value' } })
    expect(textOf(await store.get('k'))).toBe('value')
    await expect(store.delete('k')).rejects.toMatchObject({ code: 'unsupported' })
    expect(textOf(await store.get('k'))).toBe('value')
    await store.close()
  })

  it('lists neither directories nor deleted entries, and reads the first version like KES', async () => {
    const store = await bench.open({ version: 'v2' })
    const entry = (text: string) => ({ data: { k: text }, deletionTime: '', isDestroyed: false })
    bench.vault.kv2.set('k', [entry('first'), entry('second')])
    bench.vault.kv2.set('sub/k', [entry('other')])
    expect(await names(store.list(''))).toEqual(['k'])
    expect(textOf(await store.get('k'))).toBe('first')
    await store.delete('k')
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(await names(store.list(''))).toEqual([])
    expect(bench.vault.kv2.get('k')?.map(({ deletionTime }) => deletionTime === '')).toEqual([false, false])
    await store.close()
  })

  it('refuses to create over an entry that was destroyed, and says how to clear the name', async () => {
    const store = await bench.open({ version: 'v2' })
    bench.vault.kv2.set('k', [{ data: {}, deletionTime: '', isDestroyed: true }])
    await expect(store.create('k', bytes('value'))).rejects.toMatchObject({
      code: 'key-pending-deletion',
      message: expect.stringContaining('metadata delete'),
    })
    await expect(store.recover?.('k')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.purge?.('k')
    await store.create('k', bytes('value'))
    await store.close()
  })

  it('refuses an entry whose field is missing or is not text', async () => {
    const store = await bench.open()
    bench.vault.kv1.set('k', { other: 'value' })
    bench.vault.kv1.set('n', { n: 5 })
    for (const name of ['k', 'n']) {
      await expect(store.get(name)).rejects.toMatchObject({ code: 'invalid-key' })
      await expect(store.create(name, bytes('value'))).rejects.toMatchObject({ code: 'key-exists' })
    }
    await store.close()
  })

  it('serves a key service: locks come and go, and a deleted key is not created anew by mistake', async () => {
    const service = new KeyService(await bench.open({ version: 'v2' }))
    await service.createKey('my-key')
    for (let i = 0; i < 2; i++) {
      await service.lockKey('my-key')
      expect(await service.describeKey('my-key')).toMatchObject({ state: 'locked' })
      await service.unlockKey('my-key')
    }
    await service.rotateKey('my-key')
    expect(await service.listKeys('*')).toEqual(['my-key'])
    await service.deleteKey('my-key')
    expect(await service.listKeys('*')).toEqual([])
    await expect(service.createKey('my-key')).rejects.toMatchObject({ code: 'key-pending-deletion' })
    await service.close()
  })

  describe('with transit', () => {
    it('stores ciphertext, reads it after the transit key was rotated, and reads plain entries as they are', async () => {
      const store = await bench.open({ transit: { key: 'my-key' } })
      await store.create('old', bytes('value'))
      expect(bench.vault.kv1.get('old')?.old).toMatch(/^vault:v1:/)
      bench.vault.transitVersion = 12
      await store.create('new', bytes('value'))
      expect(bench.vault.kv1.get('new')?.new).toMatch(/^vault:v12:/)
      bench.vault.kv1.set('plain', { plain: 'value' })
      for (const name of ['old', 'new', 'plain']) expect(textOf(await store.get(name))).toBe('value')
      await store.close()
    })

    it('does not take ciphertext for a key where transit is not set up', async () => {
      const store = await bench.open()
      bench.vault.kv1.set('k', { k: 'vault:v1:abc' })
      await expect(store.get('k')).rejects.toMatchObject({ code: 'invalid-key' })
      await store.close()
    })

    it('stores nothing when the transit key is missing', async () => {
      const store = await bench.open({ transit: { key: 'other' } })
      await expect(store.create('k', bytes('value'))).rejects.toMatchObject({ code: 'unreachable' })
      expect(bench.vault.kv1.size).toBe(0)
      await store.close()
    })
  })

  it.each(['nonsense', 'ftp://vault', 'https://user:pw@vault', 'https://vault?x=1'])(
    'refuses the endpoint %j',
    async (endpoint) => {
      await expect(bench.open({ endpoint })).rejects.toMatchObject({ code: 'unreachable' })
    },
  )

  it('refuses paths that lead out of the mount, and certificates that cannot be read', async () => {
    await expect(bench.open({ prefix: '../other' })).rejects.toMatchObject({ code: 'unreachable' })
    await expect(bench.open({ tls: { ca: '/nowhere/ca.pem' } })).rejects.toMatchObject({
      message: expect.stringContaining('/nowhere/ca.pem'),
    })
    await expect(bench.open({ tls: { cert: '/nowhere/client.pem' } })).rejects.toMatchObject({ code: 'unreachable' })
  })
})
