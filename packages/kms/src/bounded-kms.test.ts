import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BoundedKms, type BoundedKmsOptions } from './bounded-kms.ts'
import type { KmsCallOptions } from './contract.ts'
import { DelegatingKms, type KmsOperation } from './delegating-kms.ts'
import { KeyService } from './key-service.ts'
import { MemoryKeyStore } from './keystores/memory-key-store.ts'
import { testKms } from './kms.suite.ts'
import { KmsError } from './kms-error.ts'

testKms('BoundedKms', { open: async () => new BoundedKms(new KeyService(new MemoryKeyStore())) })

const context = Buffer.from('context')

/** A KMS that can hang, as one behind a dead line does, until the signal ends it. */
class FragileKms extends DelegatingKms {
  mode: 'up' | 'hangs' | 'down' | 'broken' = 'up'
  reached = 0
  underWay = 0
  mostUnderWay = 0
  /** Names that hang whatever the mode. */
  readonly hanging = new Set<string>()
  readonly #release: (() => void)[] = []

  constructor() {
    super(new KeyService(new MemoryKeyStore()))
  }

  releaseAll(): void {
    for (const release of this.#release.splice(0)) release()
  }

  protected override async call<T, O extends KmsCallOptions>(
    _operation: KmsOperation,
    name: string,
    options: O | undefined,
    run: (options: O | undefined) => Promise<T>,
  ): Promise<T> {
    this.reached++
    this.underWay++
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    try {
      if (this.mode === 'down') throw new KmsError('unreachable', 'connection refused')
      if (this.mode === 'broken') throw new TypeError('a bug')
      if (this.mode === 'hangs' || this.hanging.has(name)) await this.#hang(options?.signal)
      return await run(options)
    } finally {
      this.underWay--
    }
  }

  #hang(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#release.push(resolve)
      signal?.addEventListener('abort', () => reject(new KmsError('unreachable', 'ended')), { once: true })
    })
  }
}

describe('BoundedKms', () => {
  let inner: FragileKms
  let seen: string[]
  const opened: BoundedKms[] = []

  const open = (options: BoundedKmsOptions = {}): BoundedKms => {
    const kms = new BoundedKms(inner, {
      observe: (operation, result, ms) => void seen.push(`${operation} ${result} ${Math.round(ms)}`),
      ...options,
    })
    opened.push(kms)
    return kms
  }

  const code = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'ok',
      (error: KmsError) => error.code,
    )

  beforeEach(async () => {
    vi.useFakeTimers()
    inner = new FragileKms()
    seen = []
    await inner.createKey('k')
    await inner.createKey('other')
    inner.reached = 0
  })

  afterEach(async () => {
    vi.useRealTimers()
    for (const kms of opened.splice(0)) await kms.close()
  })

  it('tells the observer of every call once, with its result', async () => {
    const kms = open()
    await kms.generateDataKey('k', context)
    await code(kms.describeKey('missing'))
    inner.mode = 'broken'
    await code(kms.hmac('k', context))
    expect(seen).toEqual(['generateDataKey ok 0', 'describeKey key-not-found 0', 'hmac error 0'])
  })

  it('answers within the time-out when the KMS hangs, and ends the call there', async () => {
    const kms = open({ timeoutMs: 5_000 })
    inner.mode = 'hangs'
    const answer = code(kms.generateDataKey('k', context))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(inner.underWay).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toBe('unreachable')
    expect(seen).toEqual(['generateDataKey unreachable 5000'])
    expect(inner.underWay).toBe(0)
    expect(kms.load).toEqual({ inFlight: 0, queued: 0 })
  })

  it('ends a call when the caller does', async () => {
    const kms = open()
    inner.mode = 'hangs'
    const ending = new AbortController()
    const answer = code(kms.generateDataKey('k', context, { signal: ending.signal }))
    ending.abort()
    expect(await answer).toBe('unreachable')
    await vi.advanceTimersByTimeAsync(0)
    expect(inner.underWay).toBe(0)
    expect(await code(kms.generateDataKey('k', context, { signal: AbortSignal.abort() }))).toBe('unreachable')
    expect(inner.reached).toBe(1)
  })

  it('never has more calls under way than allowed, and begins the next in order of arrival', async () => {
    const kms = open({ maxInFlight: 2 })
    inner.mode = 'hangs'
    const finished: number[] = []
    const calls = [0, 1, 2, 3, 4].map((i) => kms.hmac('k', context).then(() => finished.push(i)))
    expect(kms.load).toEqual({ inFlight: 2, queued: 3 })
    while (finished.length < calls.length) {
      inner.releaseAll()
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(inner.mostUnderWay).toBe(2)
    expect(finished).toEqual([0, 1, 2, 3, 4])
    expect(kms.load).toEqual({ inFlight: 0, queued: 0 })
  })

  it('refuses what it cannot queue, at once', async () => {
    const kms = open({ maxInFlight: 1, maxQueued: 2 })
    inner.mode = 'hangs'
    const held = [1, 2, 3].map(() => code(kms.hmac('k', context)))
    expect(await code(kms.hmac('k', context))).toBe('busy')
    expect(seen).toEqual(['hmac busy 0'])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await Promise.all(held)).toEqual(['unreachable', 'unreachable', 'unreachable'])
    expect(kms.load).toEqual({ inFlight: 0, queued: 0 })
  })

  it('never begins a call that ended while it waited', async () => {
    const kms = open({ maxInFlight: 1 })
    inner.mode = 'hangs'
    const held = code(kms.hmac('k', context))
    const ending = new AbortController()
    const waiting = code(kms.hmac('k', context, { signal: ending.signal }))
    expect(kms.load).toEqual({ inFlight: 1, queued: 1 })
    ending.abort()
    expect(await waiting).toBe('unreachable')
    expect(kms.load).toEqual({ inFlight: 1, queued: 0 })
    inner.releaseAll()
    expect(await held).toBe('ok')
    expect(inner.reached).toBe(1)
  })

  it('stops asking after five unanswered calls, tries once a second, and goes on when one is answered', async () => {
    const kms = open()
    inner.mode = 'down'
    for (let i = 0; i < 20; i++) expect(await code(kms.hmac('k', context))).toBe('unreachable')
    expect(inner.reached).toBe(5)
    await vi.advanceTimersByTimeAsync(1_000)
    for (let i = 0; i < 20; i++) expect(await code(kms.hmac('k', context))).toBe('unreachable')
    expect(inner.reached).toBe(6)
    inner.mode = 'up'
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await code(kms.hmac('k', context))).toBe('ok')
    expect(await code(kms.hmac('k', context))).toBe('ok')
    expect(seen).toHaveLength(42)
  })

  it('lets one call at a time try, while the others are refused at once', async () => {
    const kms = open({ failureThreshold: 1 })
    inner.mode = 'down'
    await code(kms.hmac('k', context))
    inner.mode = 'hangs'
    await vi.advanceTimersByTimeAsync(1_000)
    const trial = code(kms.hmac('k', context))
    expect(await code(kms.hmac('k', context))).toBe('unreachable')
    inner.mode = 'up'
    inner.releaseAll()
    expect(await trial).toBe('ok')
    expect(await code(kms.hmac('k', context))).toBe('ok')
  })

  it('learns nothing from a caller who went away', async () => {
    const kms = open({ failureThreshold: 1 })
    inner.mode = 'hangs'
    const ending = new AbortController()
    const answer = code(kms.hmac('k', context, { signal: ending.signal }))
    ending.abort()
    expect(await answer).toBe('unreachable')
    inner.mode = 'up'
    expect(await code(kms.hmac('k', context))).toBe('ok')
  })

  it('goes on with one key while another gets no answer', async () => {
    const kms = open({ timeoutMs: 100 })
    inner.hanging.add('other')
    for (let i = 0; i < 5; i++) {
      const answer = code(kms.hmac('other', context))
      await vi.advanceTimersByTimeAsync(100)
      expect(await answer).toBe('unreachable')
    }
    const before = inner.reached
    expect(await code(kms.hmac('other', context))).toBe('unreachable')
    expect(inner.reached).toBe(before)
    expect(await code(kms.hmac('k', context))).toBe('ok')
  })

  it('takes refusals for answers', async () => {
    const kms = open({ failureThreshold: 1 })
    for (let i = 0; i < 10; i++) expect(await code(kms.hmac('missing', context))).toBe('key-not-found')
    expect(inner.reached).toBe(10)
  })

  it('zeroes a data key that came too late', async () => {
    const kms = open({ timeoutMs: 100 })
    const late = { keyVersion: 1, plaintext: new Uint8Array(32).fill(7), ciphertext: new Uint8Array(76) }
    let deliver: () => void = () => {}
    inner.generateDataKey = () =>
      new Promise((resolve) => {
        deliver = () => resolve(late)
      })
    const answer = code(kms.generateDataKey('k', context))
    await vi.advanceTimersByTimeAsync(100)
    expect(await answer).toBe('unreachable')
    deliver()
    await vi.advanceTimersByTimeAsync(0)
    expect([...late.plaintext]).toEqual(Array(32).fill(0))
    expect(kms.load).toEqual({ inFlight: 0, queued: 0 })
  })

  it('leaves no timer behind', async () => {
    const kms = open()
    const before = vi.getTimerCount()
    await kms.generateDataKey('k', context)
    await code(kms.describeKey('missing'))
    expect(vi.getTimerCount()).toBe(before)
  })
})
