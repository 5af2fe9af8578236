/**
 * Checksums of multipart uploads: which algorithms and types go together, and that every promise is verified.
 *
 * @module
 */

import { checksumOf } from '@strongroom/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, ChecksumAlgorithm, ChecksumType } from './contract.ts'
import { createTestEngine, rootRequester, type TestEngine } from './engine.fixture.ts'
import { beginUpload, contentOf, fullPartBytes } from './uploads.fixture.ts'

let test: TestEngine
let bucket: Bucket

beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

describe('checksums of an upload', () => {
  const combinations: readonly (readonly [ChecksumAlgorithm, ChecksumType, boolean])[] = [
    ['CRC32', 'FULL_OBJECT', true],
    ['CRC32', 'COMPOSITE', true],
    ['CRC32C', 'FULL_OBJECT', true],
    ['CRC32C', 'COMPOSITE', true],
    ['CRC64NVME', 'FULL_OBJECT', true],
    ['CRC64NVME', 'COMPOSITE', false],
    ['SHA1', 'COMPOSITE', true],
    ['SHA1', 'FULL_OBJECT', false],
    ['SHA256', 'COMPOSITE', true],
    ['SHA256', 'FULL_OBJECT', false],
  ]

  it.each(combinations)('%s, %s', async (algorithm, type, isPossible) => {
    const checksum = { algorithm, type }
    if (!isPossible) {
      const begin = beginUpload(test, bucket, 'a', undefined, { checksum })
      await expect(begin).rejects.toMatchObject({ code: 'InvalidRequest' })
      return
    }
    const contents = [contentOf(fullPartBytes, 1), contentOf(fullPartBytes, 2), contentOf(123_456, 3)]
    const whole = Buffer.concat(contents)
    const digests = contents.map((content) => checksumOf(algorithm, content))
    const expected =
      type === 'FULL_OBJECT'
        ? checksumOf(algorithm, whole).toString('base64')
        : `${checksumOf(algorithm, Buffer.concat(digests)).toString('base64')}-3`
    const upload = await beginUpload(test, bucket, 'a', undefined, { checksum })
    const parts = []
    for (const [index, content] of contents.entries()) parts.push(await upload.put(index + 1, content))
    expect(parts.map((part) => part.checksum?.value)).toEqual(digests.map((digest) => digest.toString('base64')))
    const wrong = upload.complete(parts, { checksum: 'AAAAAA==' })
    await expect(wrong).rejects.toMatchObject({ code: 'BadDigest' })
    const written = await upload.complete(parts, { checksum: expected, checksumType: type, sizeBytes: whole.length })
    expect(written.checksum).toEqual({ algorithm, type, value: expected })
    const { head } = await test.engine.headObject({ requester: rootRequester, bucket, name: 'a' })
    expect(head.checksum).toEqual(written.checksum)
  })

  it('are verified per part, and have the algorithm of the upload', async () => {
    const upload = await beginUpload(test, bucket, 'a', undefined, {
      checksum: { algorithm: 'SHA256', type: 'COMPOSITE' },
    })
    const content = contentOf(10)
    const wrong = upload.put(1, content, { checksum: { algorithm: 'SHA256', value: Buffer.alloc(32) } })
    await expect(wrong).rejects.toMatchObject({ code: 'BadDigest' })
    const other = upload.put(1, content, { checksum: { algorithm: 'CRC32' } })
    await expect(other).rejects.toMatchObject({ code: 'InvalidRequest' })
    const part = await upload.put(1, content)
    const without = test.engine.completeUpload({ ...upload.target, parts: [{ number: 1, etag: part.etag }] })
    await expect(without).rejects.toMatchObject({ code: 'InvalidRequest' })
    await upload.complete([part])
  })
})
