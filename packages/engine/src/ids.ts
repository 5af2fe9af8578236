/**
 * Identifiers of buckets, keys, uploads and blobs: random bytes in records and keys, hex digits elsewhere.
 *
 * @module
 */

/** Bytes of the id of a bucket, key, upload or manifest. */
export const idBytes = 16

/** Bytes of a session's id, the first of each blob id made in it. */
export const sessionIdBytes = 8

/** Bytes of a blob id: the session's, then random ones. */
export const blobIdBytes = 24

/** A source of random bytes. */
export type Random = (sizeBytes: number) => Uint8Array

/** The id's bytes from hex digits, or `undefined` if `text` is not an id of this size in lower-case hex. */
export function parseId(text: string, sizeBytes: number): Buffer | undefined {
  if (text.length !== sizeBytes * 2) return undefined
  const bytes = Buffer.from(text, 'hex')
  return bytes.length === sizeBytes && bytes.toString('hex') === text ? bytes : undefined
}

/** The id as hex digits. */
export function formatId(id: Uint8Array): string {
  return asBuffer(id).toString('hex')
}

/** The same memory as a `Buffer`. Asking bytes for their array buffer costs an allocation on Bun: what is a `Buffer` is not asked. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
