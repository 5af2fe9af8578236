/**
 * The one error class of the sigv4 package. Codes, texts and extra fields are those that Amazon S3 sends.
 *
 * @module
 */

export type SigV4ErrorCode =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'AuthorizationQueryParametersError'
  | 'EntityTooLarge'
  | 'EntityTooSmall'
  | 'IncompleteBody'
  | 'InvalidArgument'
  | 'InvalidChunkSizeError'
  | 'InvalidPolicyDocument'
  | 'InvalidRequest'
  | 'InvalidURI'
  | 'MalformedTrailerError'
  | 'MissingContentLength'
  | 'NotImplemented'
  | 'RequestTimeTooSkewed'
  | 'SignatureDoesNotMatch'
  | 'XAmzContentSHA256Mismatch'

/** Extra elements of the XML error body, in order. */
export type SigV4ErrorFields = Readonly<Record<string, string>>

/** Why a request is not authentic or its payload not intact. Never carries a secret or a signature that we computed. */
export class SigV4Error extends Error {
  readonly code: SigV4ErrorCode
  readonly fields: SigV4ErrorFields
  /** The text for the client: always the message. */
  readonly clientMessage: string

  constructor(code: SigV4ErrorCode, message: string, fields: SigV4ErrorFields = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SigV4Error'
    this.code = code
    this.fields = fields
    this.clientMessage = message
  }
}

/** `InvalidArgument` with its two usual fields. An `argumentValue` of `undefined` leaves that field out. */
export function invalidArgument(message: string, argumentName: string, argumentValue?: string): SigV4Error {
  const fields = argumentValue === undefined ? {} : { ArgumentValue: argumentValue }
  return new SigV4Error('InvalidArgument', message, { ArgumentName: argumentName, ...fields })
}
