/**
 * What is computed over a body while it is stored, and compared with what the client promised.
 *
 * @module
 */

import { type Checksum, checksumOf, createChecksum } from '@strongroom/crypto'
import type { ObjectChecksum, WriteBody } from './contract.ts'
import { EngineError } from './engine-error.ts'

/** The digests of a body that ended and kept its promises. */
export interface BodyDigests {
  readonly md5?: Buffer
  readonly checksum?: ObjectChecksum
}

/** Digests of a body that is in memory. @throws EngineError `BadDigest` */
export function digestWhole(body: WriteBody, bytes: Uint8Array, wantsMd5: boolean): BodyDigests {
  const md5 = wantsMd5 || body.contentMd5 ? checksumOf('MD5', bytes) : undefined
  const checksum = body.checksum && checksumOf(body.checksum.algorithm, bytes)
  return compare(body, md5, checksum)
}

/** Digests of a body that passes by. */
export class BodyHasher {
  readonly #body: WriteBody
  readonly #md5: Checksum | undefined
  readonly #checksum: Checksum | undefined

  constructor(body: WriteBody, wantsMd5: boolean) {
    this.#body = body
    this.#md5 = wantsMd5 || body.contentMd5 ? createChecksum('MD5') : undefined
    this.#checksum = body.checksum && createChecksum(body.checksum.algorithm)
  }

  update(chunk: Uint8Array): void {
    this.#md5?.update(chunk)
    this.#checksum?.update(chunk)
  }

  /** To be called once, after the last chunk. @throws EngineError `BadDigest` */
  finish(): BodyDigests {
    return compare(this.#body, this.#md5?.digest(), this.#checksum?.digest())
  }
}

function compare(body: WriteBody, md5: Buffer | undefined, computed: Buffer | undefined): BodyDigests {
  if (body.contentMd5 && md5 && !md5.equals(body.contentMd5)) throw new EngineError('BadDigest')
  const { checksum } = body
  if (!checksum || !computed) return md5 ? { md5 } : {}
  const promised = typeof checksum.value === 'function' ? checksum.value() : checksum.value
  if (promised && !computed.equals(promised)) {
    throw new EngineError('BadDigest', {
      message: `The ${checksum.algorithm} you specified did not match the calculated checksum.`,
    })
  }
  const kept = { algorithm: checksum.algorithm, type: 'FULL_OBJECT', value: computed.toString('base64') } as const
  return { ...(md5 ? { md5 } : undefined), checksum: kept }
}
