/**
 * The laws of the metadata store contract: listings and commits compared with naive models on random, nasty input.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, startsWith } from '../bytes.ts'
import type { ListedItem, ListPrefixesOptions, MetadataStore } from './contract.ts'

/** Short keys over few bytes: prefixes of each other, delimiters everywhere, both ends of the byte range. */
const nasty = (minLength: number) =>
  fc
    .array(fc.constantFrom(0, 0x2f, 0x2f, 0x61, 0x62, 0xff), { minLength, maxLength: 6 })
    .map((units): Uint8Array => Uint8Array.from(units))
const keySets = fc.array(nasty(1), { maxLength: 25 })
const delimiters = fc.constantFrom(
  Buffer.from('/'),
  Buffer.from('//'),
  Buffer.from('a/'),
  Buffer.from([0xff]),
  Buffer.from([0]),
)
const limits = fc.oneof(fc.nat(4), fc.constant(1000))

/** Registers the properties; each run works under a key prefix of its own. */
export function metadataStoreLaws(store: () => MetadataStore): void {
  let runs = 0

  /** Puts the keys under a fresh prefix, in one commit. */
  async function load(keys: readonly Uint8Array[]): Promise<{ space: Uint8Array; sorted: Uint8Array[] }> {
    const space = Buffer.from(`law/${runs++}/`)
    const distinct = new Map(keys.map((key) => [Buffer.from(key).toString('hex'), Buffer.concat([space, key])]))
    const sorted = [...distinct.values()].sort(compareBytes)
    await store().commit({ puts: sorted.map((key) => ({ key, value: key })) })
    return { space, sorted }
  }

  test('list equals a filter over the sorted keys, forwards and backwards', async () => {
    await fc.assert(
      fc.asyncProperty(keySets, nasty(0), nasty(0), limits, fc.boolean(), async (keys, from, to, limit, reverse) => {
        const { space, sorted } = await load(keys)
        const gte = Buffer.concat([space, from])
        const lt = Buffer.concat([space, to])
        const snapshot = store().snapshot()
        const listed = await snapshot.list({ gte, lt, limit, reverse })
        snapshot.release()
        const within = sorted.filter((key) => compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0)
        const expected = (reverse ? within.reverse() : within).slice(0, limit)
        expect(listed.map((entry) => hex(entry.key))).toEqual(expected.map(hex))
        expect(listed.map((entry) => hex(entry.value))).toEqual(expected.map(hex))
      }),
      { numRuns: 150 },
    )
  })

  test('listPrefixes equals rolling up the sorted keys by hand', async () => {
    const afters = fc.option(nasty(0), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(keySets, nasty(0), delimiters, afters, limits, async (keys, prefix, delimiter, after, limit) => {
        const { space, sorted } = await load(keys)
        const options: ListPrefixesOptions = {
          prefix: Buffer.concat([space, prefix]),
          delimiter,
          limit,
          ...(after === undefined ? {} : { after: Buffer.concat([space, after]) }),
        }
        const snapshot = store().snapshot()
        const listed = await snapshot.listPrefixes(options)
        snapshot.release()
        expect(listed.map(describeItem)).toEqual(rollUp(sorted, options))
      }),
      { numRuns: 400 },
    )
  })

  test('pages of listPrefixes, each after the last item of the one before, join to the whole', async () => {
    await fc.assert(
      fc.asyncProperty(keySets, delimiters, fc.integer({ min: 1, max: 3 }), async (keys, delimiter, limit) => {
        const { space: prefix } = await load(keys)
        const snapshot = store().snapshot()
        const whole = await snapshot.listPrefixes({ prefix, delimiter, limit: 1000 })
        const joined: ListedItem[] = []
        let page = await snapshot.listPrefixes({ prefix, delimiter, limit })
        for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
          joined.push(...page)
          page = await snapshot.listPrefixes({ prefix, delimiter, limit, after: keyOf(last) })
        }
        snapshot.release()
        expect(joined.map(describeItem)).toEqual(whole.map(describeItem))
      }),
      { numRuns: 100 },
    )
  })

  test('random commits leave what a map that applies them one by one holds', async () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd')
    const step = fc.record({
      check: fc.option(fc.record({ name: names, isRight: fc.boolean() }), { nil: undefined }),
      put: fc.option(names, { nil: undefined }),
      remove: fc.option(names, { nil: undefined }),
      delta: fc.integer({ min: -3, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const space = `law/${runs++}/`
        const key = (name: string) => Buffer.from(space + name)
        const model = new Map<string, { value: string; version: number }>()
        let sum = 0
        for (const [i, { check, put, remove, delta }] of steps.entries()) {
          const version = check && (check.isRight ? (model.get(check.name)?.version ?? 'absent') : i + 1e15)
          const result = await store().commit({
            checks: check && version !== undefined ? [{ key: key(check.name), version }] : [],
            puts: put === undefined || put === remove ? [] : [{ key: key(put), value: Buffer.from(String(i)) }],
            deletes: remove === undefined ? [] : [key(remove)],
            adds: [{ key: key('n'), delta }],
          })
          expect(result.committed).toBe(check?.isRight ?? true)
          if (!result.committed) continue
          sum += delta
          if (remove !== undefined) model.delete(remove)
          if (put === undefined || put === remove) continue
          const snapshot = store().snapshot()
          const entry = await snapshot.get(key(put))
          snapshot.release()
          model.set(put, { value: String(i), version: entry?.version ?? -1 })
        }
        const snapshot = store().snapshot()
        const left = await snapshot.list({ gte: key(''), lt: key('\uffff'), limit: 10 })
        expect(await snapshot.counter(key('n'))).toBe(sum)
        snapshot.release()
        const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
        expect(left.map((entry) => [Buffer.from(entry.value).toString(), entry.version])).toEqual(
          expected.map(([, { value, version }]) => [value, version]),
        )
      }),
      { numRuns: 60 },
    )
  })
}

/** The naive model: every key is looked at. */
function rollUp(sorted: readonly Uint8Array[], { prefix, delimiter, after, limit }: ListPrefixesOptions): string[] {
  const items = new Set<string>()
  for (const key of sorted) {
    if (!startsWith(key, prefix)) continue
    const at = Buffer.from(key).indexOf(delimiter, prefix.length)
    const shown = at < 0 ? key : key.subarray(0, at + delimiter.length)
    if (after !== undefined && compareBytes(shown, after) <= 0) continue
    items.add(`${at < 0 ? 'entry' : 'prefix'} ${hex(shown)}`)
  }
  return [...items].slice(0, limit)
}

function keyOf(item: ListedItem): Uint8Array {
  return item.kind === 'entry' ? item.entry.key : item.prefix
}

function describeItem(item: ListedItem): string {
  return `${item.kind} ${hex(keyOf(item))}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
