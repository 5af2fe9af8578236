/**
 * Multipart uploads: parts, Complete, Abort, in every encryption mode.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, EncryptionRequest } from './contract.ts'
import {
  createTestEngine,
  customerKey,
  encryptionModes,
  inChunks,
  rootRequester,
  type TestEngine,
} from './engine.fixture.ts'
import { putPart } from './put-part.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { uploadPlaceOf } from './upload-access.ts'
import { beginUpload, completed, contentOf, customerKeyOf, fullPartBytes, uploadObject } from './uploads.fixture.ts'

let test: TestEngine
let bucket: Bucket

beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(async () => {
  await expectExactBooks(test)
  await test.close()
})

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

describe.each(Object.entries<EncryptionRequest>({ ...encryptionModes, none: { mode: 'default' } }))(
  'a multipart upload with %s',
  (mode, encryption) => {
    beforeEach(async () => {
      if (mode !== 'none') return
      await test.close()
      test = await createTestEngine({ defaultEncryption: 'none' })
      bucket = await test.bucket()
    })

    it('gives back its parts as one object, in whole and in ranges across borders', async () => {
      const [first, second, last] = [contentOf(fullPartBytes, 1), contentOf(fullPartBytes + 1, 2), contentOf(77, 3)]
      const upload = await beginUpload(test, bucket, 'big', encryption)
      const three = await upload.put(30, last)
      await upload.put(1, contentOf(100, 9))
      const two = await upload.put(7, second)
      const one = await upload.put(1, first)
      const written = await upload.complete([one, two, three])
      const whole = Buffer.concat([first, second, last])
      const keys = customerKeyOf(encryption)
      const read = await test.get(bucket, 'big', keys)
      expect(read.bytes.equals(whole)).toBe(true)
      expect(read.head).toMatchObject({ etag: written.etag, partCount: 3, encryption: written.encryption })
      for (const [from, to] of [
        [fullPartBytes - 1, fullPartBytes],
        [65_535, 65_536],
        [fullPartBytes - 70_000, 2 * fullPartBytes + 3],
        [whole.length - 78, whole.length - 1],
      ] as const) {
        const part = await test.get(bucket, 'big', { ...keys, range: { first: from, last: to } })
        expect(part.bytes.equals(whole.subarray(from, to + 1))).toBe(true)
      }
      const part = await test.get(bucket, 'big', { ...keys, partNumber: 7 })
      expect(part.bytes.equals(second)).toBe(true)
    })

    it('makes the entity tag from those of the parts, which are MD5 digests only where S3 promises it', async () => {
      const content = contentOf(50_000)
      const upload = await beginUpload(test, bucket, 'a', encryption)
      const part = await upload.put(1, content)
      const promisesMd5 = mode === 'none' || mode === 'sse-s3'
      expect(part.etag === md5(content).toString('hex')).toBe(promisesMd5)
      const { etag } = await upload.complete([part])
      expect(etag).toBe(`${md5(Buffer.from(part.etag, 'hex')).toString('hex')}-1`)
    })

    it('lists its parts by number, with plaintext sizes, and is gone when it is done', async () => {
      const upload = await beginUpload(test, bucket, 'a', encryption)
      const parts = [await upload.put(3, contentOf(3)), await upload.put(1, contentOf(fullPartBytes))]
      const page = await test.engine.listParts({ ...upload.target, after: 0, limit: 1 })
      expect(page).toEqual({ upload: upload.info, parts: [parts[1]], truncated: true })
      const rest = await test.engine.listParts({ ...upload.target, after: 1, limit: 1 })
      expect(rest).toEqual({ upload: upload.info, parts: [parts[0]], truncated: false })
      await upload.complete(parts.toReversed())
      await expect(test.engine.listParts({ ...upload.target, after: 0, limit: 1 })).rejects.toMatchObject({
        code: 'NoSuchUpload',
      })
      expect((await test.engine.listUploads({ bucket, prefix: '', limit: 5 })).items).toEqual([])
    })

    it('leaves nothing behind when it is aborted', async () => {
      const upload = await beginUpload(test, bucket, 'a', encryption)
      await upload.put(1, contentOf(100_000))
      await upload.put(2, contentOf(10))
      await test.engine.abortUpload(upload.target)
      await expect(upload.put(3, contentOf(1))).rejects.toMatchObject({ code: 'NoSuchUpload' })
      await expect(test.engine.abortUpload(upload.target)).rejects.toMatchObject({ code: 'NoSuchUpload' })
      await expectExactBooks(test)
      expect(await test.engine.keyUsage('deployment-key')).toMatchObject({
        total: { uploads: 0, parts: 0, partBytes: 0 },
      })
    })
  },
)

describe('an upload', () => {
  it('keeps metadata, tags, storage class and checksum choice for the object', async () => {
    const metadata = { contentType: 'text/x', storageClass: 'GLACIER', userMetadata: new Map([['a', 'b']]) }
    const tags = [{ key: 'k', value: 'v' }]
    await uploadObject(test, bucket, 'a', [contentOf(5)], undefined, { metadata, tags })
    const { head } = await test.engine.headObject({ requester: rootRequester, bucket, name: 'a' })
    expect(head).toMatchObject({ metadata, tagCount: 1 })
    expect((await test.engine.getTags({ bucket, name: 'a' })).tags).toEqual(tags)
  })

  it('moves details that outgrow a record from the upload to the object', async () => {
    const tags = Array.from({ length: 10 }, (_, i) => ({ key: `${i}${'😀'.repeat(100)}`, value: '😀'.repeat(256) }))
    const upload = await beginUpload(test, bucket, 'a', undefined, { tags })
    const part = await upload.put(1, contentOf(5))
    await upload.complete([part])
    expect((await test.engine.getTags({ bucket, name: 'a' })).tags).toEqual(tags)
  })

  it('of one empty part makes an empty object', async () => {
    const { etag } = await uploadObject(test, bucket, 'empty', [Buffer.alloc(0)])
    expect(etag).toMatch(/-1$/)
    expect((await test.get(bucket, 'empty')).bytes).toHaveLength(0)
  })

  it('counts for its key, part by part', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    await upload.put(1, contentOf(100))
    await upload.put(1, contentOf(70))
    await upload.put(2, contentOf(5))
    const running = { uploads: 1, parts: 2, partBytes: 75, versions: 0, bytes: 0 }
    expect((await test.engine.keyUsage('deployment-key')).total).toMatchObject(running)
    await upload.complete([await upload.put(2, contentOf(6))])
    const done = { uploads: 0, parts: 0, partBytes: 0, versions: 1, bytes: 6 }
    expect((await test.engine.keyUsage('deployment-key')).total).toMatchObject(done)
  })

  it('makes versions where versioning is on', async () => {
    const versioned = await test.bucket('versioned', 'enabled')
    const first = await uploadObject(test, versioned, 'a', [contentOf(10, 1)])
    const second = await uploadObject(test, versioned, 'a', [contentOf(10, 2)])
    expect(first.versionId).not.toBe(second.versionId)
    const old = await test.get(versioned, 'a', { versionId: first.versionId ?? '' })
    expect(old.bytes.equals(contentOf(10, 1))).toBe(true)
  })

  it('is listed by name, then in the order in which uploads began', async () => {
    const names = ['b', 'a', 'b', 'b']
    const ids: string[] = []
    for (const name of names) {
      ids.push((await beginUpload(test, bucket, name)).info.uploadId)
      test.clock.nowMs += 1
    }
    const { items } = await test.engine.listUploads({ bucket, prefix: '', limit: 9 })
    expect(items.map((listed) => listed.kind === 'item' && listed.item.uploadId)).toEqual(
      [1, 0, 2, 3].map((i) => ids[i]),
    )
  })

  it('takes a streamed part, and removes what a part left that broke off', async () => {
    const content = contentOf(300_000)
    const upload = await beginUpload(test, bucket, 'a')
    const streamed = { sizeBytes: content.length, content: inChunks(content, 7_001) }
    const part = await test.engine.uploadPart({ ...upload.target, partNumber: 1, body: streamed })
    const short = { sizeBytes: content.length, content: inChunks(content.subarray(1), 7_001) }
    const broken = test.engine.uploadPart({ ...upload.target, partNumber: 1, body: short })
    await expect(broken).rejects.toMatchObject({ code: 'IncompleteBody' })
    await upload.complete([part])
    expect((await test.get(bucket, 'a')).bytes.equals(content)).toBe(true)
  })

  it('completes with thousands of parts, whose table is read back whole', async () => {
    const upload = await beginUpload(test, bucket, 'many')
    const place = uploadPlaceOf(upload.target)
    const parts = Array.from({ length: 3_000 }, (_, index) => ({ number: index * 3 + 1, etag: '' }))
    for (const part of parts) {
      const etag = md5(Buffer.from([part.number]))
      part.etag = etag.toString('hex')
      const record = { lastModifiedMs: 1, sizeBytes: fullPartBytes, etag, segments: [] }
      await test.context.commits.run(async (snapshot, draft) => {
        await putPart(test.context, snapshot, draft, place, part.number, record)
      })
    }
    const written = await test.engine.completeUpload({ ...upload.target, parts })
    expect(written.sizeBytes).toBe(3_000 * fullPartBytes)
    const attributes = await test.engine.getObjectAttributes({
      requester: rootRequester,
      bucket,
      name: 'many',
      maxParts: 2,
      partNumberMarker: 8_993,
    })
    expect(attributes.parts).toMatchObject({ total: 3_000, parts: [{ number: 8_995 }, { number: 8_998 }] })
  })
})

describe('Complete', () => {
  it('refuses wrong part lists, and the upload goes on', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const small = await upload.put(1, contentOf(10))
    const other = await upload.put(2, contentOf(20))
    const complete = (parts: object[], rest = {}) =>
      test.engine.completeUpload({ ...upload.target, parts: parts as never, ...rest })
    const refusals: readonly (readonly [string, object[], object?])[] = [
      ['MalformedXML', []],
      ['InvalidPartOrder', [other, small]],
      ['InvalidPartOrder', [small, small]],
      ['InvalidPart', [small, { ...other, number: 3 }]],
      ['InvalidPart', [{ ...small, etag: other.etag }]],
      ['InvalidPart', [{ ...small, checksum: 'AAAA' }]],
      ['EntityTooSmall', completed([small, other])],
      ['InvalidRequest', completed([other]), { sizeBytes: 21 }],
      ['InvalidRequest', completed([other]), { checksumType: 'COMPOSITE' }],
      ['InvalidRequest', completed([other]), { checksum: 'AAAAAA==' }],
      ['NoSuchKey', completed([other]), { conditions: { ifMatch: '*' } }],
    ]
    for (const [code, parts, rest] of refusals) {
      await expect(complete(parts, rest), code).rejects.toMatchObject({ code })
    }
    await upload.put(2, contentOf(30))
    await expect(upload.complete([other])).rejects.toMatchObject({ code: 'InvalidPart' })
    const { parts } = await test.engine.listParts({ ...upload.target, after: 0, limit: 9 })
    const written = await upload.complete(parts.slice(1), { sizeBytes: 30 })
    expect(written.sizeBytes).toBe(30)
  })

  it('sent again gets the same answer as long as its object is current', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(100_000))
    const written = await upload.complete([part])
    test.clock.nowMs += 5_000
    expect(await upload.complete([part])).toEqual(written)
    await expect(upload.complete([{ ...part, etag: '0'.repeat(32) }])).rejects.toMatchObject({ code: 'NoSuchUpload' })
    await test.put(bucket, 'a', 'something else')
    await expect(upload.complete([part])).rejects.toMatchObject({ code: 'NoSuchUpload' })
  })

  it('sent twice at once succeeds twice, with one object', async () => {
    const versioned = await test.bucket('versioned', 'enabled')
    const upload = await beginUpload(test, versioned, 'a')
    const part = await upload.put(1, contentOf(100_000))
    const [first, second] = await Promise.all([upload.complete([part]), upload.complete([part])])
    expect(second).toEqual(first)
    const { items } = await test.engine.listVersions({ bucket: versioned, prefix: '', limit: 9 })
    expect(items).toHaveLength(1)
  })

  it('looks at its conditions before and at the commit', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(10))
    const { etag } = await test.put(bucket, 'a', 'here')
    const taken = upload.complete([part], { conditions: { ifNoneMatch: '*' } })
    await expect(taken).rejects.toMatchObject({ code: 'PreconditionFailed' })
    await upload.complete([part], { conditions: { ifMatch: [etag] } })
  })

  it('fails on a locked key, and succeeds once it is unlocked', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(10))
    await test.engine.lockKey('deployment-key')
    await expect(upload.complete([part])).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    await expect(upload.put(2, contentOf(10))).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    expect((await test.engine.listParts({ ...upload.target, after: 0, limit: 9 })).parts).toHaveLength(1)
    await test.engine.unlockKey('deployment-key')
    await upload.complete([part])
  })
})

describe('a part', () => {
  it('has a number from 1 to 10,000 and at most 5 GiB', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    for (const number of [0, 10_001, 1.5, -1]) {
      await expect(upload.put(number, contentOf(1))).rejects.toMatchObject({ code: 'InvalidArgument' })
    }
    const body = { sizeBytes: 5 * 2 ** 30 + 1, content: Buffer.alloc(0) }
    const large = test.engine.uploadPart({ ...upload.target, partNumber: 1, body })
    await expect(large).rejects.toMatchObject({ code: 'EntityTooLarge' })
    await upload.put(10_000, contentOf(1))
  })

  it('needs an upload of this name that exists', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const body = { sizeBytes: 1, content: contentOf(1) }
    for (const wrong of [{ name: 'b' }, { uploadId: 'no id' }, { uploadId: '0'.repeat(32) }]) {
      const put = test.engine.uploadPart({ ...upload.target, ...wrong, partNumber: 1, body })
      await expect(put).rejects.toMatchObject({ code: 'NoSuchUpload' })
    }
  })

  it('sent again under the same number is sealed under another key and nonce', async () => {
    const upload = await beginUpload(test, bucket, 'a')
    const sealed: Buffer[] = []
    for (const seed of [1, 1]) {
      await upload.put(1, contentOf(100_000, seed))
      await test.engine.idle()
      const [blob] = [...(await blobsOf(test))]
      if (blob) sealed.push(blob)
    }
    const [one, two] = sealed
    expect(one?.subarray(4, 16)).not.toEqual(two?.subarray(4, 16))
    expect(one?.subarray(16, 64)).not.toEqual(two?.subarray(16, 64))
  })
})

async function blobsOf({ blobs }: TestEngine): Promise<Buffer[]> {
  const found: Buffer[] = []
  for await (const session of blobs.sessions()) {
    for await (const { blobId, sizeBytes } of blobs.list(session)) {
      const pieces: Uint8Array[] = []
      for await (const piece of blobs.read(blobId, 0, sizeBytes)) pieces.push(piece)
      found.push(Buffer.concat(pieces))
    }
  }
  return found
}

describe('an SSE-C upload', () => {
  const encryption = { mode: 'sse-c', customerKey: customerKey(7) } as const
  const missing =
    'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.'
  const other = 'The provided encryption parameters did not match the ones used originally.'
  // The right MD5 with the wrong key: it has to be the key that is verified.
  const forged = { key: Buffer.alloc(32, 8), md5: customerKey(7).md5 }

  it('takes parts with its key only', async () => {
    const upload = await beginUpload(test, bucket, 'a', encryption)
    const { customerKey: _, ...keyless } = upload.target
    const body = { sizeBytes: 1, content: contentOf(1) }
    const refused = [
      [keyless, missing],
      [{ ...keyless, customerKey: customerKey(8) }, other],
      [{ ...keyless, customerKey: forged }, other],
    ] as const
    for (const [target, message] of refused) {
      const put = test.engine.uploadPart({ ...target, partNumber: 1, body })
      await expect(put).rejects.toMatchObject({ code: 'InvalidRequest', clientMessage: message })
    }
    const plain = await beginUpload(test, bucket, 'b')
    const put = test.engine.uploadPart({ ...plain.target, customerKey: customerKey(7), partNumber: 1, body })
    await expect(put).rejects.toMatchObject({ code: 'InvalidRequest', clientMessage: missing })
  })

  it('completes without its key, as on AWS, and the object opens with it', async () => {
    const upload = await beginUpload(test, bucket, 'a', encryption)
    const parts = completed([await upload.put(1, contentOf(fullPartBytes)), await upload.put(2, contentOf(5))])
    const { customerKey: _, ...keyless } = upload.target
    await expect(test.engine.completeUpload({ ...keyless, customerKey: customerKey(8), parts })).rejects.toMatchObject({
      code: 'InvalidRequest',
      clientMessage: other,
    })
    await test.engine.completeUpload({ ...keyless, parts })
    const whole = Buffer.concat([contentOf(fullPartBytes), contentOf(5)])
    const read = await test.get(bucket, 'a', { customerKey: customerKey(7) })
    expect(read.bytes.equals(whole)).toBe(true)
    const source = { bucket, name: 'a', customerKey: customerKey(7) }
    await test.engine.copyObject({
      requester: rootRequester,
      source,
      bucket,
      name: 'b',
      encryption: { mode: 'sse-kms' },
    })
    expect(test.engine.stats()).toMatchObject({ copiesShared: 1 })
    expect((await test.get(bucket, 'b')).bytes.equals(whole)).toBe(true)
    await expect(test.get(bucket, 'a', { customerKey: customerKey(8) })).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it('with a checksum algorithm completes with its key only', async () => {
    const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT' } as const
    const upload = await beginUpload(test, bucket, 'a', encryption, { checksum })
    const part = await upload.put(1, contentOf(5))
    const { customerKey: _, ...keyless } = upload.target
    const complete = test.engine.completeUpload({ ...keyless, parts: completed([part]) })
    await expect(complete).rejects.toMatchObject({ code: 'InvalidRequest', clientMessage: missing })
    await upload.complete([part])
  })

  it('needs its key for Complete where Ceph is the model', async () => {
    await test.close()
    test = await createTestEngine({ compatibility: 'ceph' })
    bucket = await test.bucket()
    const upload = await beginUpload(test, bucket, 'a', encryption)
    const part = await upload.put(1, contentOf(5))
    const { customerKey: _, ...keyless } = upload.target
    const complete = test.engine.completeUpload({ ...keyless, parts: completed([part]) })
    await expect(complete).rejects.toMatchObject({ code: 'InvalidRequest' })
  })
})
