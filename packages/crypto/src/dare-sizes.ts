/**
 * The arithmetic of sealed streams (spec 3.4, 3.5): how large they are, and which packages a range of plaintext needs.
 *
 * @module
 */

import { CryptoError } from './crypto-error.ts'

/** Plaintext bytes of every package but the last of a stream. Frozen: stored data depends on it. */
export const packageSizeBytes = 65_536

/** Bytes of a package's header. */
export const headerSizeBytes = 16

/** What sealing adds to every package: its header and its tag. */
export const packageOverheadBytes = 32

/** Bytes of a full package, sealed. */
export const sealedPackageSizeBytes = packageSizeBytes + packageOverheadBytes

/** Longest plaintext of one stream: 2^32 packages, for the sequence number has 32 bits. */
export const maxStreamSizeBytes = 2 ** 32 * packageSizeBytes

/** @throws CryptoError `invalid-size` unless `sizeBytes` is a whole number of bytes that one stream can hold */
function checkStreamSize(sizeBytes: number, maxBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > maxBytes) {
    throw new CryptoError('invalid-size', 'a stream cannot have this size')
  }
}

/** The number of packages of a stream; none if it is empty. @throws CryptoError `invalid-size` */
export function packageCount(plaintextSizeBytes: number): number {
  checkStreamSize(plaintextSizeBytes, maxStreamSizeBytes)
  return Math.ceil(plaintextSizeBytes / packageSizeBytes)
}

/** The size of a stream after sealing. The inverse of {@link openedSize}. @throws CryptoError `invalid-size` */
export function sealedSize(plaintextSizeBytes: number): number {
  return plaintextSizeBytes + packageCount(plaintextSizeBytes) * packageOverheadBytes
}

/**
 * The size of a sealed stream's plaintext. The inverse of {@link sealedSize}.
 *
 * @throws CryptoError `invalid-size` if no stream has this size when sealed
 */
export function openedSize(sealedSizeBytes: number): number {
  checkStreamSize(sealedSizeBytes, 2 ** 32 * sealedPackageSizeBytes)
  const lastBytes = sealedSizeBytes % sealedPackageSizeBytes
  if (lastBytes > 0 && lastBytes <= packageOverheadBytes) {
    throw new CryptoError('invalid-size', 'no sealed stream has this size')
  }
  return sealedSizeBytes - Math.ceil(sealedSizeBytes / sealedPackageSizeBytes) * packageOverheadBytes
}

/** The part of a sealed stream that holds a range of its plaintext. Made by {@link planRange}. */
export interface SealedRange {
  /** Index of the first package that is needed. */
  readonly firstPackage: number
  readonly packageCount: number
  /** Where to read in the sealed stream, and how many bytes. */
  readonly sealedOffset: number
  readonly sealedLength: number
  /** Plaintext bytes to drop at the front of the first package. */
  readonly skipBytes: number
  /** Plaintext bytes wanted. */
  readonly length: number
}

/**
 * Says which packages hold `length` bytes from `offset` of a stream whose plaintext has `plaintextSizeBytes`.
 *
 * @throws CryptoError `invalid-size` if the range is not inside the stream
 */
export function planRange(plaintextSizeBytes: number, offset: number, length: number): SealedRange {
  checkStreamSize(plaintextSizeBytes, maxStreamSizeBytes)
  checkStreamSize(offset, plaintextSizeBytes)
  checkStreamSize(length, plaintextSizeBytes - offset)
  if (length === 0) {
    return { firstPackage: 0, packageCount: 0, sealedOffset: 0, sealedLength: 0, skipBytes: 0, length: 0 }
  }
  const firstPackage = Math.floor(offset / packageSizeBytes)
  const endPackage = Math.ceil((offset + length) / packageSizeBytes)
  const sealedOffset = firstPackage * sealedPackageSizeBytes
  const sealedEnd = Math.min(endPackage * sealedPackageSizeBytes, sealedSize(plaintextSizeBytes))
  return {
    firstPackage,
    packageCount: endPackage - firstPackage,
    sealedOffset,
    sealedLength: sealedEnd - sealedOffset,
    skipBytes: offset - firstPackage * packageSizeBytes,
    length,
  }
}
