/**
 * Giving memory back before the collector would (ADR 22). A large upload leaves several bytes of garbage per byte, in pieces of
 * up to 512 KiB; leaving all of it to the collector costs more than this.
 *
 * @module
 */

/** Absent before Node.js 21: then the collector finds the memory, later. */
const transfer: unknown = Reflect.get(ArrayBuffer.prototype, 'transfer')

/** What is smaller may share its memory with others (the pool of `Buffer`), and is not worth the call. */
const smallestBytes = 16_384

/**
 * Frees the memory of a piece whose owner needs it no more; its length is 0 then. A piece that is only a part of its memory is
 * left alone: somebody else may have the other parts.
 */
export function letGo(piece: Uint8Array): void {
  const { buffer } = piece
  if (typeof transfer !== 'function' || piece.length < smallestBytes || buffer.byteLength !== piece.length) return
  Reflect.apply(transfer, buffer, [0])
}

/**
 * Plaintext on its way through a sealer, which may keep the last bytes it was given by reference: lets go of chunks that lie
 * further back.
 */
export class Wake {
  readonly #keptBytes: number
  readonly #chunks: { readonly chunk: Uint8Array; readonly end: number }[] = []
  #passed = 0

  /** @param keptBytes how many of the last bytes are still needed at most */
  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes
  }

  /** To be called when a chunk, which is ours, has been given to the sealer. */
  passed(chunk: Uint8Array): void {
    this.#passed += chunk.length
    this.#chunks.push({ chunk, end: this.#passed })
    for (let first = this.#chunks[0]; first && first.end <= this.#passed - this.#keptBytes; first = this.#chunks[0]) {
      letGo(first.chunk)
      this.#chunks.shift()
    }
  }
}
