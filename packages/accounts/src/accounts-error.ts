/**
 * The one error class of the accounts package.
 *
 * @module
 */

export type AccountsErrorCode =
  | 'account-exists'
  | 'invalid-name'
  | 'no-such-account'
  /** The deployment's first account stays. */
  | 'first-account'
  | 'no-such-access-key'
  /** An account has as many access keys as it may. */
  | 'too-many-access-keys'
  /** A record does not say what its key promises; whether it was changed on disk is `RecordSealer`'s to find. */
  | 'corrupt'
  /** Others changed the same records again and again. */
  | 'busy'

/** Never carries a secret. */
export class AccountsError extends Error {
  readonly code: AccountsErrorCode

  constructor(code: AccountsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AccountsError'
    this.code = code
  }
}
