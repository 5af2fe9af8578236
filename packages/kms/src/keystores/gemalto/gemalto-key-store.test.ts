import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CipherTrustServer } from '../../../../../tests/support/ciphertrust-server.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { GemaltoKeyStoreSettings } from '../key-store-settings.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'

const vendor: Vendor<CipherTrustServer, GemaltoKeyStoreSettings> = {
  service: (now) => new CipherTrustServer(now),
  settings: ({ refreshToken, domain }, endpoint) => ({
    kind: 'gemalto',
    endpoint,
    credentials: { refreshToken, domain },
  }),
  isLogin: ({ path }) => path.endsWith('/auth/tokens'),
  put: ({ secrets }, name) => void secrets.set(name, 'value'),
  secrets: ({ refreshToken }) => [refreshToken],
  isTextOnly: true,
}

testKeyStore('CipherTrust Manager', vendorHarness(vendor))

describe('a key store in CipherTrust Manager', () => {
  let bench: VendorBench<CipherTrustServer, GemaltoKeyStoreSettings>

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
  })

  afterEach(() => bench.stop())

  it('logs in with the refresh token of the domain and stores the value as it is', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('dmFsdWU='))
    expect(bench.server.requests.map(({ method, path, body }) => `${method} ${path} ${body}`)).toEqual([
      `POST /api/v1/auth/tokens {"grant_type":"refresh_token","refresh_token":"${bench.service.refreshToken}","domain":"root"}`,
      'POST /api/v1/vault/secrets {"dataType":"seed","name":"k","material":"dmFsdWU="}',
    ])
    await store.close()
  })

  it('gets a new token after half of the life of the old one', async () => {
    const planned: { readonly milliseconds: number; readonly callback: () => void }[] = []
    const setTimer = (milliseconds: number, callback: () => void) => {
      planned.push({ milliseconds, callback })
      return () => {}
    }
    const store = await bench.open({}, { setTimer })
    await store.get('k').catch(() => {})
    expect(planned.map(({ milliseconds }) => milliseconds)).toEqual([150_000])
    planned[0]?.callback()
    await expect.poll(() => planned.length, { timeout: 10_000, interval: 5 }).toBe(2)
    expect(bench.service.logins).toBe(2)
    await store.close()
  })

  it('tells a missing right to delete from an absent key, which the service does not', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    const { handler } = bench.service
    bench.service.denies = () => false
    bench.server.answerWith((request) => (request.method === 'DELETE' ? { status: 404, json: {} } : handler(request)))
    await expect(store.delete('k')).rejects.toMatchObject({ code: 'permission-denied' })
    await expect(store.delete('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    await store.close()
  })

  it('does not go on with a page that it did not ask for', async () => {
    const store = await bench.open()
    bench.server.answerWith((request) =>
      request.path.endsWith('/secrets')
        ? { status: 200, json: { skip: 7, total: 9, resources: [] } }
        : bench.service.handler(request),
    )
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'unreachable' })
    await store.close()
  })

  it.each([
    [
      'a wrong refresh token',
      { credentials: { refreshToken: 'wrong-refresh-token', domain: 'root' } },
      /refresh token/,
    ],
    ['a missing right', {}, /403.*export secrets/],
  ])('names what is missing with %s, never the token', async (_, changes, message) => {
    bench.service.denies = () => true
    const store = await bench.open(changes)
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringMatching(message) })
    expect(String(error)).not.toContain('wrong-refresh-token')
    expect(await store.status()).toMatchObject({ reachable: false })
    await store.close()
  })

  it.each([
    { token_type: 'MAC', jwt: 'x', duration: 300 },
    { token_type: 'Bearer', jwt: 'x', duration: 0 },
    { token_type: 'Bearer', duration: 300 },
  ])('does not take %j for a login', async (answer) => {
    bench.server.answerWith(() => ({ status: 200, json: answer }))
    const store = await bench.open()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable' })
    await store.close()
  })
})
