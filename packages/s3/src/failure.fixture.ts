/**
 * What tests of errors look at.
 *
 * @module
 */

import { S3Error } from './s3-error.ts'

/** The `S3Error` that `run` throws; anything else is a failed test. */
export function failure(run: () => unknown): S3Error {
  try {
    run()
  } catch (error) {
    if (error instanceof S3Error) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Runs a parser on hostile input: it may refuse, with an `S3Error` and nothing else. */
export function mayRefuse(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
}
