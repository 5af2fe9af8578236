/**
 * The one error class of the server package: what stops a start or a command, in words for the person who typed it.
 *
 * @module
 */

export type ServerErrorCode =
  | 'invalid-settings'
  | 'address-in-use'
  | 'already-running'
  | 'not-running'
  | 'data-directory'
  | 'certificates'
  | 'root-key'
  | 'not-found'
  | 'conflict'
  | 'refused'
  | 'aborted'
  | 'too-large'
  | 'internal'

/** Never carries key material, a password or a secret key in its message. */
export class ServerError extends Error {
  readonly code: ServerErrorCode

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ServerError'
    this.code = code
  }
}
