/**
 * Bytes in, bytes out: sealed streams, sealed keys, records and values, encryption contexts, checksums. No I/O.
 *
 * @module
 */

export { type AeadCipher, aeadOpen, aeadSeal, aeadSealPieces, hchacha20, nonceSizeBytes, tagSizeBytes } from './aead.ts'
export { CanonicalDigest } from './canonical-digest.ts'
export {
  type Checksum,
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumOf,
  checksumSizeBytes,
  createChecksum,
  loadChecksums,
} from './checksums.ts'
export { type CrcAlgorithm, combineCrc } from './crc-combine.ts'
export { CryptoError, type CryptoErrorCode } from './crypto-error.ts'
export { openBytes, sealBytes } from './dare.ts'
export { cipherIds, type DareFraming, dare2 } from './dare-framing.ts'
export { LegacyDareOpener, type LegacyDareOpenerOptions, openLegacyBytes } from './dare-legacy.ts'
export { DareOpener, type DareOpenerOptions } from './dare-opener.ts'
export { DareSealer, type DareSealerOptions } from './dare-sealer.ts'
export {
  headerSizeBytes,
  maxStreamSizeBytes,
  openedSize,
  packageCount,
  packageSizeBytes,
  planRange,
  type SealedRange,
  sealedPackageSizeBytes,
  sealedSize,
} from './dare-sizes.ts'
export {
  type ContextLimits,
  type EncryptionContext,
  formatContext,
  maxContextBytes,
  parseContext,
} from './encryption-context.ts'
export { type Argon2idParameters, argon2id, deriveKey, hkdfSha256, hmacSha256 } from './kdf.ts'
export { deriveKek, type KekBinding, kekIvSizeBytes, sealedKeySizeBytes, sealKey, unsealKey } from './key-seal.ts'
export {
  deriveMinioKek,
  type MinioSeal,
  type MinioSealAlgorithm,
  minioEtagKey,
  minioMetaKey,
  minioPartKey,
  minioPartNonce,
  minioPath,
  unsealMinioKey,
} from './minio-keys.ts'
export { createRandomPool } from './random-pool.ts'
export { RecordSealer, type RecordSealerOptions, recordOverheadBytes } from './record-seal.ts'
export { openValue, sealedValueKeyId, sealValue, valueOverheadBytes } from './sealed-value.ts'
export { asBuffer, equalSecrets, keySizeBytes, type RandomSource, zero } from './secrets.ts'
