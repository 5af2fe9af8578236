/**
 * The one error class of the kms package.
 *
 * @module
 */

export type KmsErrorCode =
  | 'key-not-found'
  | 'key-exists'
  | 'key-disabled'
  | 'key-pending-deletion'
  | 'not-authentic'
  | 'invalid-name'
  | 'invalid-key'
  | 'no-hmac-key'
  | 'permission-denied'
  | 'unreachable'
  | 'busy'
  | 'sealed'
  | 'unsupported'

/** What went wrong with a key. Never carries key material; decryption fails with `not-authentic` whatever went wrong. */
export class KmsError extends Error {
  readonly code: KmsErrorCode

  constructor(code: KmsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KmsError'
    this.code = code
  }
}
