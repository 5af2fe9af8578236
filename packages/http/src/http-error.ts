/**
 * The one error class of the http package.
 *
 * @module
 */

export type HttpErrorCode =
  /** The peer went away before the message was complete. */
  | 'aborted'
  /** A body is longer than the caller's limit. */
  | 'body-too-large'
  /** A response source gave more or fewer bytes than its Content-Length promised. */
  | 'length-mismatch'
  /** A header of an answer has a name or a value that cannot be sent. */
  | 'invalid-header'
  /** One of `public.crt` and `private.key` is not there. */
  | 'certificate-missing'
  /** A certificate or key cannot be parsed, or the two do not belong together. */
  | 'certificate-invalid'
  /** An address, a CIDR range or another setting cannot be used. */
  | 'invalid-option'
  /** The address to listen on is taken or not ours. */
  | 'listen-failed'

/** What went wrong at the HTTP edge. The message never carries header values, query strings or key material. */
export class HttpError extends Error {
  readonly code: HttpErrorCode

  constructor(code: HttpErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HttpError'
    this.code = code
  }
}
