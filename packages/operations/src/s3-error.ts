/**
 * Errors that the operations raise themselves, in the one form that the edge answers: an S3 code, optionally a text and
 * fields of its own.
 *
 * @module
 */

import { EngineError, type ErrorFields } from '@strongroom/engine'

/** @param message where it differs from the table's text for `code` */
export function s3Error(code: string, message?: string, fields?: ErrorFields, cause?: unknown): EngineError {
  return new EngineError(code, {
    ...(message === undefined ? {} : { message }),
    ...(fields === undefined ? {} : { fields }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** `InvalidArgument` with its two usual fields. */
export function invalidArgument(message: string, name: string, value?: string): EngineError {
  return s3Error('InvalidArgument', message, {
    ArgumentName: name,
    ...(value === undefined ? {} : { ArgumentValue: value }),
  })
}
