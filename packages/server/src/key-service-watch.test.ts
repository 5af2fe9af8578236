import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchDefaultKey } from './default-key.ts'
import { KeyServiceWatch } from './key-service-watch.ts'

const lines: string[] = []
const note =
  (level: string) =>
  (first: unknown, text?: string): void =>
    void lines.push(`${level} ${typeof first === 'string' ? first : `${text} ${JSON.stringify(first)}`}`)
const log = { info: note('info'), warn: note('warn'), error: note('error') }
let reachable = true
const kms = { status: async () => ({ reachable, ...(reachable ? {} : { detail: 'connection refused' }) }) }

beforeEach(() => {
  vi.useFakeTimers()
  lines.length = 0
  reachable = true
})

afterEach(() => {
  vi.useRealTimers()
})

describe('a key service that is watched', () => {
  it('is said to be gone once, with the reason, and to be back when it answers', async () => {
    const watch = new KeyServiceWatch({ log })
    watch.noteCall('ok', kms)
    watch.noteCall('key-not-found', kms)
    reachable = false
    for (let call = 0; call < 3; call++) watch.noteCall('unreachable', kms)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(lines).toEqual(['warn the key service does not answer {"detail":"connection refused"}'])
    reachable = true
    await vi.advanceTimersByTimeAsync(5_000)
    expect(lines.slice(1)).toEqual(['info the key service answers again'])
    watch.noteCall('unreachable', kms)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lines).toHaveLength(2)
    reachable = false
    watch.noteCall('unreachable', kms)
    await vi.advanceTimersByTimeAsync(0)
    expect(lines).toHaveLength(3)
    watch.stop()
    reachable = true
    await vi.advanceTimersByTimeAsync(60_000)
    expect(lines).toHaveLength(3)
  })

  it('that cannot even say how it is, is gone', async () => {
    const watch = new KeyServiceWatch({ log })
    watch.noteCall('unreachable', { status: () => Promise.reject(new Error('no answer')) })
    await vi.advanceTimersByTimeAsync(30_000)
    expect(lines).toEqual(['warn the key service does not answer {"detail":"no answer"}'])
    watch.stop()
  })
})

describe('a default key that is not there yet', () => {
  it('is asked for until it is, and said to be missing once', async () => {
    let asked = 0
    reachable = false
    const stop = watchDefaultKey({ engine: { ensureDefaultKey: async () => ++asked > 3 }, kms, log })
    await vi.advanceTimersByTimeAsync(60_000)
    expect([asked, ...lines]).toEqual([
      4,
      'warn the default key cannot be used yet: it is tried again {"detail":"connection refused"}',
      'info the default key can be used now',
    ])
    await stop()
  })

  it('is asked for again when the asking fails, and no more after the end', async () => {
    let asked = 0
    const ensureDefaultKey = async (): Promise<boolean> => {
      asked++
      throw new Error('broken')
    }
    const stop = watchDefaultKey({ engine: { ensureDefaultKey }, kms, log })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(asked).toBe(2)
    await stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toBe(2)
  })
})
