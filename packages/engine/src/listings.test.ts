/**
 * Listings: what a page shows, what it reads, and impossible markers.
 *
 * @module
 */

import { beforeAll, describe, expect, it } from 'vitest'
import type { ListObjectsInput, NextPage } from './contract.ts'
import { listObjects } from './list-objects.ts'
import { listUploads } from './list-uploads.ts'
import { listVersions } from './list-versions.ts'
import { ListingStore, recordOf } from './listings.fixture.ts'

const all = { prefix: '', limit: 1000 }

describe('listObjects', () => {
  it('shows plaintext size, entity tag, time, class, checksum and owner', async () => {
    const store = new ListingStore()
    const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } as const
    const etag = { digest: Buffer.alloc(16, 0xab), partCount: 3 }
    await store.put('a', [recordOf(5, { etag, checksum, storageClass: 'GLACIER' })])
    const { items, truncated } = await listObjects(store, { bucket: store.bucket, ...all })
    expect(truncated).toBe(false)
    const item = {
      name: 'a',
      etag: `${'ab'.repeat(16)}-3`,
      sizeBytes: 5,
      lastModifiedMs: 5,
      storageClass: 'GLACIER',
      ownerAccountId: '111122223333',
      checksum,
    }
    expect(items).toEqual([{ kind: 'item', item }])
  })

  it('reads one page, not the bucket', async () => {
    const store = new ListingStore()
    for (let i = 0; i < 3_000; i += 1) await store.put(`n${String(i).padStart(5, '0')}`, [recordOf(1)])
    let opened = 0
    const records = Object.assign(Object.create(store.records) as typeof store.records, {
      open(entry: Parameters<typeof store.records.open>[0]) {
        opened += 1
        return store.records.open(entry)
      },
    })
    const page = await listObjects(
      { metadata: store.metadata, records },
      { bucket: store.bucket, prefix: 'n', limit: 10 },
    )
    expect([page.items.length, page.truncated]).toEqual([10, true])
    expect(opened).toBe(11)
  })

  it('fills a page behind thousands of delete markers, and shows no common prefix that holds nothing else', async () => {
    const store = new ListingStore()
    for (let i = 0; i < 1_000; i += 1) {
      await store.put(`gone/${String(i).padStart(5, '0')}`, [recordOf(1, { kind: 'delete-marker' })])
    }
    await store.put('there/x', [recordOf(1)])
    const plain = await listObjects(store, { bucket: store.bucket, prefix: '', limit: 1 })
    expect(plain).toMatchObject({ items: [{ item: { name: 'there/x' } }], truncated: false })
    const rolled = await listObjects(store, { bucket: store.bucket, prefix: '', delimiter: '/', limit: 1 })
    expect(rolled).toEqual({ items: [{ kind: 'prefix', prefix: 'there/' }], truncated: false })
  })

  describe('behind tens of thousands of delete markers', () => {
    const store = new ListingStore()
    const { bucket } = store
    let opened = 0
    const records = Object.assign(Object.create(store.records), {
      open(entry: Parameters<typeof store.records.open>[0]) {
        opened += 1
        return store.records.open(entry)
      },
    })
    const context = { metadata: store.metadata, records }

    beforeAll(async () => {
      for (let i = 0; i < 30_000; i += 1) {
        await store.put(`gone/${String(i).padStart(5, '0')}`, [recordOf(1, { kind: 'delete-marker' })])
      }
      for (const name of ['above', 'gone/x', 'later/x']) await store.put(name, [recordOf(1)])
    }, 180_000)

    /** All of a listing, and how many records its dearest page read. */
    const follow = async (range: Pick<ListObjectsInput, 'delimiter'>) => {
      const shown: string[] = []
      let where: Partial<NextPage> = {}
      let dearest = 0
      for (let pages = 1; ; pages += 1) {
        opened = 0
        const page = await listObjects(context, {
          bucket,
          prefix: '',
          limit: 10,
          ...range,
          ...where,
        })
        dearest = Math.max(dearest, opened)
        shown.push(...page.items.map((listed) => (listed.kind === 'item' ? listed.item.name : listed.prefix)))
        if (!page.truncated) return { shown, pages, dearest }
        where = page.next ?? {}
      }
    }

    it('ends its pages early, and loses nothing', async () => {
      const { shown, pages, dearest } = await follow({})
      expect(shown).toEqual(['above', 'gone/x', 'later/x'])
      expect([pages, dearest <= 10_300]).toEqual([4, true])
    })

    it('ends its pages within a common prefix, too, and shows that once', async () => {
      const { shown, pages, dearest } = await follow({ delimiter: '/' })
      expect(shown).toEqual(['above', 'gone/', 'later/'])
      expect([pages, dearest <= 10_300]).toEqual([3, true])
    })
  })

  it('lists nothing below an impossibly long prefix, and all before an impossibly long marker', async () => {
    const store = new ListingStore()
    await store.put('a', [recordOf(1)])
    const long = '😀'.repeat(3_000)
    for (const range of [{ prefix: long }, { prefix: '', after: long }]) {
      expect((await listObjects(store, { bucket: store.bucket, limit: 5, ...range })).items).toEqual([])
    }
    expect(
      (await listObjects(store, { bucket: store.bucket, limit: 5, prefix: '', after: '!'.repeat(9_000) })).items,
    ).toHaveLength(1)
    expect((await listUploads(store, { bucket: store.bucket, limit: 5, prefix: long, keyMarker: long })).items).toEqual(
      [],
    )
  })

  it('refuses a record that was moved to another name', async () => {
    const store = new ListingStore()
    await store.put('a', [recordOf(1)])
    const snapshot = store.metadata.snapshot()
    const [entry] = await snapshot.list({ gte: Buffer.of(0), lt: Buffer.of(255), limit: 1 })
    snapshot.release()
    if (!entry) throw new Error('no entry')
    const key = Buffer.from(entry.key)
    key[key.length - 1] = 'b'.charCodeAt(0)
    await store.metadata.commit({ puts: [{ key, value: entry.value }] })
    await expect(listObjects(store, { bucket: store.bucket, ...all })).rejects.toMatchObject({ code: 'not-authentic' })
  })
})

describe('a listing of no items', () => {
  it('is empty and not truncated', async () => {
    const store = new ListingStore()
    await store.put('a', [recordOf(1)])
    await store.putUpload('a', Buffer.alloc(16))
    const none = { bucket: store.bucket, prefix: '', limit: 0 }
    for (const page of [listObjects(store, none), listVersions(store, none), listUploads(store, none)]) {
      expect(await page).toEqual({ items: [], truncated: false })
    }
  })
})

describe('listVersions', () => {
  it('goes on behind a version that is gone', async () => {
    const store = new ListingStore()
    await store.put('a', [recordOf(9), recordOf(7), recordOf(5)])
    const marker = { keyMarker: 'a', versionIdMarker: '0000000000000008' }
    const { items } = await listVersions(store, { bucket: store.bucket, ...all, ...marker })
    expect(items.map((listed) => listed.kind === 'item' && listed.item.versionId)).toEqual([
      '0000000000000007',
      '0000000000000005',
    ])
  })

  it.each(['', 'nul', '12', '000000000000000G', 'FFFFFFFFFFFFFFFF', '00000000000000AB'])(
    'refuses %j as a version id marker',
    async (versionIdMarker) => {
      const store = new ListingStore()
      const list = listVersions(store, { bucket: store.bucket, ...all, keyMarker: 'a', versionIdMarker })
      await expect(list).rejects.toMatchObject({ code: 'InvalidArgument' })
    },
  )
})

describe('listUploads', () => {
  it('refuses an impossible upload id marker', async () => {
    const store = new ListingStore()
    const list = listUploads(store, { bucket: store.bucket, ...all, keyMarker: 'a', uploadIdMarker: 'x' })
    await expect(list).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})
