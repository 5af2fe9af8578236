import { describe, expect, it } from 'vitest'
import { SharedLoads } from './shared-loads.ts'

/** A promise that the test settles. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

describe('SharedLoads', () => {
  const kept: [string, number, boolean][] = []
  const open = (): SharedLoads<number> => {
    kept.length = 0
    return new SharedLoads((id, value, isForgotten) => void kept.push([id, value, isForgotten]))
  }

  it('loads once for all who ask meanwhile, and again afterwards', async () => {
    const loads = open()
    let started = 0
    const load = async (): Promise<number> => ++started
    expect(await Promise.all([1, 2, 3].map(() => loads.join('a', load, (value) => value)))).toEqual([1, 1, 1])
    expect(await loads.join('a', load, (value) => value)).toBe(2)
    expect(kept).toEqual([
      ['a', 1, false],
      ['a', 2, false],
    ])
  })

  it('lets all use a value before it is handed over', async () => {
    const loads = open()
    const { promise, resolve } = deferred<number>()
    const uses: number[] = []
    const use = (value: number): void => {
      expect(kept).toEqual([])
      uses.push(value)
    }
    const joined = [loads.join('a', () => promise, use), loads.join('a', () => promise, use)]
    resolve(7)
    await Promise.all(joined)
    expect(uses).toEqual([7, 7])
    expect(kept).toEqual([['a', 7, false]])
  })

  it('serves those who waited when it was forgotten, and nobody after', async () => {
    const loads = open()
    const first = deferred<number>()
    const second = deferred<number>()
    const early = loads.join(
      'a',
      () => first.promise,
      (value) => value,
    )
    loads.forget('a')
    const late = loads.join(
      'a',
      () => second.promise,
      (value) => value,
    )
    second.resolve(2)
    first.resolve(1)
    expect(await Promise.all([early, late])).toEqual([1, 2])
    expect(kept.sort()).toEqual([
      ['a', 1, true],
      ['a', 2, false],
    ])
  })

  it('fails for all when the load fails, and for one when his use fails', async () => {
    const loads = open()
    const { promise, reject } = deferred<number>()
    const joined = [1, 2].map(() =>
      loads.join(
        'a',
        () => promise,
        (value) => value,
      ),
    )
    reject(new Error('down'))
    for (const result of await Promise.allSettled(joined)) expect(result.status).toBe('rejected')

    const load = async (): Promise<number> => 3
    const bad = loads.join('b', load, () => {
      throw new Error('mine')
    })
    const good = loads.join('b', load, (value) => value)
    await expect(bad).rejects.toThrow('mine')
    expect(await good).toBe(3)
    expect(kept).toEqual([['b', 3, false]])
  })
})
