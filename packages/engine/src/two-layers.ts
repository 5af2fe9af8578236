/**
 * Streams in one layer or in two: with DSSE-KMS the packages of the inner layer are the plaintext of the outer one
 * (docs/formats/sealed-stream.md, "Two layers").
 *
 * @module
 */

import {
  DareOpener,
  DareSealer,
  openBytes,
  planRange,
  sealBytes,
  sealedSize,
  unsealKey,
  zero,
} from '@strongroom/crypto'
import { corrupt } from './codec.ts'
import { innerStreamKey, type LayerKeys } from './layer-keys.ts'
import type { StoredStream } from './object-record.ts'

/** Seals a stream piece by piece; see `DareSealer`. */
export type StreamSealer = Pick<DareSealer, 'seal' | 'final' | 'destroy'>

/** Opens a stream piece by piece; see `DareOpener`. */
export type StreamOpener = Pick<DareOpener, 'open' | 'final' | 'destroy'>

/** Where a stream is. */
type StreamPlace = Pick<StoredStream, 'blobId' | 'nonce'>

/** Bytes that a stream of `sizeBytes` of plaintext takes where it is stored. */
export function storedSize({ layers }: Pick<StoredStream, 'layers'>, sizeBytes: number): number {
  return layers === 2 ? sealedSize(sealedSize(sizeBytes)) : sealedSize(sizeBytes)
}

/** A sealer for one stream. @param innerKey object key of the inner layer; both keys stay the caller's */
export function streamSealer(key: Uint8Array, place: StreamPlace, innerKey: Uint8Array | undefined): StreamSealer {
  const outer = new DareSealer(key, place.nonce)
  if (!innerKey) return outer
  const derived = innerStreamKey(innerKey, place)
  const inner = new DareSealer(derived, place.nonce)
  zero(derived)
  return {
    seal: (chunk) => inner.seal(chunk).flatMap((piece) => outer.seal(piece)),
    final: () => [...inner.final().flatMap((piece) => outer.seal(piece)), ...outer.final()],
    destroy() {
      inner.destroy()
      outer.destroy()
    },
  }
}

/** Seals a whole stream. The keys stay the caller's. */
export function sealStream(
  key: Uint8Array,
  place: StreamPlace,
  innerKey: Uint8Array | undefined,
  bytes: Uint8Array,
): Buffer {
  if (!innerKey) return sealBytes(key, place.nonce, bytes)
  const derived = innerStreamKey(innerKey, place)
  try {
    return sealBytes(key, place.nonce, sealBytes(derived, place.nonce, bytes))
  } finally {
    zero(derived)
  }
}

/** Opens a whole stream. @param keys what its keys are sealed under; stay the caller's. @throws CryptoError `not-authentic` */
export function openStream(stream: StoredStream, sizeBytes: number, keys: LayerKeys, sealed: Uint8Array): Buffer {
  const key = unsealKey(keys.outer, stream.sealedKey)
  const derived = derivedKey(stream, keys)
  try {
    if (!derived) return openBytes(key, stream.nonce, sealed, sizeBytes)
    const between = openBytes(key, stream.nonce, sealed, sealedSize(sizeBytes))
    return openBytes(derived, stream.nonce, between, sizeBytes)
  } finally {
    zero(key, derived)
  }
}

/** A range of a stream on its way through its layers. */
export interface OpeningRange {
  /** Where in the blob the bytes for `opener` begin. */
  readonly sealedOffset: number
  readonly sealedLength: number
  readonly opener: StreamOpener
}

/**
 * Prepares to open `length` bytes from `offset` of a stream of `sizeBytes`. No plaintext comes out before both layers of
 * its package were authenticated.
 *
 * @param keys what the stream's keys are sealed under; stay the caller's
 * @throws CryptoError `not-authentic`
 */
export function openRange(
  stream: StoredStream,
  sizeBytes: number,
  keys: LayerKeys,
  { offset, length }: { readonly offset: number; readonly length: number },
): OpeningRange {
  const { nonce } = stream
  const range = planRange(sizeBytes, offset, length)
  const key = unsealKey(keys.outer, stream.sealedKey)
  const derived = derivedKey(stream, keys)
  try {
    if (!derived) {
      const { sealedOffset, sealedLength } = range
      const opener = new DareOpener(key, { nonce, plaintextSizeBytes: sizeBytes, range })
      return { sealedOffset, sealedLength, opener }
    }
    const betweenBytes = sealedSize(sizeBytes)
    const outerRange = planRange(betweenBytes, range.sealedOffset, range.sealedLength)
    const { sealedOffset, sealedLength } = outerRange
    const outer = new DareOpener(key, { nonce, plaintextSizeBytes: betweenBytes, range: outerRange })
    const inner = new DareOpener(derived, { nonce, plaintextSizeBytes: sizeBytes, range })
    return { sealedOffset, sealedLength, opener: throughBoth(outer, inner) }
  } finally {
    zero(key, derived)
  }
}

function throughBoth(outer: DareOpener, inner: DareOpener): StreamOpener {
  return {
    open: (chunk) => outer.open(chunk).flatMap((piece) => inner.open(piece)),
    final() {
      outer.final()
      inner.final()
    },
    destroy() {
      outer.destroy()
      inner.destroy()
    },
  }
}

/** The key of the inner layer, if the stream has one. A record that says so without a key for it was put together. */
function derivedKey(stream: StoredStream, { inner }: LayerKeys): Buffer | undefined {
  if (stream.layers !== 2) return undefined
  return innerStreamKey(inner ?? corrupt('a stream of two layers has keys of one'), stream)
}
