/**
 * Multipart uploads for tests.
 *
 * @module
 */

import type {
  Bucket,
  CompletedPart,
  CreateUploadInput,
  CustomerKey,
  EncryptionRequest,
  UploadedPart,
  UploadInfo,
  UploadTarget,
  WriteBody,
  WrittenObject,
} from './contract.ts'
import { pattern, rootRequester, type TestEngine } from './engine.fixture.ts'

export const mebibyte = 2 ** 20

/** As large as a part has to be that is not the last. */
export const fullPartBytes = 5 * mebibyte

const patterns = new Map<number, Buffer>()

/** Content of a size, different for every seed. Not to be written to. */
export function contentOf(sizeBytes: number, seed = 0): Buffer {
  const key = sizeBytes * 16 + seed
  const known = patterns.get(key)
  if (known) return known
  const bytes = pattern(sizeBytes)
  for (let i = 0; i < sizeBytes; i += 1_024) bytes[i] = (bytes[i] ?? 0) ^ (seed + 1)
  patterns.set(key, bytes)
  return bytes
}

export function customerKeyOf(encryption: EncryptionRequest): { customerKey?: CustomerKey } {
  return encryption.mode === 'sse-c' ? { customerKey: encryption.customerKey } : {}
}

/** An upload under way. */
export interface TestUpload {
  readonly info: UploadInfo
  readonly target: UploadTarget
  put(number: number, content: Uint8Array, rest?: Partial<WriteBody>): Promise<UploadedPart>
  complete(parts: readonly UploadedPart[], rest?: object): Promise<WrittenObject>
}

export function completed(parts: readonly UploadedPart[]): CompletedPart[] {
  return parts.map(({ number, etag, checksum }) => ({
    number,
    etag,
    ...(checksum ? { checksum: checksum.value } : {}),
  }))
}

export async function beginUpload(
  { engine }: TestEngine,
  bucket: Bucket,
  name: string,
  encryption: EncryptionRequest = { mode: 'default' },
  rest: Partial<CreateUploadInput> = {},
): Promise<TestUpload> {
  const metadata = { userMetadata: new Map() }
  const info = await engine.createUpload({ requester: rootRequester, bucket, name, encryption, metadata, ...rest })
  const place = { requester: rootRequester, bucket, name, uploadId: info.uploadId }
  const target: UploadTarget = { ...place, ...customerKeyOf(encryption) }
  return {
    info,
    target,
    put: (partNumber, content, body) =>
      engine.uploadPart({ ...target, partNumber, body: { sizeBytes: content.length, content, ...body } }),
    complete: (parts, more) => engine.completeUpload({ ...target, parts: completed(parts), ...more }),
  }
}

/** A whole multipart object. */
export async function uploadObject(
  test: TestEngine,
  bucket: Bucket,
  name: string,
  contents: readonly Uint8Array[],
  encryption: EncryptionRequest = { mode: 'default' },
  rest: Partial<CreateUploadInput> = {},
): Promise<WrittenObject> {
  const upload = await beginUpload(test, bucket, name, encryption, rest)
  const parts: UploadedPart[] = []
  for (const [index, content] of contents.entries()) parts.push(await upload.put(index + 1, content))
  return upload.complete(parts)
}
