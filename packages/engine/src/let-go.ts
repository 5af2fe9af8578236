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
