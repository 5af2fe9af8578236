import { describe, expect, it } from 'vitest'
import { DocumentBudget } from './document-budget.ts'

const mebibyte = 1024 * 1024

describe('the budget of documents', () => {
  it('refuses what it has no room for, and has room again when others are done', async () => {
    const budget = new DocumentBudget(2 * mebibyte)
    let resolve: (text: string) => void = () => undefined
    const promise = new Promise<string>((settle) => {
      resolve = settle
    })
    const first = budget.spend(mebibyte, () => promise)
    const second = budget.spend(mebibyte, () => promise)
    await expect(budget.spend(mebibyte, async () => 'third')).rejects.toMatchObject({ code: 'SlowDown' })
    resolve('done')
    expect([await first, await second]).toEqual(['done', 'done'])
    expect(await budget.spend(2 * mebibyte, async () => 'fourth')).toBe('fourth')
  })

  it('has room again after a failure', async () => {
    const budget = new DocumentBudget(mebibyte)
    const failing = budget.spend(mebibyte, async () => {
      throw new Error('of use')
    })
    await expect(failing).rejects.toThrow('of use')
    expect(await budget.spend(mebibyte, async () => 'next')).toBe('next')
  })

  it('always lets small documents pass', async () => {
    expect(await new DocumentBudget(0).spend(64 * 1024, async () => 'small')).toBe('small')
  })
})
