import { describe, expect, it } from 'vitest'
import { KmsError } from '../kms-error.ts'
import { createOnce } from './create-once.ts'
import { StoreError } from './store-error.ts'

const lost = new StoreError('unreachable', 'lost', { isOutcomeUnknown: true })
const taken = new KmsError('key-exists', 'taken')
const absent = new KmsError('key-not-found', 'absent')
const mine = Buffer.from('mine')

/** Each call meets the next of what is planned; the last stays. */
function script<T>(...steps: readonly (T | Error)[]): () => Promise<T> {
  let at = 0
  return async () => {
    const step = steps[Math.min(at++, steps.length - 1)]
    if (step instanceof Error) throw step
    if (step === undefined) throw new Error('nothing is planned')
    return step
  }
}

const creation = (...steps: readonly ('done' | Error)[]): (() => Promise<void>) => {
  const next = script(...steps)
  return async () => void (await next())
}

describe('creating once', () => {
  it('looks at nothing when all is well, or when the name was taken before', async () => {
    await createOnce(mine, creation('done'), script<Uint8Array>(new Error('read')))
    await expect(createOnce(mine, creation(taken), script<Uint8Array>(mine))).rejects.toBe(taken)
  })

  it('has won when its own value is there after a lost answer', async () => {
    await createOnce(mine, creation(lost), script<Uint8Array>(Buffer.from('mine')))
  })

  it('has won when its repeated creation finds its own value', async () => {
    await createOnce(mine, creation(lost, taken), script<Uint8Array>(absent, Buffer.from('mine')))
  })

  it('has lost when another value is there', async () => {
    const other = () => script<Uint8Array>(Buffer.from('theirs'))
    await expect(createOnce(mine, creation(lost), other())).rejects.toMatchObject({ code: 'key-exists' })
    await expect(
      createOnce(mine, creation(lost, taken), script<Uint8Array>(absent, Buffer.from('theirs'))),
    ).rejects.toBe(taken)
  })

  it('gives up when answers keep getting lost and nothing comes of it', async () => {
    await expect(createOnce(mine, creation(lost), script<Uint8Array>(absent))).rejects.toBe(lost)
  })

  it('says what it met when it cannot look', async () => {
    await expect(createOnce(mine, creation(lost), script<Uint8Array>(lost))).rejects.toBe(lost)
  })
})
