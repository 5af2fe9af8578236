/**
 * CopyObject: what is shared and what is read, what is inherited and what is not.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { checksumOf } from '@strongroom/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, CopyObjectInput, CopySource, EncryptionRequest } from './contract.ts'
import { createTestEngine, customerKey, otherRequester, rootRequester, type TestEngine } from './engine.fixture.ts'
import { putPart } from './put-part.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { uploadPlaceOf } from './upload-access.ts'
import { beginUpload, contentOf, customerKeyOf, fullPartBytes, uploadObject } from './uploads.fixture.ts'

const sourceKey = customerKey(1)
const targetKey = customerKey(2)

/** The engine's default is no encryption, so that `default` is a mode of its own. */
const modes = {
  none: [{ mode: 'default' }, { mode: 'default' }],
  'sse-s3': [{ mode: 'sse-s3' }, { mode: 'sse-s3' }],
  'sse-kms': [{ mode: 'sse-kms', context: new Map([['a', 'b']]) }, { mode: 'sse-kms' }],
  'dsse-kms': [{ mode: 'dsse-kms', context: new Map([['a', 'b']]) }, { mode: 'dsse-kms' }],
  'sse-c': [
    { mode: 'sse-c', customerKey: sourceKey },
    { mode: 'sse-c', customerKey: targetKey },
  ],
} as const satisfies Record<string, readonly [EncryptionRequest, EncryptionRequest]>
type Mode = keyof typeof modes
const allModes = Object.keys(modes) as Mode[]
const cells = allModes.flatMap((from) => allModes.map((to) => [from, to] as const))

let test: TestEngine
let bucket: Bucket

beforeEach(async () => {
  test = await createTestEngine({ defaultEncryption: 'none' })
  bucket = await test.bucket()
})
afterEach(async () => {
  await expectExactBooks(test)
  await test.close()
})

function copy(source: Partial<CopySource>, rest: Partial<CopyObjectInput> = {}) {
  return test.engine.copyObject({
    requester: rootRequester,
    source: { bucket, name: 'source', ...source },
    bucket,
    name: 'target',
    encryption: { mode: 'default' },
    ...rest,
  })
}

/** Runs `action` and says which counter moved. */
async function counted<T>(action: () => Promise<T>): Promise<readonly [T, 'shared' | 'rewritten']> {
  const before = test.engine.stats()
  const result = await action()
  const after = test.engine.stats()
  const shared = after.copiesShared - before.copiesShared
  const rewritten = after.copiesRewritten - before.copiesRewritten
  expect(shared + rewritten).toBe(1)
  return [result, shared === 1 ? 'shared' : 'rewritten']
}

const keysOf = (mode: Mode, side: 0 | 1) => customerKeyOf(modes[mode][side])
const promisesMd5 = (mode: Mode): boolean => mode === 'none' || mode === 'sse-s3'
/** What is sealed in two layers is not what one layer needs, and the reverse. */
const haveSameLayers = (from: Mode, to: Mode): boolean => (from === 'dsse-kms') === (to === 'dsse-kms')
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

describe.each(cells)('a copy from %s to %s', (from, to) => {
  it.each([0, 1, 65_535, 65_536, 65_537])(
    'of %i bytes shares the data where the source has what is promised',
    async (size) => {
      const content = contentOf(size)
      await test.put(bucket, 'source', content, { encryption: modes[from][0] })
      const [copied, how] = await counted(() => copy(keysOf(from, 0), { encryption: modes[to][1] }))
      const canShare = size === 0 || (haveSameLayers(from, to) && (!promisesMd5(to) || promisesMd5(from)))
      expect(how).toBe(canShare ? 'shared' : 'rewritten')
      expect(copied).toMatchObject({ sizeBytes: size, encryption: { mode: to } })
      expect(copied.etag === md5(content)).toBe(promisesMd5(to))
      // The copy does not depend on its source.
      await test.engine.deleteObject({ bucket, name: 'source' })
      await test.engine.idle()
      const read = await test.get(bucket, 'target', keysOf(to, 1))
      expect(read.bytes.equals(content)).toBe(true)
      expect(read.head.etag).toBe(copied.etag)
    },
  )

  it('of a multipart object shares its parts unless an MD5 of the whole is promised', async () => {
    const parts = [contentOf(fullPartBytes), contentOf(1)]
    const whole = Buffer.concat(parts)
    await uploadObject(test, bucket, 'source', parts, modes[from][0])
    const [copied, how] = await counted(() => copy(keysOf(from, 0), { encryption: modes[to][1] }))
    expect(how).toBe(promisesMd5(to) || !haveSameLayers(from, to) ? 'rewritten' : 'shared')
    expect(copied.etag === md5(whole)).toBe(promisesMd5(to))
    await test.engine.deleteObject({ bucket, name: 'source' })
    await test.engine.idle()
    const read = await test.get(bucket, 'target', keysOf(to, 1))
    expect(read.bytes.equals(whole)).toBe(true)
    expect(read.head.partCount).toBeUndefined()
    const middle = { first: fullPartBytes - 1, last: fullPartBytes }
    const range = await test.get(bucket, 'target', { ...keysOf(to, 1), range: middle })
    expect(range.bytes.equals(whole.subarray(middle.first))).toBe(true)
  })
})

describe('a copy', () => {
  it('of 30 MiB is read once at most, whatever it goes through', async () => {
    const content = contentOf(30 * 2 ** 20)
    await test.put(bucket, 'source', content, { encryption: { mode: 'sse-kms' } })
    const [, first] = await counted(() => copy({}, { name: 'one', encryption: { mode: 'sse-s3' } }))
    const [, second] = await counted(() => copy({ name: 'one' }, { name: 'two' }))
    const [, third] = await counted(() => copy({ name: 'two' }, { encryption: { mode: 'sse-kms' } }))
    expect([first, second, third]).toEqual(['rewritten', 'shared', 'shared'])
    expect((await test.get(bucket, 'target')).bytes.equals(content)).toBe(true)
  })

  it('keeps metadata and tags unless told otherwise, but neither redirect, storage class nor context', async () => {
    const metadata = {
      contentType: 'text/x',
      websiteRedirectLocation: '/away',
      storageClass: 'GLACIER',
      userMetadata: new Map([['a', 'b']]),
    }
    const tags = [{ key: 'k', value: 'v' }]
    await test.put(bucket, 'source', 'x', { metadata, tags, encryption: modes['sse-kms'][0] })
    await copy({}, { encryption: { mode: 'sse-kms' } })
    const head = async () => (await test.engine.headObject({ requester: rootRequester, bucket, name: 'target' })).head
    const kept = await head()
    expect(kept.metadata).toEqual({ contentType: 'text/x', userMetadata: metadata.userMetadata })
    expect(kept.tagCount).toBe(1)
    expect(kept.encryption).toEqual({ mode: 'sse-kms', keyId: 'deployment-key', bucketKeyEnabled: false })
    const replaced = { contentType: 'text/y', userMetadata: new Map() }
    await copy({}, { metadata: replaced, tags: [] })
    expect(await head()).toMatchObject({ metadata: replaced, tagCount: 0 })
    await copy({}, { storageClass: 'STANDARD_IA' })
    expect((await head()).metadata.storageClass).toBe('STANDARD_IA')
  })

  it('has the checksum asked for, read once if the source lacks it', async () => {
    const content = contentOf(100_000)
    const body = { sizeBytes: content.length, content, checksum: { algorithm: 'CRC32C' } } as const
    await test.put(bucket, 'source', content, { body })
    const [same, sameHow] = await counted(() => copy({}, { checksumAlgorithm: 'CRC32C' }))
    const [kept, keptHow] = await counted(() => copy({}))
    const [other, otherHow] = await counted(() => copy({}, { checksumAlgorithm: 'SHA256' }))
    expect([sameHow, keptHow, otherHow]).toEqual(['shared', 'shared', 'rewritten'])
    const value = checksumOf('CRC32C', content).toString('base64')
    expect([same.checksum?.value, kept.checksum?.value]).toEqual([value, value])
    expect(other.checksum).toEqual({
      algorithm: 'SHA256',
      type: 'FULL_OBJECT',
      value: checksumOf('SHA256', content).toString('base64'),
    })
    const [empty] = await counted(async () => {
      await test.put(bucket, 'source', '')
      return copy({}, { checksumAlgorithm: 'SHA256' })
    })
    expect(empty.checksum?.value).toBe(checksumOf('SHA256', Buffer.alloc(0)).toString('base64'))
  })

  it('of an object whose checksum is that of its parts gets one of the whole', async () => {
    const encryption = { mode: 'sse-kms' } as const
    const checksum = { algorithm: 'SHA256', type: 'COMPOSITE' } as const
    const upload = await beginUpload(test, bucket, 'source', encryption, { checksum })
    const content = contentOf(1_000)
    const part = await upload.put(1, content, { checksum: { algorithm: 'SHA256' } })
    expect((await upload.complete([part])).checksum).toMatchObject({ type: 'COMPOSITE' })
    const [copied, how] = await counted(() => copy({}, { encryption }))
    const value = checksumOf('SHA256', content).toString('base64')
    expect(copied.checksum).toEqual({ algorithm: 'SHA256', type: 'FULL_OBJECT', value })
    expect(how).toBe('rewritten')
  })

  it('of more than 5 GiB is refused', async () => {
    const upload = await beginUpload(test, bucket, 'source')
    const parts = Array.from({ length: 1_025 }, (_, index) => ({ number: index + 1, etag: '0'.repeat(32) }))
    const record = { lastModifiedMs: 1, sizeBytes: fullPartBytes, etag: Buffer.alloc(16), segments: [] }
    for (const { number } of parts) {
      await test.context.commits.run(async (snapshot, draft) => {
        await putPart(test.context, snapshot, draft, uploadPlaceOf(upload.target), number, record)
      })
    }
    await test.engine.completeUpload({ ...upload.target, parts })
    await expect(copy({})).rejects.toMatchObject({ code: 'InvalidRequest' })
  })

  it('needs the key of its source, and no other', async () => {
    await test.put(bucket, 'source', 'x', { encryption: modes['sse-c'][0] })
    await test.put(bucket, 'empty', '', { encryption: modes['sse-c'][0] })
    await test.put(bucket, 'plain', 'x')
    const refused = [
      ['source', undefined, 'InvalidRequest'],
      ['source', targetKey, 'AccessDenied'],
      ['empty', targetKey, 'AccessDenied'],
      ['plain', sourceKey, 'InvalidRequest'],
    ] as const
    for (const [name, key, code] of refused) {
      await expect(copy({ name, ...(key ? { customerKey: key } : {}) })).rejects.toMatchObject({ code })
    }
  })

  it('needs a key that the requester may use, for source and target alike', async () => {
    await test.engine.createKey({ requester: otherRequester, name: 'theirs' })
    const theirs = { mode: 'sse-kms', keyId: 'theirs' } as const
    await test.put(bucket, 'source', 'x', { requester: otherRequester, encryption: theirs })
    await expect(copy({})).rejects.toMatchObject({ code: 'AccessDenied' })
    await test.put(bucket, 'source', 'x')
    await expect(copy({}, { encryption: theirs })).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
  })

  it('fails on a locked key and leaves nothing', async () => {
    await test.put(bucket, 'source', contentOf(100_000), { encryption: { mode: 'sse-kms' } })
    await test.engine.lockKey('deployment-key')
    await expect(copy({})).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    await expect(copy({}, { encryption: { mode: 'sse-s3' } })).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    expect(test.engine.stats()).toEqual({ copiesShared: 0, copiesRewritten: 0 })
    await test.engine.unlockKey('deployment-key')
  })

  it('answers 412 to every condition on the source that fails', async () => {
    const { etag, lastModifiedMs } = await test.put(bucket, 'source', 'x')
    const failing = [
      { ifMatch: ['other'] },
      { ifNoneMatch: [etag] },
      { ifModifiedSinceMs: lastModifiedMs + 5_000 },
      { ifUnmodifiedSinceMs: lastModifiedMs - 5_000 },
    ]
    for (const conditions of failing) {
      await expect(copy({ conditions })).rejects.toMatchObject({ code: 'PreconditionFailed' })
    }
    await copy({ conditions: { ifMatch: [etag] } })
    const taken = copy({}, { conditions: { ifNoneMatch: '*' } })
    await expect(taken).rejects.toMatchObject({ code: 'PreconditionFailed' })
  })

  it('names a source that is not there as GET does, and no delete marker by its id', async () => {
    const versioned = await test.bucket('versioned', 'enabled')
    await expect(copy({})).rejects.toMatchObject({ code: 'NoSuchKey' })
    const { versionId = '' } = await test.put(versioned, 'source', 'old')
    const marker = await test.engine.deleteObject({ bucket: versioned, name: 'source' })
    await expect(copy({ bucket: versioned })).rejects.toMatchObject({ code: 'NoSuchKey' })
    const byId = copy({ bucket: versioned, versionId: marker.versionId ?? '' })
    await expect(byId).rejects.toMatchObject({ code: 'InvalidRequest' })
    const copied = await copy({ bucket: versioned, versionId })
    expect(copied.sourceVersionId).toBe(versionId)
    expect((await test.get(bucket, 'target')).bytes.toString()).toBe('old')
  })
})

describe('a copy of an object onto itself', () => {
  const onto = (rest: Partial<CopyObjectInput> = {}, source: Partial<CopySource> = {}) =>
    copy(source, { name: 'source', ...rest })

  it('that changes nothing is refused', async () => {
    await test.put(bucket, 'source', 'x')
    await expect(onto()).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(onto({ storageClass: 'STANDARD' })).rejects.toMatchObject({ code: 'InvalidRequest' })
    const changes: readonly Partial<CopyObjectInput>[] = [
      { metadata: { userMetadata: new Map() } },
      { tags: [] },
      { storageClass: 'GLACIER' },
      { encryption: { mode: 'sse-s3' } },
      { checksumAlgorithm: 'CRC32' },
    ]
    for (const change of changes) await onto(change)
  })

  it('is allowed where the bucket has a rule of its own, or another default', async () => {
    await test.put(bucket, 'source', 'x', { encryption: { mode: 'sse-kms' } })
    await onto()
    expect((await test.get(bucket, 'source')).head.encryption.mode).toBe('none')
    const encryption = { algorithm: 'AES256', bucketKeyEnabled: false, blocksSseC: false } as const
    const ruled = await test.engine.changeBucket(bucket, { encryption })
    await copy({ bucket: ruled }, { bucket: ruled, name: 'source' })
    expect((await test.get(bucket, 'source')).head.encryption.mode).toBe('sse-s3')
  })

  it.each([undefined, 'enabled', 'suspended'] as const)(
    'changes the SSE-C key without touching the data, versioning %s',
    async (versioning) => {
      const place = await test.bucket(`rotated-${versioning}`, versioning)
      const content = contentOf(200_000)
      const old = await test.put(place, 'source', content, { encryption: modes['sse-c'][0] })
      const source = { bucket: place, customerKey: sourceKey }
      const [, how] = await counted(() => onto({ bucket: place, encryption: modes['sse-c'][1] }, source))
      expect(how).toBe('shared')
      expect((await test.get(place, 'source', { customerKey: targetKey })).bytes.equals(content)).toBe(true)
      await expect(test.get(place, 'source', { customerKey: sourceKey })).rejects.toMatchObject({
        code: 'AccessDenied',
      })
      if (versioning !== 'enabled') return
      const before = await test.get(place, 'source', { customerKey: sourceKey, versionId: old.versionId ?? '' })
      expect(before.bytes.equals(content)).toBe(true)
    },
  )

  it('brings back an old version', async () => {
    const versioned = await test.bucket('versioned', 'enabled')
    const old = await test.put(versioned, 'source', contentOf(100_000, 1))
    await test.put(versioned, 'source', contentOf(100_000, 2))
    await onto({ bucket: versioned }, { bucket: versioned, versionId: old.versionId ?? '' })
    await test.engine.deleteObject({ bucket: versioned, name: 'source', versionId: old.versionId ?? '' })
    expect((await test.get(versioned, 'source')).bytes.equals(contentOf(100_000, 1))).toBe(true)
  })
})
