/**
 * Request ids: sixteen upper-case hexadecimal digits, as `x-amz-request-id` has them, and an id of the host.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'

export interface RequestIds {
  /** A new id; unguessable, unique for all practical purposes. */
  next(): string
  /** Names this process in answers (`x-amz-id-2`): 64 hexadecimal digits that reveal nothing about the host. */
  readonly hostId: string
}

const ID_BYTES = 8
const POOL_IDS = 512

/** Makes a source of ids. Randomness is drawn for 512 ids at a time. */
export function createRequestIds(random: (size: number) => Uint8Array = randomBytes): RequestIds {
  let pool = ''
  let at = 0
  const next = (): string => {
    if (at === pool.length) {
      pool = Buffer.from(random(ID_BYTES * POOL_IDS))
        .toString('hex')
        .toUpperCase()
      at = 0
    }
    at += ID_BYTES * 2
    return pool.slice(at - ID_BYTES * 2, at)
  }
  return { next, hostId: createHash('sha256').update(random(32)).digest('hex') }
}
