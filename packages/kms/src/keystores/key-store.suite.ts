/**
 * What every `KeyStore` does. Run by each implementation with its own way to make an empty store.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '../contract.ts'

/** What can happen to the next requests; see `tests/support/vendor-server.ts`. */
export type KeyStoreFault =
  | 'delay'
  | 'throttle'
  | 'server-error'
  | 'cut'
  | 'lost-answer'
  | 'truncated'
  | 'garbage'
  | `refuse-${number}`

/** How a test makes trouble between a store and its service. */
export interface KeyStoreFaults {
  /** So many requests, logins aside, meet that, after `skipped` others. */
  next(fault: KeyStoreFault, times: number, skipped?: number): void
  /** No request meets a fault any more. */
  nextNone(): void
  /** How many requests came so far. */
  requests(): number
  /** Ends every token that was given so far; only where there are tokens. */
  expireTokens?(): void
  /** Sets the service's clock so far ahead of this machine's, in milliseconds. */
  skewClock(milliseconds: number): void
  /** A store that waits no longer than half a second. */
  openImpatient(): Promise<KeyStore>
  /** A store over a service of the same kind with a certificate that nobody trusts. */
  openUntrusted(): Promise<KeyStore>
  /** Texts that must be in no message. */
  readonly secrets: readonly string[]
}

/** How the suite gets its stores. */
export interface KeyStoreHarness {
  /** A new, empty store. Over the network: one that does not really wait between attempts. */
  open(): Promise<KeyStore>
  /** Another store over the same place, if the medium is shared. */
  openAgain?(): Promise<KeyStore>
  /** Removes what `open` made. */
  dispose?(): Promise<void>
  /** Puts entries there by another way, fast. */
  fill?(names: readonly string[]): Promise<void>
  /** How many entries make a long listing. Default 10,000; fewer where the store has to look into each. */
  readonly manyNames?: number
  /** The store keeps text, nothing else. */
  readonly isTextOnly?: true
  /** Whether the service can have an entry of that name. Default: all that are valid. */
  canName?(name: string): boolean
  /** Trouble, where there is a network to have it. After `open`. */
  readonly faults?: () => KeyStoreFaults
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function names(store: KeyStore, prefix = ''): Promise<string[]> {
  const found: string[] = []
  for await (const name of store.list(prefix)) found.push(name)
  return found
}

/** Registers the suite under `title`. */
export function testKeyStore(title: string, harness: KeyStoreHarness): void {
  describe(`${title}, as a key store`, () => {
    let store: KeyStore
    const canName = (name: string): boolean => harness.canName?.(name) ?? true

    beforeEach(async () => {
      store = await harness.open()
    })

    afterEach(async () => {
      await store.close()
      await harness.dispose?.()
    })

    it('gives back what was created, byte for byte', async () => {
      const value = harness.isTextOnly
        ? bytes('plain "quoted" \\ {"a":[1]} \n\t / é 🔑 \u2028 <&>')
        : Uint8Array.from({ length: 256 }, (_, i) => i)
      await store.create('k', value)
      expect(Buffer.from(await store.get('k'))).toEqual(Buffer.from(value))
    })

    it('keeps the longest value that a key has', async () => {
      const value = bytes('QUFB'.repeat(256))
      await store.create('k', value)
      expect(Buffer.from(await store.get('k'))).toEqual(Buffer.from(value))
    })

    it('keeps its value whatever the caller does to his bytes', async () => {
      const value = bytes('value')
      await store.create('k', value)
      value.fill(0)
      const first = await store.get('k')
      expect(Buffer.from(first).toString()).toBe('value')
      first.fill(0)
      expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    })

    it('refuses to create a name twice and keeps the first value', async () => {
      await store.create('k', bytes('first'))
      await expect(store.create('k', bytes('second'))).rejects.toMatchObject({ code: 'key-exists' })
      expect(Buffer.from(await store.get('k')).toString()).toBe('first')
    })

    it('lets exactly one of many creators of a name win', async () => {
      const attempts = Array.from({ length: 12 }, (_, i) => store.create('k', bytes(`value ${i}`)))
      const results = await Promise.allSettled(attempts)
      const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
      expect(winners).toHaveLength(1)
      expect(Buffer.from(await store.get('k')).toString()).toBe(`value ${winners[0]}`)
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'key-exists' })
      }
    })

    it('says of a missing key that it does not exist', async () => {
      await expect(store.get('missing')).rejects.toMatchObject({ code: 'key-not-found' })
      await expect(store.delete('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    })

    it('deletes, and lets the name be created again once nothing of it is kept', async () => {
      await store.create('k', bytes('old'))
      await store.delete('k')
      await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
      await expect(store.delete('k')).rejects.toMatchObject({ code: 'key-not-found' })
      expect(await names(store)).toEqual([])
      if (store.purge !== undefined) await store.purge('k')
      await store.create('k', bytes('new'))
      expect(Buffer.from(await store.get('k')).toString()).toBe('new')
      expect(await names(store)).toEqual(['k'])
    })

    it('keeps what was deleted where it has a window of recovery, and the name taken', async () => {
      if (store.recover === undefined || store.purge === undefined) return
      await store.create('k', bytes('old'))
      await expect(store.recover('k')).resolves.toBeUndefined()
      await store.delete('k')
      const refused = expect(store.create('k', bytes('new'))).rejects
      await refused.toMatchObject({ code: 'key-pending-deletion', message: expect.stringMatching(/recover|undelete/) })
      await store.recover('k')
      expect(Buffer.from(await store.get('k')).toString()).toBe('old')
      expect(await names(store)).toEqual(['k'])
      await store.delete('k')
      await store.purge('k')
      await expect(store.recover('k')).rejects.toMatchObject({ code: 'key-not-found' })
      await expect(store.purge('k')).rejects.toMatchObject({ code: 'key-not-found' })
    })

    it('replaces a marker where it can do so in one step, and makes one where there is none', async () => {
      if (store.replace === undefined) return
      await store.create('marker', bytes('old'))
      await store.replace('marker', bytes('new'))
      expect(Uint8Array.from(await store.get('marker'))).toEqual(bytes('new'))
      await store.replace('other', bytes('first'))
      expect(await names(store)).toEqual(['marker', 'other'])
      await expect(store.create('other', bytes('second'))).rejects.toMatchObject({ code: 'key-exists' })
    })

    it('removes a living entry for good when it is told to', async () => {
      if (store.purge === undefined) return
      await store.create('k', bytes('old'))
      await store.purge('k')
      await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
      await store.create('k', bytes('new'))
      expect(Buffer.from(await store.get('k')).toString()).toBe('new')
    })

    it('lists names by prefix in byte order', async () => {
      const wanted = ['b', 'a', 'B', 'a-v-2', 'a-v-10', 'ab', '_', 'a_'].filter(canName)
      for (const name of wanted) await store.create(name, bytes(name))
      expect(await names(store)).toEqual([...wanted].sort())
      expect(await names(store, 'a-')).toEqual(['a-v-10', 'a-v-2'])
      expect(await names(store, 'zz')).toEqual([])
    })

    const { fill } = harness
    if (fill !== undefined) {
      const { manyNames = 10_000 } = harness
      it(`lists ${manyNames} names, each once, in byte order`, { timeout: 120_000 }, async () => {
        const wanted = Array.from({ length: manyNames }, (_, i) => `key-${i}-${'x'.repeat(60)}`)
        await fill(wanted)
        const found = await names(store)
        expect(found.length).toBe(manyNames)
        expect(found).toEqual([...wanted].sort())
        expect(await names(store, 'key-999-')).toEqual([`key-999-${'x'.repeat(60)}`])
      })
    }

    it.each(['', '.', '..', 'a/b', '../k', 'a\\b', 'a.b', 'a\0', 'ü', 'a b', 'x'.repeat(200)])(
      'refuses the name %j',
      async (name) => {
        await expect(store.create(name, bytes('value'))).rejects.toMatchObject({ code: 'invalid-name' })
        await expect(store.get(name)).rejects.toMatchObject({ code: 'invalid-name' })
        await expect(store.delete(name)).rejects.toMatchObject({ code: 'invalid-name' })
      },
    )

    if (harness.isTextOnly) {
      it('refuses a value that is not text, before anything is stored', async () => {
        await expect(store.create('k', Uint8Array.of(0x41, 0xff, 0xfe))).rejects.toMatchObject({ code: 'invalid-key' })
        await expect(store.get('k')).rejects.toMatchObject({ code: 'key-not-found' })
      })
    }

    it('takes the longest name that a version of a key can have', async () => {
      const name = `${'x'.repeat(80)}-v-999999999`
      await store.create(name, bytes('value'))
      expect(await names(store)).toEqual([name])
    })

    it('is reachable', async () => {
      expect(await store.status()).toMatchObject({ reachable: true })
    })

    testSharing(harness, () => store)
    const { faults } = harness
    if (faults !== undefined) {
      testFaults(faults, () => store)
      testRefusals(title, faults, () => store)
    }
  })
}

/** Two stores over one place. */
function testSharing({ openAgain }: KeyStoreHarness, open: () => KeyStore): void {
  if (openAgain === undefined) return

  it('shows another store over the same place what it holds', async () => {
    await open().create('k', bytes('value'))
    const other = await openAgain()
    expect(Buffer.from(await other.get('k')).toString()).toBe('value')
    await other.close()
  })

  it('lets exactly one of two stores over the same place create a name', async () => {
    const other = await openAgain()
    const results = await Promise.allSettled([open().create('k', bytes('one')), other.create('k', bytes('two'))])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await other.close()
  })
}

/** What the caller of a network store is spared, and what he is told. */
function testFaults(faults: () => KeyStoreFaults, open: () => KeyStore): void {
  const messageOf = async (promise: Promise<unknown>): Promise<string> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason) => reason,
    )
    if (!(error instanceof Error)) throw new Error('nothing went wrong')
    for (const secret of faults().secrets) expect(`${error.message} ${String(error.cause)}`).not.toContain(secret)
    return error.message
  }

  it.each(['throttle', 'server-error', 'cut', 'truncated', 'lost-answer'] as const)(
    'reads and lists in spite of a passing fault: %s',
    async (fault) => {
      const store = open()
      await store.create('k', bytes('value'))
      faults().next(fault, 2)
      expect(Buffer.from(await store.get('k')).toString()).toBe('value')
      faults().next(fault, 2)
      expect(await names(store)).toEqual(['k'])
    },
  )

  it.each(['throttle', 'server-error', 'cut', 'truncated', 'lost-answer'] as const)(
    'creates once in spite of a passing fault at any step: %s',
    async (fault) => {
      const store = open()
      for (let step = 0; step < 3; step++) {
        const name = `k${step}`
        faults().next(fault, 1, step)
        await store.create(name, bytes(`value ${step}`))
        expect(Buffer.from(await store.get(name)).toString()).toBe(`value ${step}`)
        await expect(store.create(name, bytes('other'))).rejects.toMatchObject({ code: 'key-exists' })
      }
      expect(await names(store)).toEqual(['k0', 'k1', 'k2'])
    },
  )

  it('gives up on a service that fails for good, saying so', async () => {
    const store = open()
    await store.create('k', bytes('value'))
    faults().next('server-error', 1_000)
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining('500') })
  })

  it('is busy, not broken, when the service throttles for good', async () => {
    const store = open()
    await store.create('k', bytes('value'))
    faults().next('throttle', 1_000)
    await expect(store.get('k')).rejects.toMatchObject({ code: 'busy' })
  })

  it('takes nonsense for no answer', async () => {
    const store = open()
    await store.create('k', bytes('value'))
    faults().next('garbage', 1_000)
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(names(store)).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('waits a bounded time for a service that does not answer', async () => {
    const store = await faults().openImpatient()
    faults().next('delay', 1_000)
    const began = performance.now()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable' })
    expect(await store.status()).toMatchObject({ reachable: false })
    expect(performance.now() - began).toBeLessThan(10_000)
    await store.close()
  })

  it('logs in again when its token has expired in the middle of the work', async () => {
    const store = open()
    const { expireTokens } = faults()
    if (expireTokens === undefined) return
    await store.create('k', bytes('value'))
    expireTokens()
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    expireTokens()
    await store.create('k2', bytes('value'))
    expireTokens()
    const [one, two, listed] = await Promise.all([store.get('k'), store.get('k2'), names(store)])
    expect([Buffer.from(one).toString(), Buffer.from(two).toString(), listed]).toEqual(['value', 'value', ['k', 'k2']])
  })

  it.each([-3_600_000, 3_600_000])('works with a service whose clock is off by %d ms', async (skewMs) => {
    faults().skewClock(skewMs)
    const store = open()
    await store.create('k', bytes('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
    faults().expireTokens?.()
    expect(await names(store)).toEqual(['k'])
  })

  it('sends nothing to a service whose certificate nobody trusts', async () => {
    const store = await faults().openUntrusted()
    const before = faults().requests()
    expect(await messageOf(store.get('k'))).toMatch(/certificate/)
    await messageOf(store.create('k', bytes('value')))
    expect(await store.status()).toMatchObject({ reachable: false, detail: expect.stringMatching(/certificate/) })
    expect(faults().requests()).toBe(before)
    await store.close()
  })
}

/** What a message says of what a service refuses, and what it does not say. */
function testRefusals(title: string, faults: () => KeyStoreFaults, open: () => KeyStore): void {
  const [service = ''] = /^\w+/.exec(title) ?? []
  const value = 'cGxhaW50ZXh0LW9mLXRoZS1rZXk='
  const failure = async (fault: KeyStoreFault, call: (store: KeyStore) => Promise<unknown>): Promise<string> => {
    faults().next(fault, 1_000)
    const error: unknown = await call(open()).catch((reason) => reason)
    faults().nextNone()
    if (!(error instanceof Error) || !('code' in error)) throw new Error(`${fault}: ${String(error)}`)
    for (const secret of [...faults().secrets, value]) {
      expect(`${error.message} ${String(error.cause)}`).not.toContain(secret)
    }
    expect(error.message).not.toMatch(/(?:Bearer|Basic) [^*]/)
    if (error.code !== 'key-exists') expect(error.message).toContain(service)
    return `${String(error.code)}: ${error.message}`
  }
  const calls = {
    get: (store: KeyStore) => store.get('some-key'),
    create: (store: KeyStore) => store.create('other-key', bytes(value)),
    delete: (store: KeyStore) => store.delete('some-key'),
    list: (store: KeyStore) => names(store),
  } as const

  it.each<readonly [fault: KeyStoreFault, codes: string]>([
    ['refuse-401', 'permission-denied'],
    ['refuse-403', 'permission-denied'],
    ['refuse-409', 'busy|unreachable|key-exists'],
    ['refuse-429', 'busy'],
    ['refuse-500', 'unreachable'],
    ['cut', 'unreachable'],
  ])('names service, entry and missing right, and no secret: %s', async (fault, codes) => {
    await open().create('some-key', bytes(value))
    const status = /\d+/.exec(fault)?.[0]
    for (const [operation, call] of Object.entries(calls)) {
      const said = await failure(fault, call)
      expect(said).toMatch(new RegExp(`^(?:${codes}): `))
      if (status !== undefined && !said.startsWith('key-exists')) expect(said).toContain(` ${status}`)
      if (codes === 'permission-denied') expect(said).toMatch(/; it needs \S/)
      if (operation !== 'list') expect(said).toMatch(/some-key|other-key/)
    }
  })
}
