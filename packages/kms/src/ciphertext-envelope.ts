/**
 * The two structured ciphertext forms that KES wrote before 2024-02: msgpack and JSON (kes-protocol 6.3). Read only.
 *
 * @module
 */
import type { KeyAlgorithm } from './contract.ts'
import { GoJsonError, goBytes, goObject, goText, parseJson } from './go-json.ts'
import { parseKeyAlgorithm } from './stored-key.ts'

/** A structured ciphertext brought into the raw form. */
export interface CiphertextEnvelope {
  /** What the envelope says; KES itself does not believe it. */
  readonly algorithm: KeyAlgorithm
  /** `sealed bytes ‖ iv ‖ nonce`. */
  readonly raw: Uint8Array
}

const msgpackArrayOf5 = 0x95
const openBrace = 0x7b
const ivLength = 16
const nonceLength = 12

/** The names in JSON envelopes, which know no aliases. */
const jsonAlgorithms: ReadonlyMap<string, KeyAlgorithm> = new Map([
  ['AES-256-GCM-HMAC-SHA-256', 'AES256'],
  ['ChaCha20Poly1305', 'ChaCha20'],
])

/**
 * Reads a structured ciphertext.
 *
 * @returns `undefined` for everything else, which is then raw: one raw ciphertext in 128 begins like a structured one
 */
export function parseEnvelope(ciphertext: Uint8Array): CiphertextEnvelope | undefined {
  if (ciphertext[0] === msgpackArrayOf5) return parseMsgpack(ciphertext)
  if (ciphertext[0] === openBrace) return parseJsonEnvelope(ciphertext)
  return undefined
}

function parseJsonEnvelope(ciphertext: Uint8Array): CiphertextEnvelope | undefined {
  const json = parseJson(Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.length).toString('utf8'))
  if (json === undefined) return undefined
  try {
    const fields = goObject(json.value)
    goText(fields, 'id')
    return envelope(
      jsonAlgorithms.get(goText(fields, 'aead')),
      goBytes(fields, 'iv'),
      goBytes(fields, 'nonce'),
      goBytes(fields, 'bytes'),
    )
  } catch (error) {
    if (error instanceof GoJsonError) return undefined
    throw error
  }
}

function envelope(
  algorithm: KeyAlgorithm | undefined,
  iv: Uint8Array | undefined,
  nonce: Uint8Array | undefined,
  sealed: Uint8Array | undefined,
): CiphertextEnvelope | undefined {
  if (algorithm === undefined || iv?.length !== ivLength || nonce?.length !== nonceLength) return undefined
  if (sealed === undefined) return undefined
  return { algorithm, raw: Buffer.concat([sealed, iv, nonce]) }
}

/** `[algorithm, key id, iv, nonce, sealed bytes]`, nothing after it. */
function parseMsgpack(bytes: Uint8Array): CiphertextEnvelope | undefined {
  const reader = { bytes, position: 1 }
  const algorithm = readMsgpack(reader, 'text')
  const id = readMsgpack(reader, 'text')
  const iv = readMsgpack(reader, 'bytes')
  const nonce = readMsgpack(reader, 'bytes')
  const sealed = readMsgpack(reader, 'bytes')
  if (algorithm === undefined || id === undefined || reader.position !== bytes.length) return undefined
  return envelope(parseKeyAlgorithm(Buffer.from(algorithm).toString('latin1')), iv, nonce, sealed)
}

/** How many length bytes follow a header byte. */
const lengthSizes = {
  text: new Map([
    [0xd9, 1],
    [0xda, 2],
    [0xdb, 4],
  ]),
  bytes: new Map([
    [0xc4, 1],
    [0xc5, 2],
    [0xc6, 4],
  ]),
} as const

/** The next item, if it is of that kind and whole. After a failure the position no longer matters. */
function readMsgpack(reader: { bytes: Uint8Array; position: number }, kind: 'text' | 'bytes'): Uint8Array | undefined {
  const { bytes } = reader
  const header = bytes[reader.position++]
  if (header === undefined) return undefined
  let length = 0
  const lengthSize = lengthSizes[kind].get(header)
  if (lengthSize !== undefined) {
    for (let i = 0; i < lengthSize; i++) length = length * 256 + (bytes[reader.position++] ?? 0)
  } else if (kind === 'text' && header >= 0xa0 && header <= 0xbf) {
    length = header - 0xa0
  } else {
    return undefined
  }
  const start = reader.position
  reader.position = start + length
  return reader.position > bytes.length ? undefined : bytes.subarray(start, reader.position)
}
