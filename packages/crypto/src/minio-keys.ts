/**
 * MinIO's key derivation (spec 3.1, 3.3), for reading what it wrote: golden data now, migration later. Nothing new is
 * sealed this way.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { invalidArgument, notAuthentic } from './crypto-error.ts'
import { openLegacyBytes } from './dare-legacy.ts'
import { hmacSha256 } from './kdf.ts'
import { sealedKeySizeBytes } from './key-seal.ts'
import { keySizeBytes } from './secrets.ts'

/** The seal algorithms found in MinIO's metadata; the second is from before mid-2018 and SSE-C only. */
export type MinioSealAlgorithm = 'DAREv2-HMAC-SHA256' | 'DARE-SHA256'

export interface MinioSeal {
  readonly sealAlgorithm: MinioSealAlgorithm
  /** 32 bytes. */
  readonly iv: Uint8Array
  readonly domain: 'SSE-S3' | 'SSE-KMS' | 'SSE-C'
  /** From {@link minioPath}. */
  readonly path: string
}

/**
 * Go's `path.Join(bucket, object)`: runs of slashes become one, `.` and `..` are resolved, a trailing slash goes.
 * So `x` and `x/` share a path.
 */
export function minioPath(bucket: string, objectName: string): string {
  const isRooted = (bucket === '' ? objectName : bucket).startsWith('/')
  const kept: string[] = []
  for (const segment of `${bucket}/${objectName}`.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment !== '..') kept.push(segment)
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else if (!isRooted) kept.push('..')
  }
  const joined = kept.join('/')
  if (isRooted) return `/${joined}`
  return joined === '' && (bucket !== '' || objectName !== '') ? '.' : joined
}

/** The key that an object key was sealed under. The caller owns the result. */
export function deriveMinioKek(externalKey: Uint8Array, seal: MinioSeal): Buffer {
  if (seal.sealAlgorithm === 'DARE-SHA256') {
    return createHash('sha256').update(externalKey).update(seal.iv).digest()
  }
  return hmacSha256(externalKey, seal.iv, seal.domain, seal.sealAlgorithm, seal.path)
}

/**
 * Opens a sealed object key. DARE 1.0 seals are refused under either algorithm: MinIO "opens" them to 32 zero bytes, which
 * must not be copied (spec 3.1). The caller owns the result.
 *
 * @throws CryptoError `not-authentic`
 */
export function unsealMinioKey(kek: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length !== sealedKeySizeBytes) throw notAuthentic()
  return openLegacyBytes(kek, sealed, { plaintextSizeBytes: keySizeBytes, versions: ['2.0'] })
}

/** The key of part `partNumber` (from 1). */
export function minioPartKey(objectKey: Uint8Array, partNumber: number): Buffer {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > 0xffff_ffff) {
    throw invalidArgument('a part number is a positive 32-bit number')
  }
  const encoded = Buffer.alloc(4)
  encoded.writeUInt32LE(partNumber)
  return hmacSha256(objectKey, encoded)
}

/** The stream nonce of a part; the bit of the final flag is cleared. */
export function minioPartNonce(uploadId: string, partNumber: number): Buffer {
  const nonce = createHash('sha256').update(`${uploadId}${partNumber}`).digest().subarray(0, 12)
  nonce.writeUInt8(nonce.readUInt8(0) & 0x7f, 0)
  return nonce
}

/** The key that ETags are sealed under. */
export function minioEtagKey(objectKey: Uint8Array): Buffer {
  return hmacSha256(objectKey, 'SSE-etag')
}

/** The key of other sealed metadata. */
export function minioMetaKey(objectKey: Uint8Array, label: 'object-checksum' | 'compression-index'): Buffer {
  return hmacSha256(objectKey, label)
}
