/**
 * The one error class of the crypto package.
 *
 * @module
 */

/**
 * - `not-authentic`: sealed bytes did not open. The one answer to a wrong key, a changed, cut, reordered or foreign input.
 * - `invalid-size`: no sealed stream has this size, or a size is out of bounds.
 * - `invalid-context`: an encryption context header that spec section 4 refuses.
 * - `invalid-argument`: a programming error (key of the wrong length, use after the end, …).
 */
export type CryptoErrorCode = 'not-authentic' | 'invalid-size' | 'invalid-context' | 'invalid-argument'

/** What went wrong. Never carries key material or plaintext; opening fails with `not-authentic` whatever the reason. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CryptoError'
    this.code = code
  }
}

/** The error of every failed opening. The reason is not kept: it could serve as an oracle. */
export function notAuthentic(): CryptoError {
  return new CryptoError('not-authentic', 'the sealed data is not authentic')
}

/** The error of a call that the caller's code got wrong. */
export function invalidArgument(message: string): CryptoError {
  return new CryptoError('invalid-argument', message)
}
