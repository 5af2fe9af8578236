/**
 * The one error class of the s3 package: a request that is not what S3 takes.
 *
 * @module
 */

import type { S3ErrorCode } from './error-table.ts'

/** Extra elements of the XML error body, in order. */
export type ErrorFields = Readonly<Record<string, string>>

export interface S3ErrorOptions extends ErrorOptions {
  /** The text for the client where it differs from the table's. Never holds a key. */
  readonly message?: string
  readonly fields?: ErrorFields
}

/** An S3 error with its wire code. Status and default text stand in `error-table.ts`. */
export class S3Error extends Error {
  readonly code: S3ErrorCode
  /** Undefined: the table's text is sent. */
  readonly clientMessage: string | undefined
  readonly fields: ErrorFields | undefined

  constructor(code: S3ErrorCode, options: S3ErrorOptions = {}) {
    super(options.message ?? code, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'S3Error'
    this.code = code
    this.clientMessage = options.message
    this.fields = options.fields
  }
}

/** `InvalidArgument` with its two usual fields. An `argumentValue` of `undefined` leaves that field out. */
export function invalidArgument(message: string, argumentName: string, argumentValue?: string): S3Error {
  const value = argumentValue === undefined ? {} : { ArgumentValue: argumentValue }
  return new S3Error('InvalidArgument', { message, fields: { ArgumentName: argumentName, ...value } })
}

/** `NotImplemented` naming the header or query parameter that asks for what is not there. */
export function notImplemented(field: 'Header' | 'Query', name: string): S3Error {
  const what = field === 'Header' ? 'header' : 'query parameter'
  return new S3Error('NotImplemented', {
    message: `A ${what} you provided implies functionality that is not implemented`,
    fields: { [field]: name },
  })
}

/** `MalformedXML` with the table's text. */
export function malformedXml(cause?: unknown): S3Error {
  return new S3Error('MalformedXML', cause === undefined ? {} : { cause })
}
