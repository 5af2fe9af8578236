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

/** What a cipher of Bun gives lies in memory of one byte more. */
const cipherSpareBytes = 1

/**
 * Frees the memory of a piece whose owner needs it no more; its length is 0 then. A piece that is only a part of its memory is
 * left alone: somebody else may have the other parts.
 */
export function letGo(piece: Uint8Array): void {
  free(piece, 0)
}

/** The same for a piece that came out of a cipher. */
export function letGoOfCiphered(piece: Uint8Array): void {
  free(piece, cipherSpareBytes)
}

function free(piece: Uint8Array, spareBytes: number): void {
  if (typeof transfer === 'function' && canGo(piece, spareBytes)) Reflect.apply(transfer, piece.buffer, [0])
}

function canGo({ buffer, byteOffset, length }: Uint8Array, spareBytes = 0): boolean {
  const isAlone = byteOffset === 0 && buffer.byteLength <= length + spareBytes
  return typeof transfer === 'function' && length >= smallestBytes && isAlone
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

  /** How many chunks wait to be freed: few, for those that cannot be are not kept. A client may send byte by byte. */
  get kept(): number {
    return this.#chunks.length
  }

  /** To be called when a chunk, which is ours, has been given to the sealer. */
  passed(chunk: Uint8Array): void {
    this.#passed += chunk.length
    if (canGo(chunk)) this.#chunks.push({ chunk, end: this.#passed })
    for (let first = this.#chunks[0]; first && first.end <= this.#passed - this.#keptBytes; first = this.#chunks[0]) {
      letGo(first.chunk)
      this.#chunks.shift()
    }
  }
}
