/**
 * Recorded conversations of real KES with OpenBao (testdata/vault.json): the same entries are written and read.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { type VendorAnswer, type VendorRequest, VendorServer } from '../../../../../tests/support/vendor-server.ts'
import type { KeyStore } from '../../contract.ts'
import { parseStoredKey } from '../../stored-key.ts'
import { openKeyStore } from '../open-key-store.ts'

interface Exchange {
  readonly for: string
  readonly method: string
  readonly path: string
  readonly body: string | null
  readonly status: number
  readonly response: string | null
}

interface Recording {
  readonly config: { version: 'v1' | 'v2'; engine: string; prefix: string; transit: string | null }
  /** Between the requests stand KES's own answers. */
  readonly requests: readonly (Exchange | { readonly kesAnswers: unknown })[]
  readonly stored: readonly {
    readonly name: string
    readonly path: string
    readonly algorithm: string
    readonly key: string
    readonly hmacKey: string
    readonly decryptedValue?: string
    readonly data: Readonly<Record<string, string>>
  }[]
}

const recordings: readonly Recording[] = JSON.parse(
  readFileSync(new URL('../../../testdata/vault.json', import.meta.url), 'utf8'),
)

/** Answers as recorded, in the recorded order per method and path; the last answer of each stays. */
class Player {
  readonly #queues = new Map<string, Exchange[]>()
  /** Requests that were never recorded. */
  readonly unknown: string[] = []

  constructor(exchanges: readonly Exchange[]) {
    for (const exchange of exchanges) {
      const key = `${exchange.method} ${exchange.path}`
      this.#queues.set(key, [...(this.#queues.get(key) ?? []), exchange])
    }
  }

  answer({ method, path, query }: VendorRequest) {
    const kept = new URLSearchParams(query)
    kept.delete('limit')
    const key = `${method} ${path}${kept.size === 0 ? '' : `?${kept}`}`
    const queue = this.#queues.get(key)
    const exchange = queue?.[0]
    if (exchange === undefined) {
      // What OpenBao knows since then and KES does not ask.
      if (!path.includes('/detailed-metadata')) this.unknown.push(key)
      return { status: 404, text: '{"errors":[]}' }
    }
    if (queue !== undefined && queue.length > 1) queue.shift()
    return { status: exchange.status, text: exchange.response ?? '' }
  }
}

describe.each(recordings)('Vault as KES uses it, $config', ({ config, requests: lines, stored }) => {
  const requests = lines.flatMap((line) => ('kesAnswers' in line ? [] : [line]))
  let server: VendorServer | undefined

  afterEach(() => server?.close())

  const storedValue = ({ name, data, decryptedValue }: Recording['stored'][number]): Buffer =>
    Buffer.from(decryptedValue ?? data[name] ?? '')

  const open = async (answer: (request: VendorRequest) => VendorAnswer): Promise<KeyStore> => {
    server = await VendorServer.start(answer)
    return openKeyStore(
      {
        kind: 'vault',
        endpoint: server.endpoint,
        tls: { ca: server.caPem },
        engine: config.engine,
        version: config.version,
        prefix: config.prefix,
        ...(config.transit === null ? {} : { transit: { key: config.transit } }),
        login: { method: 'approle', id: '<role_id>', secret: '<secret_id>' },
      },
      { sleep: async () => {} },
    )
  }

  const names = async (store: KeyStore): Promise<string[]> => {
    const found: string[] = []
    for await (const name of store.list('')) found.push(name)
    return found
  }

  it('writes what KES wrote, to the same paths', async () => {
    const player = new Player(requests)
    const store = await open((request) => player.answer(request))
    expect(await names(store)).toEqual([])
    const [entry] = stored
    if (entry === undefined) throw new Error('nothing was recorded')
    await store.create(entry.name, storedValue(entry))
    expect(Buffer.from(await store.get(entry.name))).toEqual(storedValue(entry))
    await expect(store.create(entry.name, Buffer.from('other'))).rejects.toMatchObject({ code: 'key-exists' })
    await expect(store.get('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    expect(await store.status()).toEqual({ reachable: true })

    const writes = ({ method, path, body }: { method: string; path: string; body: string | null }) =>
      method === 'PUT' || path.includes('/encrypt/') ? [`${method} ${path} ${body}`] : []
    const recorded = requests.flatMap(writes)
    const sent = server?.requests.flatMap(writes) ?? []
    expect(sent.length).toBe(config.transit === null ? 2 : 3)
    expect(sent).toEqual(recorded.slice(0, sent.length))
    expect(player.unknown).toEqual([])
    await store.close()
  })

  it('reads what KES wrote', async () => {
    const store = await open(({ path, body }) => {
      if (path.endsWith('/login')) return { status: 200, json: { auth: { client_token: 'token', lease_duration: 60 } } }
      const opened = stored.find(({ name, data }) => path.includes('/decrypt/') && body.includes(data[name] ?? '-'))
      if (opened !== undefined)
        return { status: 200, json: { data: { plaintext: storedValue(opened).toString('base64') } } }
      const found = stored.find((entry) => entry.path === path)
      if (found === undefined) return { status: 404, json: { errors: [] } }
      const data = config.version === 'v1' ? found.data : { data: found.data, metadata: { version: 1 } }
      return { status: 200, json: { data } }
    })
    for (const entry of stored) {
      const key = parseStoredKey(await store.get(entry.name))
      expect(Buffer.from(key.key).toString('base64')).toBe(entry.key)
      expect(Buffer.from(key.hmacKey ?? []).toString('base64')).toBe(entry.hmacKey)
      expect(key.algorithm).toBe(entry.algorithm)
    }
    await store.close()
  })
})
