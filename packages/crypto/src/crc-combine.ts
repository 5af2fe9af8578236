/**
 * The CRC of A‖B from the CRCs of A and B and the length of B: how a full-object checksum comes from those of the parts.
 * In polynomials over GF(2) modulo P: `crc(A‖B) = crc(A) · x^(8·|B|) + crc(B)`; the inversions before and after cancel out
 * (as in zlib's `crc32_combine`).
 *
 * @module
 */

import { invalidArgument } from './crypto-error.ts'
import { asBuffer } from './secrets.ts'

export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME'

/**
 * A polynomial of degree below 64 in two 32-bit halves, reflected and left-aligned: the top bit of `high` is the
 * coefficient of x^0. One of degree below 32 has `low` 0.
 */
interface Polynomial {
  readonly high: number
  readonly low: number
}

interface Field {
  readonly sizeBytes: 4 | 8
  /** P without its leading term. */
  readonly modulus: Polynomial
}

const fields: Readonly<Record<CrcAlgorithm, Field>> = {
  CRC32: { sizeBytes: 4, modulus: { high: 0xedb88320, low: 0 } },
  CRC32C: { sizeBytes: 4, modulus: { high: 0x82f63b78, low: 0 } },
  CRC64NVME: { sizeBytes: 8, modulus: { high: 0x9a6c9329, low: 0xac4bc9b5 } },
}

const one: Polynomial = { high: 0x80000000, low: 0 }
const x: Polynomial = { high: 0x40000000, low: 0 }

/** a · b modulo P, by shifting b and adding it where a has a bit. */
function multiply({ sizeBytes, modulus }: Field, a: Polynomial, b: Polynomial): Polynomial {
  const isWide = sizeBytes === 8
  let high = 0
  let low = 0
  let bHigh = b.high
  let bLow = b.low
  for (let bit = 0; bit < sizeBytes * 8; bit += 1) {
    const word = bit < 32 ? a.high : a.low
    if ((word >>> (31 - (bit & 31))) & 1) {
      high ^= bHigh
      low ^= bLow
    }
    const carry = (isWide ? bLow : bHigh) & 1
    if (isWide) bLow = (bLow >>> 1) | (bHigh << 31)
    bHigh >>>= 1
    if (carry) {
      bHigh ^= modulus.high
      bLow ^= modulus.low
    }
  }
  return { high: high >>> 0, low: low >>> 0 }
}

/** x^(8·2^k) for k = 0 … 52: enough for every safe length. */
function powersOfBytes(field: Field): readonly Polynomial[] {
  const powers: Polynomial[] = []
  let power = x
  for (let k = 0; k < 56; k += 1) {
    if (k >= 3) powers.push(power)
    power = multiply(field, power, power)
  }
  return powers
}

const tables = new Map(Object.values(fields).map((field) => [field, powersOfBytes(field)]))

/** x^(8·length) modulo P. */
function shiftBy(field: Field, lengthBytes: number): Polynomial {
  let shift = one
  let left = lengthBytes
  for (const power of tables.get(field) ?? []) {
    if (left % 2 === 1) shift = multiply(field, shift, power)
    left = Math.floor(left / 2)
    if (left === 0) break
  }
  return shift
}

function read({ sizeBytes }: Field, crc: Uint8Array): Polynomial {
  if (crc.length !== sizeBytes) throw invalidArgument(`this CRC has ${sizeBytes} bytes`)
  const bytes = asBuffer(crc)
  return { high: bytes.readUInt32BE(0), low: sizeBytes === 8 ? bytes.readUInt32BE(4) : 0 }
}

/**
 * The CRC of two strings of bytes, one after the other, big-endian like those given.
 *
 * @param lengthB bytes of the second string
 * @throws CryptoError `invalid-argument` for CRCs of another size or an impossible length
 */
export function combineCrc(algorithm: CrcAlgorithm, crcA: Uint8Array, crcB: Uint8Array, lengthB: number): Buffer {
  if (!Number.isSafeInteger(lengthB) || lengthB < 0) throw invalidArgument('a length is a whole number of bytes')
  const field = fields[algorithm]
  const b = read(field, crcB)
  const shifted = multiply(field, read(field, crcA), shiftBy(field, lengthB))
  const out = Buffer.allocUnsafe(field.sizeBytes)
  out.writeUInt32BE((shifted.high ^ b.high) >>> 0, 0)
  if (field.sizeBytes === 8) out.writeUInt32BE((shifted.low ^ b.low) >>> 0, 4)
  return out
}
