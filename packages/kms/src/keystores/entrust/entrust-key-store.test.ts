import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeyControlServer } from '../../../../../tests/support/keycontrol-server.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { EntrustKeyStoreSettings } from '../key-store-settings.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'

const vendor: Vendor<KeyControlServer, EntrustKeyStoreSettings> = {
  service: (now) => new KeyControlServer(now),
  settings: ({ vaultId, boxId, credentials }, endpoint) => ({ kind: 'entrust', endpoint, vaultId, boxId, credentials }),
  isLogin: ({ path }) => path.includes('/Login/') || path.includes('/Renew/'),
  put: ({ secrets }, name) => void secrets.set(name, { data: 'dmFsdWU=', isExpired: false }),
  secrets: ({ credentials }) => [credentials.password],
}

testKeyStore('KeyControl', vendorHarness(vendor))

describe('a key store in KeyControl', () => {
  let bench: VendorBench<KeyControlServer, EntrustKeyStoreSettings>

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
  })

  afterEach(() => bench.stop())

  const timers = () => {
    const planned: { readonly milliseconds: number; readonly callback: () => void }[] = []
    const setTimer = (milliseconds: number, callback: () => void) => {
      planned.push({ milliseconds, callback })
      return () => {}
    }
    return { planned, setTimer }
  }

  it('stores base64 of the value in its box', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('dmFsdWU='))
    expect(bench.server.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      'POST /vault/1.0/Login/vault-1/ {"username":"strongroom","password":"a-long-password"}',
      'POST /vault/1.0/CreateSecret/ {"box_id":"box-1","name":"k","secret_data":"ZG1Gc2RXVT0="}',
    ])
    await store.close()
  })

  it.each([0, -7_200_000, 7_200_000])(
    'renews after half of the life on the clock of the service, %d ms off',
    async (skew) => {
      bench.server.clockSkewMs = skew
      const { planned, setTimer } = timers()
      const store = await bench.open({}, { setTimer })
      await store.get('k').catch(() => {})
      // `Date` has whole seconds.
      expect(Math.abs((planned[0]?.milliseconds ?? 0) - 150_000)).toBeLessThanOrEqual(1_000)
      planned[0]?.callback()
      await expect.poll(() => planned.length, { timeout: 10_000, interval: 5 }).toBe(2)
      expect([bench.service.logins, bench.service.renewals]).toEqual([1, 1])
      await store.close()
    },
  )

  it('logs in when it cannot renew, and tries again later when it can do neither', async () => {
    bench.service.canRenew = false
    const { planned, setTimer } = timers()
    const store = await bench.open({}, { setTimer })
    await store.get('k').catch(() => {})
    planned[0]?.callback()
    await expect.poll(() => planned.length, { timeout: 10_000, interval: 5 }).toBe(2)
    expect(bench.service.logins).toBe(2)
    bench.server.answerWith(() => ({ status: 501, json: { error: 'out of order' } }))
    planned[1]?.callback()
    await expect.poll(() => planned.length, { timeout: 10_000, interval: 5 }).toBe(3)
    bench.server.answerWith(bench.service.handler)
    planned[2]?.callback()
    await expect.poll(() => planned.length, { timeout: 10_000, interval: 5 }).toBe(4)
    expect(bench.service.logins).toBe(3)
    await store.close()
  })

  it('takes five minutes for a token without an end', async () => {
    bench.service.tokenSeconds = undefined
    const { planned, setTimer } = timers()
    const store = await bench.open({}, { setTimer })
    await store.get('k').catch(() => {})
    expect(planned.map(({ milliseconds }) => milliseconds)).toEqual([150_000])
    await store.close()
  })

  it('does not list what has expired', async () => {
    bench.service.secrets.set('old', { data: 'dmFsdWU=', isExpired: true })
    vendor.put(bench.service, 'new')
    const store = await bench.open()
    const found: string[] = []
    for await (const name of store.list('')) found.push(name)
    expect(found).toEqual(['new'])
    await store.close()
  })

  it.each(['cut', 'lost-answer', 'server-error'] as const)(
    'deletes once in spite of a passing fault: %s',
    async (fault) => {
      const store = await bench.open()
      await store.create('k', Buffer.from('value'))
      bench.server.fail(fault, 1)
      await store.delete('k')
      await expect(store.delete('k')).rejects.toMatchObject({ code: 'key-not-found' })
      await store.close()
    },
  )

  it.each([
    ['a wrong password', { credentials: { username: 'strongroom', password: 'wrong-password' } }, /right password/],
    ['a missing right', {}, /403: Access denied.*check out/],
    ['a wrong box', { boxId: 'other' }, /Box not found|Access denied/],
  ])('names what is missing with %s, never the password', async (_, changes, message) => {
    bench.service.denies = () => true
    const store = await bench.open(changes)
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({ message: expect.stringMatching(message) })
    expect(String(error)).not.toContain('wrong-password')
    expect(await store.status()).toMatchObject({ reachable: false })
    await store.close()
  })
})
