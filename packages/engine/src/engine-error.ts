/**
 * The one error class of the engine: its codes are the S3 codes themselves. Status, default text and XML live in the
 * error table of the `s3` package.
 *
 * @module
 */

/** Extra elements of the error document, such as `ArgumentName`. */
export type ErrorFields = Readonly<Record<string, string>>

export interface EngineErrorOptions extends ErrorOptions {
  /** The text for the client where it differs from the table's. */
  readonly message?: string
  readonly fields?: ErrorFields
  /** What the answer's headers need beside the error, by lower-case header name: a delete marker, an entity tag. */
  readonly headers?: Readonly<Record<string, string>>
}

/** An S3 error with its wire code. The message is for the client; a `cause` is for the log. */
export class EngineError extends Error {
  readonly code: string
  /** Undefined: the table's text is sent. */
  readonly clientMessage: string | undefined
  readonly fields: ErrorFields | undefined
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(code: string, options: EngineErrorOptions = {}) {
    super(options.message ?? code, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EngineError'
    this.code = code
    this.clientMessage = options.message
    this.fields = options.fields
    this.headers = options.headers
  }
}
