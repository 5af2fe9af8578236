import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ListingPage, listAll } from './list-all.ts'

/** As a MinIO KES lists: pages by prefix, patterns that it does not take, 20 names instead of 1,024. */
const pageSize = 20

function minioListing(names: readonly string[]): (prefix: string) => Promise<ListingPage> {
  const sorted = [...names].sort()
  return async (prefix) => {
    if (prefix.endsWith('-') || prefix.startsWith('-') || prefix === '_') throw new Error(`no pattern: ${prefix}`)
    const found = sorted.filter((name) => name.startsWith(prefix))
    return { names: found.slice(0, pageSize), continueAt: found[pageSize] ?? '' }
  }
}

const letter = fc.constantFrom('-', '0', 'A', '_', 'a', 'b', 'z')
const name = fc
  .array(letter, { minLength: 1, maxLength: 5 })
  .map((letters) => letters.join(''))
  .filter((text) => !text.startsWith('-') && !text.endsWith('-') && text !== '_' && !text.startsWith('_-'))

describe('a listing that cannot be continued', () => {
  it('is completed by prefixes, each name once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { maxLength: 120 }),
        fc.constantFrom('', 'a', 'ab', 'z_'),
        async (names, prefix) => {
          const expected = names.filter((each) => each.startsWith(prefix)).sort()
          expect(await listAll(minioListing(names), prefix)).toEqual({ names: expected, isComplete: true })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('ends although a server never does', async () => {
    let i = 0
    const endless = async (prefix: string): Promise<ListingPage> => ({ names: [], continueAt: `${prefix}${++i % 10}` })
    expect((await listAll(endless, '')).isComplete).toBe(false)
  })
})
