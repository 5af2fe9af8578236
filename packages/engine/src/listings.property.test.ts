/**
 * Laws of the listings: for whatever names, prefixes, delimiters, markers and page sizes they give what a naive model
 * gives that sorts and filters all names in memory.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Listed, ListedPage, NextPage, ObjectSummary, UploadInfo, VersionSummary } from './contract.ts'
import { listObjects, summaryOf } from './list-objects.ts'
import { listUploads } from './list-uploads.ts'
import { listVersions } from './list-versions.ts'
import { ListingStore, recordOf } from './listings.fixture.ts'
import { decodeObjectHead, decodeObjectSummary, encodeObjectRecord, type ObjectRecord } from './object-record.ts'
import { objectRecords } from './records.fixture.ts'

/** Few characters, so that names are prefixes of others; with zeros, 4-byte characters and what escapes are made of. */
const nasty = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '\0', '\u0001', 'ÿ', '\uffff', '😀', '.'),
  minLength: 1,
  maxLength: 6,
})
const range = fc.record({
  prefix: fc.oneof(fc.constant(''), nasty),
  delimiter: fc.option(fc.oneof(fc.constant('/'), nasty), { nil: undefined }),
  after: fc.option(nasty, { nil: undefined }),
})
type Range = typeof range extends fc.Arbitrary<infer R> ? R : never

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const isAfter = (a: string, b: string | undefined): boolean => b === undefined || byBytes(a, b) > 0

/** What comes of a sorted list of things with names. */
function model<T>(
  things: readonly T[],
  nameOf: (thing: T) => string,
  { prefix, delimiter, after }: Range,
): Listed<T>[] {
  const listed: Listed<T>[] = []
  const seen = new Set<string>()
  for (const thing of things) {
    const name = nameOf(thing)
    if (!name.startsWith(prefix)) continue
    const at = delimiter ? name.indexOf(delimiter, prefix.length) : -1
    const common = delimiter && at >= 0 ? name.slice(0, at + delimiter.length) : undefined
    if (common === undefined) {
      if (isAfter(name, after)) listed.push({ kind: 'item', item: thing })
    } else if (!seen.has(common) && isAfter(common, after) && !after?.startsWith(common)) {
      seen.add(common)
      listed.push({ kind: 'prefix', prefix: common })
    }
  }
  return listed
}

/** All pages of a listing, one after the other. */
async function allPages<T>(
  limit: number,
  next: (last: Listed<T> | undefined) => Promise<ListedPage<T>>,
): Promise<Listed<T>[]> {
  const all: Listed<T>[] = []
  for (;;) {
    const page = await next(all.at(-1))
    expect(page.items.length).toBeLessThanOrEqual(limit)
    if (page.truncated) expect(page.items.length).toBe(limit)
    all.push(...page.items)
    if (!page.truncated) return all
  }
}

function shown<T>(listed: readonly Listed<T>[], show: (item: T) => unknown): unknown[] {
  return listed.map((entry) => (entry.kind === 'item' ? show(entry.item) : { prefix: entry.prefix }))
}

describe('listObjects', () => {
  it('lists what the model lists, in pages of any size', async () => {
    const contents = fc.array(fc.tuple(nasty, fc.boolean()), { maxLength: 30 }).map((pairs) => new Map(pairs))
    await fc.assert(
      fc.asyncProperty(contents, range, fc.integer({ min: 1, max: 5 }), async (objects, wanted, limit) => {
        const store = new ListingStore()
        for (const [name, isLive] of objects) {
          await store.put(name, [recordOf(3, isLive ? {} : { kind: 'delete-marker' })])
        }
        const live = [...objects].flatMap(([name, isLive]) => (isLive ? [name] : [])).sort(byBytes)
        const found = await allPages<ObjectSummary>(limit, (last) => {
          const after = last ? (last.kind === 'item' ? last.item.name : last.prefix) : wanted.after
          const { prefix, delimiter } = wanted
          const rest = { ...(delimiter === undefined ? {} : { delimiter }), ...(after === undefined ? {} : { after }) }
          return listObjects(store, { bucket: store.bucket, prefix, limit, ...rest })
        })
        const expected = model(live, (name) => name, wanted)
        expect(shown(found, ({ name }) => name)).toEqual(shown(expected, (name) => name))
      }),
    )
  })
})

describe('listObjects, where pages end early', () => {
  it('lists what the model lists, each name and common prefix once', async () => {
    const contents = fc.array(fc.tuple(nasty, fc.boolean()), { maxLength: 30 }).map((pairs) => new Map(pairs))
    const small = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(contents, range, small, small, async (objects, wanted, limit, maxHidden) => {
        const store = new ListingStore()
        for (const [name, isLive] of objects) {
          await store.put(name, [recordOf(3, isLive ? {} : { kind: 'delete-marker' })])
        }
        const live = [...objects].flatMap(([name, isLive]) => (isLive ? [name] : [])).sort(byBytes)
        const { prefix, delimiter, after } = wanted
        const rest = { prefix, limit, ...(delimiter === undefined ? {} : { delimiter }) }
        let where: Partial<NextPage> = after === undefined ? {} : { after }
        const found: Listed<ObjectSummary>[] = []
        for (;;) {
          const page = await listObjects(store, { bucket: store.bucket, ...rest, ...where }, { maxHidden })
          found.push(...page.items)
          if (!page.truncated) break
          const last = page.items.at(-1)
          where = page.next ?? { after: last?.kind === 'item' ? last.item.name : (last?.prefix ?? '') }
        }
        const expected = model(live, (name) => name, wanted)
        expect(shown(found, ({ name }) => name)).toEqual(shown(expected, (name) => name))
      }),
    )
  })
})

describe('listVersions', () => {
  it('lists what the model lists, newest first within a name, in pages of any size', async () => {
    const histories = fc.array(
      fc.tuple(
        nasty,
        fc.oneof(
          fc.constant('unversioned' as const),
          fc.array(fc.constantFrom('object' as const, 'delete-marker' as const), { minLength: 1, maxLength: 4 }),
        ),
        fc.nat(3),
      ),
      { maxLength: 15 },
    )
    await fc.assert(
      fc.asyncProperty(histories, range, fc.integer({ min: 1, max: 5 }), async (all, wanted, limit) => {
        const store = new ListingStore()
        const expected: { name: string; id: string; isLatest: boolean }[] = []
        const byName = new Map(all.map((history) => [history[0], history]))
        for (const [name, kinds, nullAt] of [...byName.values()].sort((a, b) => byBytes(a[0], b[0]))) {
          const versions = versionsOf(kinds, nullAt)
          await store.put(name, versions)
          versions.forEach(({ isNull, sequence }, index) => {
            const id = isNull ? 'null' : sequence.toString(16).padStart(16, '0')
            expected.push({ name, id, isLatest: index === 0 })
          })
        }
        const found = await allPages<VersionSummary>(limit, (last) => {
          const { prefix, delimiter, after } = wanted
          const keyMarker = last ? (last.kind === 'item' ? last.item.name : last.prefix) : after
          const marker = last?.kind === 'item' ? { versionIdMarker: last.item.versionId } : {}
          const rest = {
            ...(delimiter === undefined ? {} : { delimiter }),
            ...(keyMarker === undefined ? {} : { keyMarker }),
          }
          return listVersions(store, { bucket: store.bucket, prefix, limit, ...rest, ...marker })
        })
        expect(shown(found, ({ name, versionId: id, isLatest }) => ({ name, id, isLatest }))).toEqual(
          shown(
            model(expected, ({ name }) => name, wanted),
            (item) => item,
          ),
        )
      }),
    )
  })
})

function versionsOf(kinds: 'unversioned' | readonly ObjectRecord['kind'][], nullAt: number): ObjectRecord[] {
  if (kinds === 'unversioned') return [recordOf(9, { isNull: true, inVersions: false })]
  return kinds.map((kind, index) => {
    const nullSequence = index === 0 && nullAt > 0 && nullAt < kinds.length ? { nullSequence: 100 - nullAt } : {}
    return recordOf(100 - index, { kind, isNull: index === nullAt, ...nullSequence } as Partial<ObjectRecord>)
  })
}

describe('listUploads', () => {
  it('lists what the model lists, by name and then by upload id, in pages of any size', async () => {
    const counts = fc.array(fc.tuple(nasty, fc.integer({ min: 1, max: 3 })), { maxLength: 15 })
    await fc.assert(
      fc.asyncProperty(counts, range, fc.integer({ min: 1, max: 20 }), async (all, wanted, limit) => {
        const store = new ListingStore()
        const expected: { name: string; uploadId: string }[] = []
        for (const [name, count] of [...new Map(all)].sort((a, b) => byBytes(a[0], b[0]))) {
          for (let i = 0; i < count; i += 1) {
            // Slashes and zeros: they must not pass for delimiters or ends of names.
            const uploadId = Buffer.alloc(16, i === 0 ? 0 : i === 1 ? '/' : 'a')
            await store.putUpload(name, uploadId)
            expected.push({ name, uploadId: uploadId.toString('hex') })
          }
        }
        const found = await allPages<UploadInfo>(limit, (last) => {
          const { prefix, delimiter, after } = wanted
          const keyMarker = last ? (last.kind === 'item' ? last.item.name : last.prefix) : after
          const marker = last?.kind === 'item' ? { uploadIdMarker: last.item.uploadId } : {}
          const rest = {
            ...(delimiter === undefined ? {} : { delimiter }),
            ...(keyMarker === undefined ? {} : { keyMarker }),
          }
          return listUploads(store, { bucket: store.bucket, prefix, limit, ...rest, ...marker })
        })
        expect(shown(found, ({ name, uploadId }) => ({ name, uploadId }))).toEqual(
          shown(
            model(expected, ({ name }) => name, wanted),
            (item) => item,
          ),
        )
      }),
    )
  })
})

describe('the summary of a record', () => {
  it('agrees with its head', () => {
    fc.assert(
      fc.property(objectRecords, (record) => {
        const bytes = encodeObjectRecord(record)
        const head = decodeObjectHead(bytes)
        const expected = head.kind === 'object' ? summaryOf('name', head) : undefined
        expect(decodeObjectSummary(bytes, 'name')).toEqual(expected)
      }),
    )
  })
})
