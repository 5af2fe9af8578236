/**
 * The one error class of the kes package.
 *
 * @module
 */

export type KesErrorCode =
  /** A configuration that contradicts itself. */
  | 'invalid-config'
  /** A request that cannot be answered as asked; `status` is the answer's. */
  | 'refused'
  /** An endpoint that cannot be reached, or does not answer in time. */
  | 'unreachable'
  /** An answer that is not one of KES. */
  | 'invalid-answer'
  /** A certificate or API key that cannot be used. */
  | 'invalid-credentials'

/** What went wrong, in a sentence without secrets. */
export class KesError extends Error {
  readonly code: KesErrorCode
  /** The HTTP status of an answer, where there is one. */
  readonly status: number | undefined
  /** What a Strongroom says beside the words of KES: a code of `KmsError`, such as `key-disabled`. */
  readonly reason: string | undefined
  /** The path that was asked for, where a server refused it. */
  readonly path: string | undefined

  constructor(
    code: KesErrorCode,
    message: string,
    options: ErrorOptions & { readonly status?: number; readonly reason?: string; readonly path?: string } = {},
  ) {
    super(message, options)
    this.name = 'KesError'
    this.code = code
    this.status = options.status
    this.reason = options.reason
    this.path = options.path
  }
}
