/**
 * What a client is told when the KMS refuses or fails (spec 1.5 rows 25 to 29 and 32, AWS column).
 *
 * @module
 */

import { KmsError, type KmsErrorCode } from '@strongroom/kms'
import { EngineError } from './engine-error.ts'

/** Row 29. */
const goneText =
  'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.'

/** The answer to reading something whose key is gone, or is not the requester's. */
export function keyIsGone(cause?: unknown): EngineError {
  return new EngineError('AccessDenied', { message: goneText, cause })
}

type Mapping = (arn: string, isWrite: boolean, cause: KmsError) => EngineError

/** Says which of our services is in trouble, and nothing of how: addresses and replies of a key service are for the log. */
const unavailable =
  (message: string): Mapping =>
  (_arn, _isWrite, cause) =>
    new EngineError('ServiceUnavailable', { message, cause, headers: { 'retry-after': '1' } })

const mappings: Partial<Readonly<Record<KmsErrorCode, Mapping>>> = {
  'key-disabled': (arn, _isWrite, cause) =>
    new EngineError('KMS.DisabledException', { message: `${arn} is disabled.`, cause }),
  'key-pending-deletion': (arn, _isWrite, cause) =>
    new EngineError('KMS.KMSInvalidStateException', { message: `${arn} is pending deletion.`, cause }),
  'key-not-found': (arn, isWrite, cause) =>
    isWrite
      ? new EngineError('KMS.NotFoundException', { message: `Key '${arn}' does not exist`, cause })
      : keyIsGone(cause),
  'not-authentic': (_arn, _isWrite, cause) => new EngineError('KMS.InvalidCiphertextException', { cause }),
  'permission-denied': (_arn, _isWrite, cause) => new EngineError('AccessDenied', { cause }),
  unreachable: unavailable('The key service cannot be reached. Please try again.'),
  busy: unavailable('The key service has too much to do. Please try again.'),
  sealed: unavailable('The key service is sealed: its keys cannot be used at present.'),
}

/** Translates a `KmsError`; other errors come back as they are. */
export function kmsFailure(error: unknown, arn: string, purpose: 'read' | 'write'): unknown {
  if (!(error instanceof KmsError)) return error
  return mappings[error.code]?.(arn, purpose === 'write', error) ?? error
}
