import { KmsError, MemoryKeyStore } from '@strongroom/kms'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { GuardedKeyStore } from './guarded-key-store.ts'

describe('a guarded key store', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('asks the store how it is as often as it is told, and says when that changes', async () => {
    vi.useFakeTimers()
    const store = new MemoryKeyStore()
    let reachable = true
    vi.spyOn(store, 'status').mockImplementation(async () => ({ reachable, detail: 'sealed' }))
    const reports: string[] = []
    const guarded = await GuardedKeyStore.open({
      open: async () => store,
      opened: async () => undefined,
      pingMs: 15_000,
      report: (isReachable, detail) => reports.push(isReachable ? 'back' : detail),
    })
    reachable = false
    await vi.advanceTimersByTimeAsync(14_999)
    expect(reports).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(reports).toEqual(['sealed'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(reports).toEqual(['sealed'])
    reachable = true
    await vi.advanceTimersByTimeAsync(15_000)
    expect(reports).toEqual(['sealed', 'back'])
    await guarded.close()
    const asked = vi.mocked(store.status).mock.calls.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(store.status).toHaveBeenCalledTimes(asked)
  })

  it('does not call a store lost that is busy, or takes its time to delete', async () => {
    vi.useFakeTimers()
    const store = new MemoryKeyStore()
    const reports: string[] = []
    const guarded = await GuardedKeyStore.open({
      open: async () => store,
      opened: async () => undefined,
      timeoutMs: 1_000,
      report: (_isReachable, detail) => reports.push(detail),
    })
    vi.spyOn(store, 'create').mockRejectedValueOnce(new KmsError('busy', 'too many requests'))
    await expect(guarded.create('a', Buffer.of(1))).rejects.toMatchObject({ code: 'busy' })
    vi.spyOn(store, 'delete').mockReturnValueOnce(new Promise(() => undefined))
    const deleted = expect(guarded.delete('a')).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('goes on'),
    })
    await vi.advanceTimersByTimeAsync(1_000)
    await deleted
    expect({ reports, isReachable: guarded.isReachable }).toEqual({ reports: [], isReachable: true })
    vi.spyOn(store, 'get').mockReturnValueOnce(new Promise(() => undefined))
    const read = expect(guarded.get('a')).rejects.toMatchObject({ code: 'unreachable' })
    await vi.advanceTimersByTimeAsync(1_000)
    await read
    expect(reports).toEqual(['the key store did not answer within 1000 ms'])
    await guarded.close()
  })
})
