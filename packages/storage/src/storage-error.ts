/**
 * The one error class of the storage package.
 *
 * @module
 */

export type StorageErrorCode =
  | 'unavailable'
  | 'full'
  | 'corrupt'
  | 'invalid'
  | 'not-found'
  | 'exists'
  | 'truncated'
  | 'locked'

/** What went wrong in a store. The message is for the operator's log, never for a client. */
export class StorageError extends Error {
  readonly code: StorageErrorCode

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StorageError'
    this.code = code
  }
}
