/**
 * What the object key is bound to (DESIGN 6). The records here are changed by somebody who has the metadata key, so that
 * the seal of the records is not what stops them.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { createTestEngine, encryptionModes, pattern, rootRequester, type TestEngine } from './engine.fixture.ts'
import { idBytes, parseId } from './ids.ts'
import { decodeObjectRecord, encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { bucketNameKey, dataKey, keyNameKey, objectKey, ownedBucketKey } from './tables.ts'

let test: TestEngine
let bucket: Bucket
beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

const idOf = ({ id }: Bucket) => parseId(id, idBytes) ?? Buffer.alloc(0)

async function entryAt(key: Uint8Array) {
  const snapshot = test.metadata.snapshot()
  try {
    const entry = await snapshot.get(key)
    if (!entry) throw new Error('no such entry')
    return entry
  } finally {
    snapshot.release()
  }
}

/** Puts another blob into the place of the only one. */
async function changeBlob(change: (sealed: Buffer) => Buffer): Promise<void> {
  for await (const { blobId, sizeBytes } of test.blobs.list(test.engine.sessionId)) {
    const sealed = Buffer.alloc(sizeBytes)
    await (await test.blobs.open(blobId, sizeBytes)).read(sealed, 0)
    await test.blobs.delete(blobId)
    const writer = await test.blobs.create(blobId)
    await writer.write([change(sealed)])
    await writer.sync()
  }
}

async function recordOf(name: string, of = bucket): Promise<ObjectVersion> {
  const record = decodeObjectRecord(test.context.records.open(await entryAt(objectKey.encode(idOf(of), name))))
  if (record.kind !== 'object') throw new Error('not an object')
  return record
}

async function store(name: string, record: ObjectVersion, of = bucket): Promise<void> {
  const key = objectKey.encode(idOf(of), name)
  await test.metadata.commit({ puts: [{ key, value: test.context.records.seal(key, encodeObjectRecord(record)) }] })
}

const single = (record: ObjectVersion) => {
  if (record.data.kind !== 'single') throw new Error('not a single stream')
  return record.data
}

describe.each(Object.entries(encryptionModes))('with %s', (_, encryption) => {
  const keyed = encryption.mode === 'sse-c' ? { customerKey: encryption.customerKey } : {}

  it.each([1_000, 200_000])('no change of the record of an object of %i bytes opens it', async (size) => {
    await test.put(bucket, 'x', pattern(size), { encryption })
    await test.put(bucket, 'y', pattern(size), { encryption })
    const x = await recordOf('x')
    const y = await recordOf('y')
    const changes: Partial<ObjectVersion>[] = [
      { sequence: x.sequence + 1 },
      { isNull: !x.isNull },
      { sizeBytes: size - 1 },
      { etag: { digest: Buffer.alloc(16), partCount: 0 } },
      { checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } },
      { data: y.data },
      { data: { ...single(x), blobId: single(y).blobId } },
      { data: { ...single(x), nonce: single(y).nonce } },
      { data: { ...single(x), sealedKey: single(y).sealedKey } },
      { data: { ...single(x), isInline: !single(x).isInline } },
      { data: { kind: 'none' } },
      { envelope: y.envelope },
      { envelope: { ...x.envelope, iv: y.envelope.iv } },
      { envelope: { ...x.envelope, sealedObjectKey: y.envelope.sealedObjectKey } },
      { envelope: { ...x.envelope, form: 'upload' } },
      { details: { ...x.details, context: Buffer.from('{"team":"red"}') } },
    ]
    for (const change of changes) {
      await store('x', { ...x, ...change })
      const read = test.get(bucket, 'x', keyed)
      // SSE-C cannot tell a changed record from a wrong key; all others say that something is not authentic.
      const codes = /^(not-authentic|AccessDenied|KMS\.InvalidCiphertextException)$/
      await expect(read, JSON.stringify(Object.keys(change))).rejects.toMatchObject({
        code: expect.stringMatching(codes),
      })
    }
    await store('x', x)
    expect((await test.get(bucket, 'x', keyed)).bytes.equals(pattern(size))).toBe(true)
  })

  it('a record does not open under another name or in another bucket', async () => {
    const other = await test.bucket('other')
    await test.put(bucket, 'x', 'content', { encryption })
    await store('z', await recordOf('x'))
    await store('x', await recordOf('x'), other)
    await expect(test.get(bucket, 'z', keyed)).rejects.toThrow()
    await expect(test.get(other, 'x', keyed)).rejects.toThrow()
  })

  it('two records that are swapped do not open', async () => {
    await test.put(bucket, 'x', 'content of x', { encryption })
    await test.put(bucket, 'y', 'content of y', { encryption })
    const [x, y] = [await recordOf('x'), await recordOf('y')]
    await store('x', y)
    await store('y', x)
    for (const name of ['x', 'y']) await expect(test.get(bucket, name, keyed)).rejects.toThrow()
  })
})

describe('stored bytes', () => {
  it('of which one was changed are not given out', async () => {
    await test.put(bucket, 'x', pattern(500))
    const key = dataKey.encode(single(await recordOf('x')).blobId)
    const { value } = await entryAt(key)
    for (const at of [0, 5, 100, value.length - 1]) {
      const changed = Buffer.from(value)
      changed[at] = (changed[at] ?? 0) ^ 1
      await test.metadata.commit({ puts: [{ key, value: changed }] })
      await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'not-authentic' })
    }
  })

  it('are given out up to the last package that is authentic', async () => {
    await test.put(bucket, 'x', pattern(500_000))
    // A byte of the fourth package.
    await changeBlob((sealed) => {
      const at = 3 * 65_568 + 100
      sealed[at] = (sealed[at] ?? 0) ^ 1
      return sealed
    })
    const { body } = await test.engine.getObject({
      requester: { accountId: '1', isRootAccount: true },
      bucket,
      name: 'x',
    })
    const pieces: Uint8Array[] = []
    const readAll = async () => {
      for await (const piece of body as AsyncIterable<Uint8Array>) pieces.push(piece)
    }
    await expect(readAll()).rejects.toMatchObject({ code: 'not-authentic' })
    expect(Buffer.concat(pieces).equals(pattern(500_000).subarray(0, 3 * 65_536))).toBe(true)
  })

  it('that are cut off at a package are refused', async () => {
    await test.put(bucket, 'x', pattern(300_000))
    await changeBlob((sealed) => sealed.subarray(0, 2 * 65_568))
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'truncated' })
  })
})

describe('a record', () => {
  it('that was changed or moved in the store is refused, by reads, listings and deletes', async () => {
    await test.put(bucket, 'x', 'content')
    const key = objectKey.encode(idOf(bucket), 'x')
    const { value } = await entryAt(key)
    const changed = Buffer.from(value)
    changed[50] = (changed[50] ?? 0) ^ 1
    for (const puts of [[{ key, value: changed }], [{ key: objectKey.encode(idOf(bucket), 'y'), value }]]) {
      const name = puts[0]?.key === key ? 'x' : 'y'
      await test.metadata.commit({ puts })
      await expect(test.get(bucket, name)).rejects.toMatchObject({ code: 'not-authentic' })
      await expect(test.engine.deleteObject({ bucket, name })).rejects.toMatchObject({ code: 'not-authentic' })
    }
    const listing = test.engine.listObjects({ bucket, prefix: '', limit: 10 })
    await expect(listing).rejects.toMatchObject({ code: 'not-authentic' })
  })
})

describe('entries that are not sealed', () => {
  /** As a server finds them that has just started: nothing is remembered. */
  async function swapAndForget(a: Uint8Array, b: Uint8Array): Promise<void> {
    const [first, second] = [await entryAt(a), await entryAt(b)]
    await test.metadata.commit({
      puts: [
        { key: a, value: second.value },
        { key: b, value: first.value },
      ],
    })
    test.context.bucketIds.delete('bucket')
    test.context.bucketIds.delete('other')
    test.context.keyIds.delete('one')
    test.context.keyIds.delete('two')
  }

  it('the name of a bucket that leads to another one does not pass its objects off as its own', async () => {
    await test.bucket('other')
    await swapAndForget(bucketNameKey.encode('bucket'), bucketNameKey.encode('other'))
    await expect(test.engine.bucket('bucket')).rejects.toMatchObject({ code: 'corrupt' })
  })

  it("an entry of an account's buckets that leads to a bucket which is not its own is left out", async () => {
    await test.bucket('other')
    const { accountId } = rootRequester
    await swapAndForget(ownedBucketKey.encode(accountId, 'bucket'), ownedBucketKey.encode(accountId, 'other'))
    expect((await test.engine.listBuckets({ accountId, limit: 10 })).buckets).toEqual([])
  })

  it('the name of a key that leads to another one has nothing sealed under that', async () => {
    for (const name of ['one', 'two']) await test.engine.createKey({ requester: rootRequester, name })
    await swapAndForget(keyNameKey.encode('one'), keyNameKey.encode('two'))
    const encryption = { mode: 'sse-kms', keyId: 'one' } as const
    await expect(test.put(bucket, 'name', 'content', { encryption })).rejects.toMatchObject({ code: 'corrupt' })
  })
})
