/**
 * PUT, GET, HEAD and DELETE of single objects in an unversioned bucket.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { StorageError } from '@strongroom/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, DeleteConditions, EncryptionRequest, RangeValidator } from './contract.ts'
import {
  createTestEngine,
  customerKey,
  encryptionModes,
  inChunks,
  pattern,
  putInput,
  rootRequester,
  type TestEngine,
} from './engine.fixture.ts'

const sizes = [0, 1, 7_760, 7_800, 65_535, 65_536, 65_537, 131_072, 131_073, 1_048_576, 3_000_001]

let test: TestEngine
let bucket: Bucket

beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

const keyFor = (encryption: EncryptionRequest) =>
  encryption.mode === 'sse-c' ? { customerKey: encryption.customerKey } : {}

describe.each(Object.entries({ ...encryptionModes, none: { mode: 'default' } as const }))(
  'with %s',
  (mode, encryption) => {
    beforeEach(async () => {
      if (mode !== 'none') return
      await test.close()
      test = await createTestEngine({ defaultEncryption: 'none' })
      bucket = await test.bucket()
    })

    it.each(sizes)('an object of %i bytes comes back whole, and in ranges', async (size) => {
      const bytes = pattern(size)
      const written = await test.put(bucket, 'a/b', bytes, { encryption })
      const read = await test.get(bucket, 'a/b', keyFor(encryption))
      expect(read.bytes.equals(bytes)).toBe(true)
      expect(read.contentLength).toBe(size)
      expect(read.head).toMatchObject({ etag: written.etag, sizeBytes: size, encryption: written.encryption })
      for (const [first, last] of [
        [0, 0],
        [size >> 1, size - 1],
        [size - 1, size + 5],
        [65_530, 65_540],
      ] as const) {
        if (first >= size || first < 0) continue
        const part = await test.get(bucket, 'a/b', { ...keyFor(encryption), range: { first, last } })
        expect(part.bytes.equals(bytes.subarray(first, last + 1))).toBe(true)
        expect(part.range).toEqual({ first, last: Math.min(last, size - 1) })
      }
    })

    it('a streamed body gives the same object as one that is in memory', async () => {
      const bytes = pattern(1_234_567)
      const body = { sizeBytes: bytes.length, content: inChunks(bytes, 10_007) }
      await test.put(bucket, 'streamed', bytes, { encryption, body })
      expect((await test.get(bucket, 'streamed', keyFor(encryption))).bytes.equals(bytes)).toBe(true)
    })

    it('a body whose chunks are given away gives the same object', async () => {
      const bytes = pattern(1_234_567)
      async function* given(): AsyncGenerator<Uint8Array> {
        // Each in memory of its own; sizes around that of a package.
        for (let at = 0, size = 65_535; at < bytes.length; at += size, size = 65_535 + ((size * 7) % 70_001)) {
          yield new Uint8Array(bytes.subarray(at, at + size))
        }
      }
      const body = { sizeBytes: bytes.length, content: given(), givesChunks: true }
      await test.put(bucket, 'given', bytes, { encryption, body })
      expect((await test.get(bucket, 'given', keyFor(encryption))).bytes.equals(bytes)).toBe(true)
    })

    it('the entity tag is the MD5 where S3 promises it, and nothing derived from the content elsewhere', async () => {
      const first = await test.put(bucket, 'x', 'content', { encryption })
      const second = await test.put(bucket, 'x', 'content', { encryption })
      const md5 = createHash('md5').update('content').digest('hex')
      const promisesMd5 = mode === 'none' || mode === 'sse-s3'
      expect([first.etag === md5, second.etag === first.etag]).toEqual([promisesMd5, promisesMd5])
    })

    it('stores no byte of the content in the clear', async () => {
      const marker = Buffer.from('a very secret content that must not be seen')
      await test.put(bucket, 'small', marker, { encryption })
      await test.put(bucket, 'large', Buffer.concat([pattern(100_000), marker]), { encryption })
      const snapshot = test.metadata.snapshot()
      const entries = await snapshot.list({ gte: Buffer.of(0), lt: Buffer.of(255), limit: 1_000 })
      snapshot.release()
      for (const { value } of entries) expect(Buffer.from(value).includes(marker)).toBe(false)
      for await (const { blobId, sizeBytes } of test.blobs.list(test.engine.sessionId)) {
        for await (const chunk of test.blobs.read(blobId, 0, sizeBytes))
          expect(Buffer.from(chunk).includes(marker)).toBe(false)
      }
    })
  },
)

describe('a body', () => {
  it.each([100, 100_000])('of %i bytes that ends short or runs over is refused, and leaves nothing', async (size) => {
    for (const wrong of [size - 1, size + 1]) {
      const body = { sizeBytes: size, content: inChunks(pattern(wrong), 64) }
      await expect(test.put(bucket, 'x', '', { body })).rejects.toMatchObject({ code: 'IncompleteBody' })
    }
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'NoSuchKey' })
    expect(await blobCount(test)).toBe(0)
  })

  it.each([100, 100_000])(
    'of %i bytes that breaks its promised digests is refused, and leaves nothing',
    async (size) => {
      const bytes = pattern(size)
      const wrong = { contentMd5: Buffer.alloc(16) }
      const wrongSum = { checksum: { algorithm: 'CRC32C', value: () => Buffer.alloc(4) } } as const
      for (const promise of [wrong, wrongSum]) {
        const body = { sizeBytes: size, content: bytes, ...promise }
        await expect(test.put(bucket, 'x', '', { body })).rejects.toMatchObject({ code: 'BadDigest' })
      }
      expect(await blobCount(test)).toBe(0)
    },
  )

  it('keeps the checksum it came with, or the one that was asked for', async () => {
    const bytes = Buffer.from('hello')
    const value = createHash('sha256').update(bytes).digest()
    const body = { sizeBytes: 5, content: bytes, checksum: { algorithm: 'SHA256', value } } as const
    const expected = { algorithm: 'SHA256', type: 'FULL_OBJECT', value: value.toString('base64') }
    expect((await test.put(bucket, 'x', '', { body })).checksum).toEqual(expected)
    const computed = { sizeBytes: 5, content: bytes, checksum: { algorithm: 'SHA256' } } as const
    await test.put(bucket, 'x', '', { body: computed })
    expect((await test.engine.headObject({ requester: rootRequester, bucket, name: 'x' })).head.checksum).toEqual(
      expected,
    )
  })

  it('that fails passes its own error on and leaves nothing', async () => {
    async function* failing() {
      yield pattern(50_000)
      throw new Error('the client went away')
    }
    const body = { sizeBytes: 100_000, content: failing() }
    await expect(test.put(bucket, 'x', '', { body })).rejects.toThrow('the client went away')
    expect(await blobCount(test)).toBe(0)
  })
})

describe('reading', () => {
  beforeEach(async () => {
    await test.put(bucket, 'x', pattern(1_000))
  })

  it.each([
    [{ first: 1_000 }, 'InvalidRange'],
    [{ suffixLength: 0 }, 'InvalidRange'],
  ])('a range %j outside of the object is refused', async (range, code) => {
    await expect(test.get(bucket, 'x', { range })).rejects.toMatchObject({ code })
  })

  it('takes a suffix, and one longer than the object', async () => {
    expect((await test.get(bucket, 'x', { range: { suffixLength: 10 } })).range).toEqual({ first: 990, last: 999 })
    expect((await test.get(bucket, 'x', { range: { suffixLength: 5_000 } })).range).toEqual({ first: 0, last: 999 })
  })

  it('reads a range while the object is what If-Range says, and the whole object otherwise (RFC 9110 13.1.5)', async () => {
    const { head } = await test.engine.headObject({ requester: rootRequester, bucket, name: 'x' })
    const second = Math.floor(head.lastModifiedMs / 1_000) * 1_000
    const lengthFor = async (ifRange: RangeValidator, range = { first: 1, last: 2 }) =>
      (await test.get(bucket, 'x', { range, ifRange })).bytes.length
    expect(await lengthFor({ etag: head.etag })).toBe(2)
    expect(await lengthFor({ lastModifiedMs: second })).toBe(2)
    for (const ifRange of [
      { etag: 'another' },
      { etag: `W/"${head.etag}"` },
      { lastModifiedMs: second - 1_000 },
      { lastModifiedMs: second + 1_000 },
    ]) {
      expect(await lengthFor(ifRange)).toBe(1_000)
      // What is no longer there cannot be out of its range.
      expect(await lengthFor(ifRange, { first: 5_000, last: 6_000 })).toBe(1_000)
    }
  })

  it('refuses any range of an empty object', async () => {
    await test.put(bucket, 'empty', '')
    for (const range of [{ first: 0 }, { suffixLength: 1 }]) {
      await expect(test.get(bucket, 'empty', { range })).rejects.toMatchObject({ code: 'InvalidRange' })
    }
  })

  it('knows only part 1 of an object that is not multipart', async () => {
    expect((await test.get(bucket, 'x', { partNumber: 1 })).contentLength).toBe(1_000)
    await expect(test.get(bucket, 'x', { partNumber: 2 })).rejects.toMatchObject({ code: 'InvalidPartNumber' })
  })

  it('evaluates conditions before anything else of the object', async () => {
    const { head } = await test.engine.headObject({ requester: rootRequester, bucket, name: 'x' })
    const { etag, lastModifiedMs } = head
    const read = (conditions: object) => test.get(bucket, 'x', { conditions })
    await expect(read({ ifMatch: ['other'] })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(read({ ifNoneMatch: [etag] })).rejects.toMatchObject({
      code: 'NotModified',
      headers: { etag: `"${etag}"` },
    })
    await expect(read({ ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'NotModified' })
    await expect(read({ ifModifiedSinceMs: lastModifiedMs })).rejects.toMatchObject({ code: 'NotModified' })
    await expect(read({ ifUnmodifiedSinceMs: lastModifiedMs - 1_000 })).rejects.toMatchObject({
      code: 'PreconditionFailed',
    })
    // RFC 9110 13.2.2: the entity tags decide where they are given.
    await expect(read({ ifMatch: [etag], ifUnmodifiedSinceMs: 0 })).resolves.toBeDefined()
    await expect(read({ ifNoneMatch: ['other'], ifModifiedSinceMs: lastModifiedMs })).resolves.toBeDefined()
  })

  it('closes the blob when the reader goes away', async () => {
    await test.put(bucket, 'large', pattern(1_000_000))
    const { body } = await test.engine.getObject({ requester: rootRequester, bucket, name: 'large' })
    if (body instanceof Uint8Array) throw new Error('expected a stream')
    for await (const chunk of body) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    const unread = await test.engine.getObject({ requester: rootRequester, bucket, name: 'large' })
    if (unread.body instanceof Uint8Array) throw new Error('expected a stream')
    await unread.body[Symbol.asyncIterator]().return?.()
  })
})

describe('an SSE-C object', () => {
  const encryption = { mode: 'sse-c', customerKey: customerKey(1) } as const

  it.each([0, 10, 100_000])('of %i bytes opens with its key only, for GET, HEAD and attributes', async (size) => {
    await test.put(bucket, 'x', pattern(size), { encryption })
    const input = { requester: rootRequester, bucket, name: 'x' }
    const calls = [
      (rest: object) => test.engine.getObject({ ...input, ...rest }),
      (rest: object) => test.engine.headObject({ ...input, ...rest }),
      (rest: object) => test.engine.getObjectAttributes({ ...input, ...rest, maxParts: 10, partNumberMarker: 0 }),
    ]
    for (const call of calls) {
      await expect(call({})).rejects.toMatchObject({ code: 'InvalidRequest' })
      await expect(call({ customerKey: customerKey(2) })).rejects.toMatchObject({ code: 'AccessDenied' })
      await expect(call({ customerKey: customerKey(1) })).resolves.toBeDefined()
    }
  })

  it('cannot be written where the bucket blocks it', async () => {
    const rule = { algorithm: 'AES256', bucketKeyEnabled: false, blocksSseC: true } as const
    const blocking = await test.engine.changeBucket(bucket, { encryption: rule })
    await expect(test.put(blocking, 'x', 'x', { encryption })).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it('refuses nothing but its own class: a key for another object is not applicable', async () => {
    await test.put(bucket, 'plain', 'x')
    await expect(test.get(bucket, 'plain', { customerKey: customerKey(1) })).rejects.toMatchObject({
      code: 'InvalidRequest',
      clientMessage: 'The encryption parameters are not applicable to this object.',
    })
  })
})

describe('a conditional write', () => {
  it('fails when its condition does, before the body is read', async () => {
    const { etag } = await test.put(bucket, 'x', '1')
    let wasRead = false
    async function* body() {
      wasRead = true
      yield Buffer.from('2')
    }
    const put = (name: string, conditions: object) =>
      test.put(bucket, name, '', { body: { sizeBytes: 1, content: body() }, conditions })
    await expect(put('x', { ifNoneMatch: '*' })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(put('x', { ifMatch: ['other'] })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(put('missing', { ifMatch: [etag] })).rejects.toMatchObject({ code: 'NoSuchKey' })
    expect(wasRead).toBe(false)
    await expect(put('x', { ifMatch: [etag] })).resolves.toBeDefined()
  })

  it('has exactly one winner among many that want to create a name', async () => {
    const puts = Array.from({ length: 30 }, (_, i) =>
      test.put(bucket, 'x', `body ${i}`, { conditions: { ifNoneMatch: '*' } }).then(
        () => 'won',
        (error: { code: string }) => error.code,
      ),
    )
    const outcomes = await Promise.all(puts)
    expect(outcomes.filter((outcome) => outcome === 'won')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'PreconditionFailed')).toHaveLength(29)
  })
})

describe('overwriting and deleting', () => {
  it('leaves nothing behind, in the metadata store or the blob store', async () => {
    for (let round = 0; round < 5; round += 1) {
      for (const size of [10, 0, 100_000, 5_000]) await test.put(bucket, 'x', pattern(size))
    }
    await test.engine.deleteObject({ bucket, name: 'x' })
    await test.engine.idle()
    expect(await blobCount(test)).toBe(0)
    await test.engine.deleteBucket(bucket)
    expect(await leftovers(test)).toEqual([0x0f, 0x0f, 0x10, 0x11])
  })

  it('many writers of one name all succeed, and one whole object remains', async () => {
    const bodies = Array.from({ length: 50 }, (_, i) => Buffer.alloc(i % 2 ? 20 : 20_000, i))
    await Promise.all(bodies.map((body) => test.put(bucket, 'x', body)))
    const { bytes } = await test.get(bucket, 'x')
    expect(bodies.some((body) => body.equals(bytes))).toBe(true)
    await test.engine.idle()
    expect(await blobCount(test)).toBe(bytes.length === 20 ? 0 : 1)
  })

  it.each([1, 5])('a reader that finds its blob gone %i times reads the record again each time', async (times) => {
    await test.put(bucket, 'x', pattern(300_000))
    const open = test.blobs.open.bind(test.blobs)
    let left = times
    test.blobs.open = async (...args) => {
      if (left > 0) {
        left -= 1
        await test.put(bucket, 'x', Buffer.alloc(200_000, 1))
        await test.engine.idle()
      }
      return await open(...args)
    }
    expect((await test.get(bucket, 'x')).bytes.equals(Buffer.alloc(200_000, 1))).toBe(true)
  })

  it('a blob that is missing for good is a fault, and neither waited for nor taken for an overwriting', async () => {
    await test.put(bucket, 'x', pattern(300_000))
    const open = test.blobs.open.bind(test.blobs)
    let reads = 0
    test.blobs.open = (blobId, endBytes) => {
      reads += 1
      return open([...blobId].reverse().join(''), endBytes)
    }
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ name: 'StorageError', code: 'corrupt' })
    expect(reads).toBe(2)
  })

  it('deleting what is not there succeeds', async () => {
    await expect(test.engine.deleteObject({ bucket, name: 'nothing' })).resolves.toEqual({ deleteMarker: false })
  })

  it('a conditional delete wants the entity tag it names', async () => {
    const { etag } = await test.put(bucket, 'x', '1')
    const remove = (ifMatch: string[]) => test.engine.deleteObject({ bucket, name: 'x', conditions: { ifMatch } })
    await expect(remove(['other'])).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(remove([etag])).resolves.toBeDefined()
    await expect(remove([etag])).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })

  it('a conditional delete wants the size and the second it names, of what is there', async () => {
    const { lastModifiedMs } = await test.put(bucket, 'x', '12')
    const remove = (conditions: DeleteConditions) => test.engine.deleteObject({ bucket, name: 'x', conditions })
    const second = Math.floor(lastModifiedMs / 1_000) * 1_000
    await expect(remove({ ifSizeBytes: 1 })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    const earlier = { ifSizeBytes: 2, ifLastModifiedMs: second - 1 }
    await expect(remove(earlier)).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await expect(remove({ ifSizeBytes: 2, ifLastModifiedMs: second })).resolves.toBeDefined()
    await expect(remove({ ifSizeBytes: 1 })).resolves.toEqual({ deleteMarker: false })
  })

  it('a delete marker has no size', async () => {
    const versioned = await test.engine.changeBucket(bucket, { versioning: 'enabled' })
    await test.engine.deleteObject({ bucket: versioned, name: 'x' })
    const removed = test.engine.deleteObject({ bucket: versioned, name: 'x', conditions: { ifSizeBytes: 0 } })
    await expect(removed).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })
})

describe('details', () => {
  it('that outgrow a record come back whole, are replaced whole, and go with the object', async () => {
    const tags = Array.from({ length: 10 }, (_, i) => ({
      key: `${i}${'\u{1f511}'.repeat(60)}`,
      value: '\u{10ffff}'.repeat(128),
    }))
    const metadata = {
      contentType: 'text/plain',
      userMetadata: new Map([['name', 'v'.repeat(2_000)]]),
      storageClass: 'GLACIER',
    }
    await test.put(bucket, 'x', 'x', { tags, metadata })
    const { head } = await test.get(bucket, 'x')
    expect(head).toMatchObject({ tagCount: 10, metadata })
    expect((await test.engine.getTags({ bucket, name: 'x' })).tags).toEqual(tags)
    await test.engine.putTags({ bucket, name: 'x', tags: tags.slice(1) })
    expect((await test.engine.getTags({ bucket, name: 'x' })).tags).toEqual(tags.slice(1))
    await test.engine.putTags({ bucket, name: 'x', tags: [] })
    expect((await test.get(bucket, 'x')).head).toMatchObject({ tagCount: 0, metadata })
    await test.engine.deleteObject({ bucket, name: 'x' })
    await test.engine.deleteBucket(bucket)
    expect(await leftovers(test)).toEqual([0x0f, 0x0f, 0x10, 0x11])
  })

  it('of more than the largest overflow are refused', async () => {
    const metadata = { userMetadata: new Map([['name', 'v'.repeat(200_000)]]) }
    await expect(test.engine.putObject(putInput(bucket, 'x', 'x', { metadata }))).rejects.toMatchObject({
      code: 'MetadataTooLarge',
    })
  })
})

async function blobCount({ blobs }: TestEngine): Promise<number> {
  let count = 0
  for await (const session of blobs.sessions()) for await (const _ of blobs.list(session)) count += 1
  return count
}

/** The tables that still have entries. */
async function leftovers({ metadata }: TestEngine): Promise<(number | undefined)[]> {
  const snapshot = metadata.snapshot()
  try {
    const entries = await snapshot.list({ gte: Buffer.of(0), lt: Buffer.of(255), limit: 1_000 })
    return entries.map(({ key }) => key[0])
  } finally {
    snapshot.release()
  }
}

describe('a store that fails', () => {
  it.each([
    [
      'unavailable',
      'a passing trouble',
      {
        code: 'ServiceUnavailable',
        clientMessage: expect.stringContaining('storage'),
        headers: { 'retry-after': '1' },
      },
    ],
    ['full', 'full storage', { code: 'XMinioStorageFull' }],
  ] as const)('as %s is answered as %s, whatever the operation', async (storageCode, _, answer) => {
    const commit = test.metadata.commit.bind(test.metadata)
    test.metadata.commit = () => Promise.reject(new StorageError(storageCode, 'it does not work'))
    await expect(test.put(bucket, 'x', 'x')).rejects.toMatchObject(answer)
    await expect(test.engine.createBucket({ requester: rootRequester, name: 'new' })).rejects.toMatchObject(answer)
    test.metadata.commit = commit
    test.blobs.create = () => Promise.reject(new StorageError(storageCode, 'it does not work'))
    await expect(test.put(bucket, 'x', pattern(100_000))).rejects.toMatchObject(answer)
    await expect(test.put(bucket, 'x', 'x')).resolves.toBeDefined()
  })
})
