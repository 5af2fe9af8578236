import type { UploadInfo } from '@strongroom/engine'
import { describe, expect, it } from 'vitest'
import { accountId, testHandler } from './handler.fixture.ts'

const uploadId = '1'.repeat(32)

/** A handler over an engine with one upload. */
const handlerWith = (encryption: UploadInfo['encryption']) => {
  const upload = { uploadId, name: 'name', initiatedAtMs: 0, storageClass: 'STANDARD', ownerAccountId: accountId }
  return testHandler({
    listParts: async () => ({ upload: { ...upload, encryption }, parts: [], truncated: false }),
    uploadPart: async () => ({ number: 1, etag: 'e', sizeBytes: 1, lastModifiedMs: 0, encryption }),
  })
}
const part = { method: 'PUT', rawQuery: `partNumber=1&uploadId=${uploadId}`, body: Buffer.from('x') }
const copied = { ...part, body: new Uint8Array(0), headers: { 'x-amz-copy-source': 'bucket/source' } }

describe('a part over plain HTTP', () => {
  it('is refused when its upload is under SSE-KMS, though it names no encryption itself', async () => {
    const { send } = handlerWith({ mode: 'sse-kms', keyId: 'key', bucketKeyEnabled: false })
    for (const request of [part, copied]) {
      const { status, text } = await send({ ...request, secure: false })
      expect([status, text]).toEqual([400, expect.stringContaining('must be made over a secure connection')])
    }
    expect((await send(part)).status).toBe(200)
  })

  it('is taken when its upload is not', async () => {
    const { send } = handlerWith({ mode: 'sse-s3' })
    expect((await send({ ...part, secure: false })).status).toBe(200)
  })
})
