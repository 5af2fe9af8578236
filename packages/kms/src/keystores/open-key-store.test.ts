import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import type { KeyStoreSettings } from './key-store-settings.ts'
import { openKeyStore } from './open-key-store.ts'

/** A port on which nothing listens. */
const endpoint = 'https://127.0.0.1:1'

const stores: readonly KeyStoreSettings[] = [
  { kind: 'vault', endpoint, login: { method: 'token', token: 'token' } },
  { kind: 'fortanix', endpoint, credentials: { apiKey: 'key' } },
  { kind: 'aws', endpoint, region: 'eu-north-1', credentials: { accessKeyId: 'a', secretAccessKey: 's' } },
  { kind: 'azure', endpoint, metadataEndpoint: endpoint },
  { kind: 'gcp', endpoint, projectId: 'p', metadataEndpoint: endpoint },
  { kind: 'gemalto', endpoint, credentials: { refreshToken: 'token', domain: 'root' } },
  {
    kind: 'entrust',
    endpoint,
    vaultId: 'v',
    boxId: 'b',
    credentials: { username: 'u', password: 'p' },
  },
]

describe('opening a key store', () => {
  it.each(stores)('succeeds without the service, which is reported when it is used: $kind', async (settings) => {
    const store = await openKeyStore(settings, { sleep: async () => {} })
    expect(await store.status()).toMatchObject({ reachable: false, detail: expect.stringContaining('ECONNREFUSED') })
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(store.create('k', Buffer.from('value'))).rejects.toMatchObject({ code: 'unreachable' })
    await store.close()
  })

  it('opens memory and files', async () => {
    const store = await openKeyStore({ kind: 'memory' })
    await store.create('k', Buffer.from('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    await store.close()
    await expect(openKeyStore({ kind: 'files', path: '/dev/null/keys' })).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('loads no store before it is named', async () => {
    const source = await readFile(new URL('./open-key-store.ts', import.meta.url), 'utf8')
    const imported = source.split('\n').filter((line) => /^(?:import|export) .* from /.test(line))
    expect(imported.length).toBeGreaterThan(0)
    expect(imported.filter((line) => !line.startsWith('import type') && /-key-store\.ts|vault/.test(line))).toEqual([])
  })
})
