/**
 * What the tests of this package share: the vectors of `../testdata`, and rule P, by which their plaintexts are made.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { CryptoError, type CryptoErrorCode } from './crypto-error.ts'

/** Rule P of `../testdata/README.md`: byte i = (131·i + ⌊i/256⌋·17 + 7) mod 256. */
export function plaintextP(sizeBytes: number): Buffer {
  const out = Buffer.allocUnsafe(sizeBytes)
  for (let i = 0; i < sizeBytes; i += 1) out[i] = (131 * i + Math.floor(i / 256) * 17 + 7) & 255
  return out
}

/** Parses a file of `../testdata`. */
export function readTestdata<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../testdata/${name}`, import.meta.url), 'utf8')) as T
}

export function hex(text: string): Buffer {
  return Buffer.from(text, 'hex')
}

export function base64(text: string): Buffer {
  return Buffer.from(text, 'base64')
}

/** The code of the CryptoError that `run` throws, or what came out instead. */
export function codeOf(run: () => unknown): CryptoErrorCode | 'nothing was thrown' {
  try {
    run()
  } catch (error) {
    if (error instanceof CryptoError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

/** Cuts bytes into chunks at the given sizes, repeated as needed; sizes of 0 give empty chunks. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  const step = sizes.some((size) => size > 0) ? sizes : [bytes.length]
  for (let start = 0, i = 0; start < bytes.length; i += 1) {
    const size = step[i % step.length] ?? 0
    chunks.push(bytes.subarray(start, start + size))
    start += size
  }
  return chunks
}
