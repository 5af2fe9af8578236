/**
 * UploadPartCopy: which ranges share the stored parts, and that all of them are the right bytes.
 *
 * @module
 */

import { checksumOf } from '@strongroom/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, EncryptionRequest, UploadPartCopyInput } from './contract.ts'
import { createTestEngine, customerKey, type TestEngine } from './engine.fixture.ts'
import { expectExactBooks } from './recount.fixture.ts'
import {
  beginUpload,
  contentOf,
  customerKeyOf,
  fullPartBytes,
  type TestUpload,
  uploadObject,
} from './uploads.fixture.ts'

/** The engine's default is no encryption, so that `default` is a mode of its own. */
const modes = {
  none: { mode: 'default' },
  'sse-s3': { mode: 'sse-s3' },
  'sse-kms': { mode: 'sse-kms', context: new Map([['a', 'b']]) },
  'dsse-kms': { mode: 'dsse-kms', context: new Map([['a', 'b']]) },
  'sse-c': { mode: 'sse-c', customerKey: customerKey(1) },
} as const satisfies Record<string, EncryptionRequest>
type Mode = keyof typeof modes
const allModes = Object.keys(modes) as Mode[]
const cells = allModes.flatMap((from) => allModes.map((to) => [from, to] as const))
const promisesMd5 = (mode: Mode): boolean => mode === 'none' || mode === 'sse-s3'
/** The keys of inner layers belong to one object or upload. */
const hasTwoLayers = (from: Mode, to: Mode): boolean => from === 'dsse-kms' || to === 'dsse-kms'

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

type Range = NonNullable<UploadPartCopyInput['range']>

/** Copies a part and says which counter moved. */
async function copyPart(upload: TestUpload, partNumber: number, from: Mode, range?: Range, name = 'source') {
  const before = test.engine.stats()
  const source = { bucket, name, ...customerKeyOf(modes[from]) }
  const part = await test.engine.uploadPartCopy({ ...upload.target, partNumber, source, ...(range ? { range } : {}) })
  const after = test.engine.stats()
  const shared = after.copiesShared - before.copiesShared
  expect(shared + after.copiesRewritten - before.copiesRewritten).toBe(1)
  return { part, how: shared === 1 ? 'shared' : 'rewritten' }
}

describe.each(cells)('a part copied from %s to %s', (from, to) => {
  it('shares a whole object of one stream, and reads ranges of it', async () => {
    const content = contentOf(fullPartBytes + 5)
    await test.put(bucket, 'source', content, { encryption: modes[from] })
    const upload = await beginUpload(test, bucket, 'target', modes[to])
    const whole = await copyPart(upload, 1, from)
    const explicit = await copyPart(upload, 2, from, { first: 0, last: content.length - 1 })
    const range = await copyPart(upload, 3, from, { first: 65_530, last: 131_080 })
    const canShare = !hasTwoLayers(from, to) && (promisesMd5(from) || !promisesMd5(to))
    expect([whole.how, explicit.how, range.how]).toEqual([
      ...(canShare ? ['shared', 'shared'] : ['rewritten', 'rewritten']),
      'rewritten',
    ])
    await test.engine.deleteObject({ bucket, name: 'source' })
    await upload.complete([whole.part, explicit.part, range.part])
    const expected = Buffer.concat([content, content, content.subarray(65_530, 131_081)])
    const read = await test.get(bucket, 'target', customerKeyOf(modes[to]))
    expect(read.bytes.equals(expected)).toBe(true)
  })

  it.each([0, 1, 65_535, 65_536, 65_537])('of %i bytes is the same bytes', async (size) => {
    const content = contentOf(size)
    await test.put(bucket, 'source', content, { encryption: modes[from] })
    const upload = await beginUpload(test, bucket, 'target', modes[to])
    const { part, how } = await copyPart(upload, 1, from)
    const canShare = size === 0 || (!hasTwoLayers(from, to) && (promisesMd5(from) || !promisesMd5(to)))
    expect(how).toBe(canShare ? 'shared' : 'rewritten')
    await upload.complete([part])
    await test.engine.deleteObject({ bucket, name: 'source' })
    await test.engine.idle()
    expect((await test.get(bucket, 'target', customerKeyOf(modes[to]))).bytes.equals(content)).toBe(true)
  })

  it('shares whole parts of a multipart object where no MD5 is promised', async () => {
    const contents = [contentOf(fullPartBytes + 70_000, 1), contentOf(9, 2)]
    const content = Buffer.concat(contents)
    await uploadObject(test, bucket, 'source', contents, modes[from])
    const upload = await beginUpload(test, bucket, 'target', modes[to])
    const border = fullPartBytes + 70_000
    const ranges = [
      { first: 0, last: border - 1 },
      { first: 0, last: content.length - 1 },
      { first: 70_000, last: border },
      { first: border, last: content.length - 1 },
    ]
    const copied = []
    for (const [index, range] of ranges.entries()) copied.push(await copyPart(upload, index + 1, from, range))
    const whole = promisesMd5(to) || hasTwoLayers(from, to) ? 'rewritten' : 'shared'
    expect(copied.map(({ how }) => how)).toEqual([whole, whole, 'rewritten', whole])
    await test.engine.deleteObject({ bucket, name: 'source' })
    await upload.complete(copied.map(({ part }) => part))
    const expected = Buffer.concat(ranges.map(({ first, last }) => content.subarray(first, last + 1)))
    const keys = customerKeyOf(modes[to])
    expect((await test.get(bucket, 'target', keys)).bytes.equals(expected)).toBe(true)
    const middle = { first: 2 * border - 9, last: 2 * border + 100_000 }
    const range = await test.get(bucket, 'target', { ...keys, range: middle })
    expect(range.bytes.equals(expected.subarray(middle.first, middle.last + 1))).toBe(true)
  })
})

describe('a copied part', () => {
  it('can be copied again, segments and all', async () => {
    const contents = [contentOf(fullPartBytes, 1), contentOf(20, 2)]
    await uploadObject(test, bucket, 'source', contents, modes['sse-kms'])
    const upload = await beginUpload(test, bucket, 'middle', modes['sse-kms'])
    const { part } = await copyPart(upload, 1, 'sse-kms')
    await upload.complete([part])
    const last = await beginUpload(test, bucket, 'last', modes['sse-c'])
    const again = await copyPart(last, 5, 'sse-kms', undefined, 'middle')
    expect(again.how).toBe('shared')
    await last.complete([again.part])
    for (const name of ['source', 'middle']) await test.engine.deleteObject({ bucket, name })
    const read = await test.get(bucket, 'last', customerKeyOf(modes['sse-c']))
    expect(read.bytes.equals(Buffer.concat(contents))).toBe(true)
  })

  it('of nothing is shared, and the wrong key refused all the same', async () => {
    await test.put(bucket, 'source', '', { encryption: modes['sse-c'] })
    const upload = await beginUpload(test, bucket, 'target')
    const { how } = await copyPart(upload, 1, 'sse-c')
    expect(how).toBe('shared')
    const source = { bucket, name: 'source', customerKey: customerKey(9) }
    const wrong = test.engine.uploadPartCopy({ ...upload.target, partNumber: 1, source })
    await expect(wrong).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it('has the checksum of the upload: combined from those of the parts where it can be', async () => {
    const contents = [contentOf(fullPartBytes, 1), contentOf(fullPartBytes, 2), contentOf(20, 3)]
    const checksum = { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' } as const
    await uploadObject(test, bucket, 'source', contents, modes['sse-kms'], { checksum })
    const expected = checksumOf('CRC64NVME', Buffer.concat(contents)).toString('base64')
    for (const [mode, how] of [
      ['sse-kms', 'shared'],
      ['sse-s3', 'rewritten'],
    ] as const) {
      const upload = await beginUpload(test, bucket, 'target', modes[mode], { checksum })
      const copied = await copyPart(upload, 1, 'sse-kms')
      expect([copied.how, copied.part.checksum?.value]).toEqual([how, expected])
      await upload.complete([copied.part], { checksum: expected })
    }
    const composite = { algorithm: 'SHA256', type: 'COMPOSITE' } as const
    const upload = await beginUpload(test, bucket, 'target', modes['sse-kms'], { checksum: composite })
    const copied = await copyPart(upload, 1, 'sse-kms')
    const value = checksumOf('SHA256', Buffer.concat(contents)).toString('base64')
    expect([copied.how, copied.part.checksum?.value]).toEqual(['rewritten', value])
    await test.engine.abortUpload(upload.target)
  })

  it('that would consist of too many streams is read instead', async () => {
    const contents = [contentOf(fullPartBytes), contentOf(1)]
    await uploadObject(test, bucket, 'source', contents, modes['sse-kms'])
    const eight = await beginUpload(test, bucket, 'eight', modes['sse-kms'])
    const parts = []
    for (let number = 1; number <= 8; number += 1) parts.push((await copyPart(eight, number, 'sse-kms')).part)
    await eight.complete(parts)
    const upload = await beginUpload(test, bucket, 'last', modes['sse-kms'])
    const few = await copyPart(upload, 1, 'sse-kms', { first: 0, last: 7 * fullPartBytes + 6 }, 'eight')
    const many = await copyPart(upload, 1, 'sse-kms', undefined, 'eight')
    expect([few.how, many.how]).toEqual(['shared', 'rewritten'])
    await upload.complete([many.part])
    const read = await test.get(bucket, 'last')
    expect(read.bytes.equals(Buffer.concat(Array.from({ length: 8 }, () => contents).flat()))).toBe(true)
  })

  it('has to lie inside its source', async () => {
    await test.put(bucket, 'source', 'four')
    const upload = await beginUpload(test, bucket, 'target')
    const source = { bucket, name: 'source' }
    for (const range of [
      { first: 0, last: 4 },
      { first: 3, last: 2 },
      { first: 9, last: 9 },
    ]) {
      const copied = test.engine.uploadPartCopy({ ...upload.target, partNumber: 1, source, range })
      await expect(copied).rejects.toMatchObject({ code: 'InvalidArgument' })
    }
  })

  it('needs an upload, and its key', async () => {
    await test.put(bucket, 'source', 'x')
    const upload = await beginUpload(test, bucket, 'target', modes['sse-c'])
    const { customerKey: _, ...keyless } = upload.target
    const copied = (target: object) =>
      test.engine.uploadPartCopy({
        ...upload.target,
        ...target,
        partNumber: 1,
        source: { bucket, name: 'source' },
      })
    const wrong = { customerKey: customerKey(9) }
    await expect(copied(wrong)).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(copied({ uploadId: '0'.repeat(32) })).rejects.toMatchObject({ code: 'NoSuchUpload' })
    const without = test.engine.uploadPartCopy({ ...keyless, partNumber: 1, source: { bucket, name: 'source' } })
    await expect(without).rejects.toMatchObject({ code: 'InvalidRequest' })
  })
})
