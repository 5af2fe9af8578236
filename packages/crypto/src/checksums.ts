/**
 * The checksums that S3 clients send and ask for, as streams and in one go. CRC32C and CRC64NVME share one WebAssembly
 * instance each, whose 8- or 12-byte state is saved per stream.
 *
 * @module
 */

import { createHash, type Hash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { createCRC32, createCRC64, type IHasher } from 'hash-wasm'
import { invalidArgument } from './crypto-error.ts'

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256' | 'MD5'

/** A checksum under way. */
export interface Checksum {
  /** The chunk may be reused afterwards. */
  update(chunk: Uint8Array): void
  /** The checksum, big-endian where it is a CRC. To be called once, last. */
  digest(): Buffer
}

/** Bytes of each checksum. */
export const checksumSizeBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  MD5: 16,
}

/** All of them. */
export const checksumAlgorithms = Object.keys(checksumSizeBytes) as readonly ChecksumAlgorithm[]

interface Engine {
  create(): Checksum
  of(bytes: Uint8Array): Buffer
}

class HashChecksum implements Checksum {
  readonly #hash: Hash

  constructor(name: string) {
    this.#hash = createHash(name)
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
  }

  digest(): Buffer {
    return this.#hash.digest()
  }
}

function hashEngine(name: string): Engine {
  return { create: () => new HashChecksum(name), of: (bytes) => hash(name, bytes, 'buffer') }
}

class Crc32Checksum implements Checksum {
  #value = 0

  update(chunk: Uint8Array): void {
    this.#value = crc32(chunk, this.#value)
  }

  digest(): Buffer {
    const out = Buffer.allocUnsafe(4)
    out.writeUInt32BE(this.#value)
    return out
  }
}

/** A stream's turn on a shared hasher: its state goes in before and comes out after each chunk. */
class SharedChecksum implements Checksum {
  readonly #hasher: IHasher
  #state: Uint8Array

  constructor(hasher: IHasher, initial: Uint8Array) {
    this.#hasher = hasher
    this.#state = initial
  }

  update(chunk: Uint8Array): void {
    this.#hasher.load(this.#state)
    this.#hasher.update(chunk)
    this.#state = this.#hasher.save()
  }

  digest(): Buffer {
    return Buffer.from(this.#hasher.load(this.#state).digest('binary'))
  }
}

function sharedEngine(hasher: IHasher): Engine {
  const initial = hasher.init().save()
  return {
    create: () => new SharedChecksum(hasher, initial),
    of: (bytes) => Buffer.from(hasher.load(initial).update(bytes).digest('binary')),
  }
}

/** Polynomials in reversed notation: Castagnoli (RFC 3720) and NVMe (NVM Command Set 5.2.1.3.4). */
const crc32cPolynomial = 0x82f63b78
const crc64NvmePolynomial = '9a6c9329ac4bc9b5'

const engines = new Map<ChecksumAlgorithm, Engine>([
  [
    'CRC32',
    {
      create: () => new Crc32Checksum(),
      of(bytes) {
        const checksum = new Crc32Checksum()
        checksum.update(bytes)
        return checksum.digest()
      },
    },
  ],
  ['SHA1', hashEngine('sha1')],
  ['SHA256', hashEngine('sha256')],
  ['MD5', hashEngine('md5')],
])

let loading: Promise<void> | undefined

async function load(): Promise<void> {
  engines.set('CRC32C', sharedEngine(await createCRC32(crc32cPolynomial)))
  engines.set('CRC64NVME', sharedEngine(await createCRC64(crc64NvmePolynomial)))
}

/** Loads the WebAssembly code of CRC32C and CRC64NVME. To be awaited once at start; calling it again costs nothing. */
export function loadChecksums(): Promise<void> {
  loading ??= load()
  return loading
}

function engineOf(algorithm: ChecksumAlgorithm): Engine {
  const engine = engines.get(algorithm)
  if (!engine) throw invalidArgument(`no checksum ${algorithm}; was loadChecksums() awaited?`)
  return engine
}

/** Begins a checksum. @throws CryptoError `invalid-argument` for CRC32C and CRC64NVME before `loadChecksums()` resolved */
export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  return engineOf(algorithm).create()
}

/** The checksum of bytes in memory, cheaper than a stream. @throws CryptoError as `createChecksum` */
export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Buffer {
  return engineOf(algorithm).of(bytes)
}
