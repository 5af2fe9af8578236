/**
 * The header and the AEAD nonce of one package (spec 3.3), for DARE 2.0, which is what we write, and DARE 1.0, which MinIO
 * wrote until 2018 and which we only read. docs/formats/sealed-stream.md.
 *
 * @module
 */

import type { AeadCipher } from './aead.ts'

/** Bit 7 of a stream nonce's first byte: the package is the last of its stream. */
const finalFlag = 0x80

/** Bytes of the header that the tag covers besides the ciphertext; the rest of it is the nonce. */
export const aadSizeBytes = 4

/** The cipher byte of a header. Frozen: stored data depends on it. */
export const cipherIds: Readonly<Record<AeadCipher, number>> = { 'AES-256-GCM': 0, 'ChaCha20-Poly1305': 1 }

/** How one version of the format writes headers and nonces. */
export interface DareFraming {
  readonly version: number
  /** Fills a header of 16 bytes. */
  writeHeader(
    header: Buffer,
    cipherId: number,
    streamNonce: Uint8Array,
    index: number,
    payloadBytes: number,
    isFinal: boolean,
  ): void
  /** Fills an AEAD nonce of 12 bytes from a header. */
  writeNonce(nonce: Buffer, header: Buffer, index: number): void
}

function writeStart(header: Buffer, version: number, cipherId: number, payloadBytes: number): void {
  header[0] = version
  header[1] = cipherId
  header.writeUInt16LE(payloadBytes - 1, 2)
}

/** DARE 2.0: the stream's nonce in every header, the sequence number mixed into the AEAD nonce, the last package flagged. */
export const dare2: DareFraming = {
  version: 0x20,
  writeHeader(header, cipherId, streamNonce, _index, payloadBytes, isFinal) {
    writeStart(header, 0x20, cipherId, payloadBytes)
    header.set(streamNonce, 4)
    const first = streamNonce[0] ?? 0
    header[4] = isFinal ? first | finalFlag : first & ~finalFlag
  },
  writeNonce(nonce, header, index) {
    header.copy(nonce, 0, 4, 16)
    nonce.writeUInt32LE((header.readUInt32LE(12) ^ index) >>> 0, 8)
  },
}

/** DARE 1.0: the sequence number in clear, no flag: the end of a stream is known only from its recorded size. */
export const dare1: DareFraming = {
  version: 0x10,
  writeHeader(header, cipherId, streamNonce, index, payloadBytes) {
    writeStart(header, 0x10, cipherId, payloadBytes)
    header.set(streamNonce, 4)
    header.writeUInt32LE(index, 4)
  },
  writeNonce(nonce, header) {
    header.copy(nonce, 0, 4, 16)
  },
}
