/**
 * Creating exactly once over a network that loses answers.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import { KmsError } from '../kms-error.ts'
import { StoreError } from './store-error.ts'

const maxAttempts = 3

/**
 * Runs `create`, an exclusive creation. Where its answer was lost, looks what is stored under the name now: this caller's
 * value means that he won, another that he lost, none that it can be tried again.
 *
 * @throws KmsError `key-exists`, and what `create` and `read` throw
 */
export async function createOnce(
  value: Uint8Array,
  create: () => Promise<void>,
  read: () => Promise<Uint8Array>,
): Promise<void> {
  let wasLost = false
  for (let attempt = 1; ; attempt++) {
    try {
      return await create()
    } catch (error) {
      const isLost = error instanceof StoreError && error.isOutcomeUnknown
      const isTaken = error instanceof KmsError && error.code === 'key-exists'
      if (!isLost && !(isTaken && wasLost)) throw error
      wasLost = true
      const found = await readOrAbsent(read)
      if (found === 'absent') {
        if (attempt === maxAttempts) throw error
      } else if (isSame(found, value)) {
        return
      } else {
        throw isTaken ? error : new KmsError('key-exists', 'another writer created the key at the same time')
      }
    }
  }
}

async function readOrAbsent(read: () => Promise<Uint8Array>): Promise<Uint8Array | 'absent'> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof KmsError && error.code === 'key-not-found') return 'absent'
    throw error
  }
}

function isSame(found: Uint8Array, value: Uint8Array): boolean {
  const same = found.length === value.length && timingSafeEqual(found, value)
  found.fill(0)
  return same
}
