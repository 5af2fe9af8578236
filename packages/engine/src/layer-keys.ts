/**
 * Keys of objects that are sealed in one layer or, with DSSE-KMS, in two (docs/adr/0015-two-layers-are-two-key-chains.md):
 * each layer has its own data key, its own object key and its own stream keys, and none of the other's.
 *
 * @module
 */

import { deriveKey, keySizeBytes, zero } from '@strongroom/crypto'
import { asBuffer, type Random } from './ids.ts'

/** One key for each layer. `inner` is there with DSSE-KMS only. */
export interface LayerKeys {
  /** Of the only layer; with two, of the one that is on disk. */
  readonly outer: Buffer
  /** Of the layer that is next to the plaintext. */
  readonly inner?: Buffer
}

/** Overwrites all keys with zeros. */
export function zeroLayers(...keys: readonly (LayerKeys | undefined)[]): void {
  for (const layers of keys) if (layers) zero(layers.outer, layers.inner)
}

/** Random keys for as many layers as `like` has; the caller zeroes them. */
export function newLayerKeys(random: Random, like: LayerKeys): LayerKeys {
  const outer = asBuffer(random(keySizeBytes))
  return like.inner ? { outer, inner: asBuffer(random(keySizeBytes)) } : { outer }
}

/** Frozen: data under DSSE-KMS depends on it. */
const innerStreamLabel = 'strongroom inner layer'

/**
 * The key of a stream's inner layer; the caller zeroes it. It comes from the inner chain alone. A blob id is never given
 * twice, and the nonce is random, so no two streams under an object key have the same key.
 *
 * @param innerKey the object key of the inner layer
 */
export function innerStreamKey(
  innerKey: Uint8Array,
  { blobId, nonce }: { readonly blobId: Uint8Array; readonly nonce: Uint8Array },
): Buffer {
  return deriveKey(innerKey, innerStreamLabel, Buffer.concat([blobId, nonce]))
}
