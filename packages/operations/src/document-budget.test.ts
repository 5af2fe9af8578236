import { describe, expect, it } from 'vitest'
import { DocumentBudget } from './document-budget.ts'

const mebibyte = 1024 * 1024

describe('the budget of documents', () => {
  it('refuses what it has no room for, and has room again when others are done', async () => {
    const budget = new DocumentBudget(4 * mebibyte)
    let resolve: (text: string) => void = () => undefined
    const promise = new Promise<string>((settle) => {
      resolve = settle
    })
    const first = budget.spend('a', mebibyte, () => promise)
    const second = budget.spend('a', mebibyte, () => promise)
    await expect(budget.spend('a', mebibyte, async () => 'third')).rejects.toMatchObject({
      code: 'SlowDown',
      clientMessage: expect.stringContaining('large documents'),
    })
    resolve('done')
    expect([await first, await second]).toEqual(['done', 'done'])
    expect(await budget.spend('a', 2 * mebibyte, async () => 'fourth')).toBe('fourth')
  })

  it('has room for others whatever one account holds and never gives back', async () => {
    const budget = new DocumentBudget(64 * mebibyte)
    const never = new Promise<void>(() => undefined)
    const held: string[] = []
    for (let i = 0; i < 16; i += 1) {
      budget.spend('slow', 8 * mebibyte, () => never).catch(({ code }) => held.push(code))
    }
    expect(await budget.spend('other', 8 * mebibyte, async () => 'read')).toBe('read')
    expect(held).toEqual(Array.from({ length: 12 }, () => 'SlowDown'))
  })

  it('has room again after a failure', async () => {
    const budget = new DocumentBudget(2 * mebibyte)
    const failing = budget.spend('a', mebibyte, async () => {
      throw new Error('of use')
    })
    await expect(failing).rejects.toThrow('of use')
    expect(await budget.spend('a', mebibyte, async () => 'next')).toBe('next')
  })

  it('always lets small documents pass', async () => {
    expect(await new DocumentBudget(0).spend('a', 64 * 1024, async () => 'small')).toBe('small')
  })
})
