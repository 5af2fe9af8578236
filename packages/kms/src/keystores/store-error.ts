/**
 * What went wrong between this process and a key store on the network.
 *
 * @module
 */
import { KmsError, type KmsErrorCode } from '../kms-error.ts'

/** What a `StoreError` knows beside its code. */
export interface StoreErrorFacts extends ErrorOptions {
  /** HTTP status of the last answer, if there was one. */
  readonly status?: number | undefined
  /** The store may have done what it was asked, or may still do it. Default false. */
  readonly isOutcomeUnknown?: boolean
}

/** A `KmsError` with what the store's own code needs to go on after it. */
export class StoreError extends KmsError {
  readonly status: number | undefined
  readonly isOutcomeUnknown: boolean

  constructor(code: KmsErrorCode, message: string, { status, isOutcomeUnknown = false, ...options }: StoreErrorFacts) {
    super(code, message, options)
    this.status = status
    this.isOutcomeUnknown = isOutcomeUnknown
  }
}
