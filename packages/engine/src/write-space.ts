/**
 * Room for what is to be written: asked for before a body is stored, so that storage is never filled to the last byte and
 * deletions, which free it, always work (docs/operations/disk-full.md).
 *
 * @module
 */

import { EngineError } from './engine-error.ts'

/** What the engine asks. Who implements it knows the media. */
export interface WriteSpace {
  /**
   * Sets room aside for some bytes, until the returned function is called, with whether they were stored (default) or nothing
   * is left of them; it may be called twice. `undefined`: there is not enough. Never waits.
   */
  reserve(sizeBytes: number): ((isStored?: boolean) => void) | undefined
}

/** For stores that do not end. */
export const endlessSpace: WriteSpace = { reserve: () => () => {} }

/** What a client is told when there is no room: MinIO's code, so that clients know it, and 507, so that they do not retry. */
export function storageIsFull(cause?: unknown): EngineError {
  return new EngineError('XMinioStorageFull', cause === undefined ? {} : { cause })
}

/** Looks whether there is room for some bytes now; sets none aside. @throws EngineError `XMinioStorageFull` */
export function checkRoom(space: WriteSpace, sizeBytes: number): void {
  const release = space.reserve(sizeBytes)
  if (release === undefined) throw storageIsFull()
  release(false)
}

/** Runs `work` with room for some bytes set aside. @throws EngineError `XMinioStorageFull` */
export async function withRoom<T>(space: WriteSpace, sizeBytes: number, work: () => Promise<T>): Promise<T> {
  const release = space.reserve(sizeBytes)
  if (release === undefined) throw storageIsFull()
  let isStored = false
  try {
    const result = await work()
    isStored = true
    return result
  } finally {
    release(isStored)
  }
}
