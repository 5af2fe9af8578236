/**
 * Deriving keys: from other keys by HMAC-SHA-256 or HKDF (RFC 5869), from passphrases by Argon2id (RFC 9106).
 *
 * @module
 */

import * as nodeCrypto from 'node:crypto'
import { argon2id as wasmArgon2id } from 'hash-wasm'
import { invalidArgument } from './crypto-error.ts'
import { asBuffer, checkKey } from './secrets.ts'

/** HMAC-SHA-256 over the concatenation of `parts`; text is UTF-8. 32 bytes, owned by the caller. */
export function hmacSha256(key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const hmac = nodeCrypto.createHmac('sha256', key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/**
 * A 32-byte key for one purpose: `HMAC-SHA-256(key, label ‖ 00 ‖ context)`. No label may contain a NUL, so two labels
 * never meet. The caller owns the result.
 *
 * @throws CryptoError `invalid-argument` for a key that is not 32 bytes long, an empty label or one with a NUL
 */
export function deriveKey(key: Uint8Array, label: string, context: Uint8Array = new Uint8Array(0)): Buffer {
  checkKey(key)
  if (label === '' || label.includes('\0')) throw invalidArgument('a label is a non-empty text without NUL')
  return hmacSha256(key, label, '\0', context)
}

/** HKDF-SHA-256. `sizeBytes` at most 8,160. The caller owns the result. */
export function hkdfSha256(key: Uint8Array, salt: Uint8Array, info: Uint8Array | string, sizeBytes: number): Buffer {
  return Buffer.from(nodeCrypto.hkdfSync('sha256', key, salt, info, sizeBytes))
}

export interface Argon2idParameters {
  /** 8 to 64 bytes. */
  readonly salt: Uint8Array
  /** Passes over the memory, 1 to 64. */
  readonly passes: number
  /** KiB of memory, 8 times `parallelism` to 2,097,152 (2 GiB). */
  readonly memoryKib: number
  /** Lanes, 1 to 64. */
  readonly parallelism: number
  /** Bytes of the result, 16 to 64. Default 32. */
  readonly sizeBytes?: number
}

type Argon2Function = (
  algorithm: 'argon2id',
  parameters: {
    message: Uint8Array
    nonce: Uint8Array
    parallelism: number
    tagLength: number
    memory: number
    passes: number
  },
  callback: (error: Error | null, derived: Uint8Array) => void,
) => void

/** `crypto.argon2` where the runtime has it (Node 24, Bun): faster than WebAssembly, and off the main thread. */
function findNativeArgon2(): Argon2Function | undefined {
  const candidate: unknown = Reflect.get(nodeCrypto, 'argon2')
  return typeof candidate === 'function' ? (candidate as Argon2Function) : undefined
}

const argon2idBounds = {
  passes: [1, 64],
  memoryKib: [8, 2_097_152],
  parallelism: [1, 64],
  sizeBytes: [16, 64],
  saltBytes: [8, 64],
} as const

/** The parameters may come from a file that someone else wrote: they must not be able to exhaust the machine. */
function checkArgon2id(figures: Readonly<Record<keyof typeof argon2idBounds, number>>): void {
  for (const [name, [least, most]] of Object.entries(argon2idBounds)) {
    const figure = figures[name as keyof typeof argon2idBounds]
    if (!Number.isInteger(figure) || figure < least || figure > most) {
      throw invalidArgument(`Argon2id: ${name} must be from ${least} to ${most}`)
    }
  }
  if (figures.memoryKib < 8 * figures.parallelism) throw invalidArgument('Argon2id: memoryKib is below 8 per lane')
}

/**
 * Argon2id of a passphrase. The same bytes whichever implementation does it. The caller owns the result.
 *
 * @throws CryptoError `invalid-argument` if a parameter is out of bounds
 */
export async function argon2id(password: Uint8Array, parameters: Argon2idParameters): Promise<Buffer> {
  const { salt, passes, memoryKib, parallelism, sizeBytes = 32 } = parameters
  checkArgon2id({ passes, memoryKib, parallelism, sizeBytes, saltBytes: salt.length })
  const native = findNativeArgon2()
  if (!native) return wasmArgon2idBytes(password, { salt, passes, memoryKib, parallelism, sizeBytes })
  return new Promise((resolve, reject) => {
    const request = { message: password, nonce: salt, parallelism, tagLength: sizeBytes, memory: memoryKib, passes }
    native('argon2id', request, (error, derived) => {
      if (error) reject(error)
      else resolve(asBuffer(derived))
    })
  })
}

/** The fallback of {@link argon2id}, apart so that a test can compare the two. */
export async function wasmArgon2idBytes(
  password: Uint8Array,
  parameters: Required<Argon2idParameters>,
): Promise<Buffer> {
  const derived = await wasmArgon2id({
    password,
    salt: parameters.salt,
    iterations: parameters.passes,
    memorySize: parameters.memoryKib,
    parallelism: parameters.parallelism,
    hashLength: parameters.sizeBytes,
    outputType: 'binary',
  })
  return asBuffer(derived)
}
