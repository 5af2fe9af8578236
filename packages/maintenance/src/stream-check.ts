/**
 * Reading stored streams to their end: authenticated with the key, or, where the key cannot be had, as far as the framing
 * goes (docs/formats/sealed-stream.md).
 *
 * @module
 */

import {
  CryptoError,
  cipherIds,
  dare2,
  headerSizeBytes,
  packageCount,
  packageSizeBytes,
  sealedPackageSizeBytes,
  sealedSize,
  zero,
} from '@strongroom/crypto'
import { dataKey, formatId, type LayerKeys, openRange, type StoredStream, storedSize } from '@strongroom/engine'
import { StorageError } from '@strongroom/storage'
import type { Inspection } from './inspection.ts'
import { withSnapshot } from './walk.ts'

/** `gone`: it is not there, or too short: found out by size already. */
export type StreamState = 'right' | 'damaged' | 'gone'

/**
 * Authenticates every byte of a stream.
 *
 * @param streamKeys what the stream's own keys are sealed under; stay the caller's
 */
export async function authenticateStream(
  inspection: Inspection,
  stream: StoredStream,
  sizeBytes: number,
  streamKeys: LayerKeys,
): Promise<StreamState> {
  let opener: ReturnType<typeof openRange>['opener'] | undefined
  try {
    const checked = openRange(stream, sizeBytes, streamKeys, { offset: 0, length: sizeBytes }).opener
    opener = checked
    return await readAll(
      inspection,
      stream,
      sizeBytes,
      (chunk) => zero(...checked.open(chunk)),
      () => checked.final(),
    )
  } catch (error) {
    if (error instanceof CryptoError) return 'damaged'
    throw error
  } finally {
    opener?.destroy()
  }
}

/** Compares the headers of all packages with what the record says they are. */
export async function checkFraming(
  inspection: Inspection,
  stream: StoredStream,
  sizeBytes: number,
): Promise<StreamState> {
  // Of two layers the outer one is on disk.
  const framing = new FramingCheck(stream.nonce, stream.layers === 2 ? sealedSize(sizeBytes) : sizeBytes)
  return readAll(
    inspection,
    stream,
    sizeBytes,
    (chunk) => framing.take(chunk),
    () => {},
    () => framing.isRight,
  )
}

async function readAll(
  inspection: Inspection,
  stream: StoredStream,
  sizeBytes: number,
  take: (chunk: Uint8Array) => void,
  end: () => void,
  isRight: () => boolean = () => true,
): Promise<StreamState> {
  try {
    if (stream.isInline) {
      const at = dataKey.encode(stream.blobId)
      const entry = await withSnapshot(inspection.metadata, (snapshot) => snapshot.get(at))
      if (!entry) return 'gone'
      take(entry.value)
    } else {
      for await (const chunk of inspection.blobs.read(formatId(stream.blobId), 0, storedSize(stream, sizeBytes))) {
        inspection.options.signal?.throwIfAborted()
        take(chunk)
      }
    }
    end()
    return isRight() ? 'right' : 'damaged'
  } catch (error) {
    if (error instanceof StorageError && (error.code === 'not-found' || error.code === 'truncated')) return 'gone'
    throw error
  }
}

/** Follows a stream from header to header. */
class FramingCheck {
  readonly #nonce: Uint8Array
  readonly #sizeBytes: number
  readonly #packages: number
  readonly #expected = Buffer.alloc(headerSizeBytes)
  /** Bytes taken so far. */
  #at = 0
  isRight = true

  constructor(nonce: Uint8Array, sizeBytes: number) {
    this.#nonce = nonce
    this.#sizeBytes = sizeBytes
    this.#packages = packageCount(sizeBytes)
  }

  take(chunk: Uint8Array): void {
    const end = this.#at + chunk.length
    let index = Math.floor(this.#at / sealedPackageSizeBytes)
    for (; index < this.#packages && index * sealedPackageSizeBytes < end; index += 1) {
      this.#writeHeader(index)
      const start = index * sealedPackageSizeBytes
      const first = Math.max(start, this.#at)
      const last = Math.min(start + headerSizeBytes, end)
      if (first >= last) continue
      const expected = this.#expected.subarray(first - start, last - start)
      if (Buffer.compare(expected, chunk.subarray(first - this.#at, last - this.#at)) !== 0) this.isRight = false
    }
    this.#at = end
  }

  #writeHeader(index: number): void {
    const isFinal = index === this.#packages - 1
    const payload = isFinal ? this.#sizeBytes - index * packageSizeBytes : packageSizeBytes
    dare2.writeHeader(this.#expected, cipherIds['AES-256-GCM'], this.#nonce, index, payload, isFinal)
  }
}
