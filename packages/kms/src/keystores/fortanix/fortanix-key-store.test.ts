import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FortanixServer } from '../../../../../tests/support/fortanix-server.ts'
import { testKeyStore } from '../key-store.suite.ts'
import type { FortanixKeyStoreSettings } from '../key-store-settings.ts'
import { type Vendor, VendorBench, vendorHarness } from '../vendor-bench.fixture.ts'

const vendor: Vendor<FortanixServer, FortanixKeyStoreSettings> = {
  service: () => new FortanixServer(),
  settings: ({ apiKey }, endpoint) => ({ kind: 'fortanix', endpoint, credentials: { apiKey } }),
  isLogin: () => false,
  put: (service, name) => service.put(name, Buffer.from('value').toString('base64')),
  secrets: ({ apiKey }) => [apiKey],
}

testKeyStore('Fortanix SDKMS', vendorHarness(vendor))

describe('a key store in Fortanix SDKMS', () => {
  let bench: VendorBench<FortanixServer, FortanixKeyStoreSettings>

  beforeEach(async () => {
    bench = await VendorBench.start(vendor)
  })

  afterEach(() => bench.stop())

  it('creates an opaque, exportable object whose value is base64 of the value, in the group of the settings', async () => {
    const store = await bench.open({ groupId: 'group-7' })
    await store.create('k', Buffer.from('dmFsdWU='))
    expect(bench.server.requests[0]).toMatchObject({ method: 'PUT', path: '/crypto/v1/keys' })
    expect(JSON.parse(bench.server.requests[0]?.body ?? '')).toEqual({
      obj_type: 'OPAQUE',
      name: 'k',
      group_id: 'group-7',
      key_ops: ['EXPORT', 'APPMANAGEABLE'],
      value: 'ZG1Gc2RXVT0=',
      enabled: true,
    })
    expect(bench.service.objects.get('k')?.groupId).toBe('group-7')
    await store.close()
  })

  it('does not use an object that is disabled', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    const object = bench.service.objects.get('k')
    if (object !== undefined) object.enabled = false
    await expect(store.get('k')).rejects.toMatchObject({ code: 'key-disabled' })
    await store.close()
  })

  it('deletes without reading the value', async () => {
    const store = await bench.open()
    await store.create('k', Buffer.from('value'))
    await store.delete('k')
    expect(bench.server.requests.some(({ path }) => path.endsWith('/export'))).toBe(false)
    await store.close()
  })

  it('lists to the end when a page begins with the name that was given as its start', async () => {
    bench.service.startIsIncluded = true
    for (let i = 0; i < 250; i++) vendor.put(bench.service, `k-${i}`)
    const store = await bench.open()
    const found: string[] = []
    for await (const name of store.list('')) found.push(name)
    expect(found.length).toBe(250)
    await store.close()
  })

  it('takes the answer to another request for what it is', async () => {
    const store = await bench.open({ endpoint: `${bench.server.endpoint}/elsewhere` })
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining('404') })
    await store.close()
  })

  it.each([
    ['a wrong key', { credentials: { apiKey: 'd3Jvbmctc2VjcmV0LWtleQ==' } }, /401/],
    ['a missing right', {}, /403.*EXPORT permission/],
  ])('names what is missing with %s, never the key', async (_, changes, message) => {
    bench.service.denies = () => true
    const store = await bench.open(changes)
    const error: unknown = await store.get('k').catch((reason) => reason)
    expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringMatching(message) })
    expect(String(error)).not.toContain('d3Jvbmctc2VjcmV0LWtleQ')
    expect(await store.status()).toMatchObject({ reachable: false, detail: expect.stringContaining('valid API key') })
    await store.close()
  })
})
