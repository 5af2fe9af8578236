/**
 * Conditional requests (RFC 9110 13, as S3 has it): on writes against the current version, on reads against the one read.
 *
 * @module
 */

import type { DeleteConditions, EtagCondition, RangeValidator, ReadConditions, WriteConditions } from './contract.ts'
import { EngineError } from './engine-error.ts'
import type { ObjectRecordHead, ObjectVersionHead } from './object-record.ts'
import { formatEtag } from './presentation.ts'

function matches(condition: EtagCondition, etag: string): boolean {
  return condition === '*' || condition.includes(etag)
}

function failed(condition: string): EngineError {
  return new EngineError('PreconditionFailed', { fields: { Condition: condition } })
}

/**
 * Whether a write may take place over what is current. A delete marker is nothing.
 *
 * @throws EngineError `PreconditionFailed`; `NoSuchKey` for If-Match where there is nothing
 */
export function checkWriteConditions(
  conditions: WriteConditions | undefined,
  current: ObjectRecordHead | undefined,
): void {
  if (!conditions) return
  const etag = current?.kind === 'object' ? formatEtag(current.etag) : undefined
  const { ifMatch, ifNoneMatch } = conditions
  if (ifMatch !== undefined) {
    if (etag === undefined) throw new EngineError('NoSuchKey')
    if (!matches(ifMatch, etag)) throw failed('If-Match')
  }
  if (ifNoneMatch !== undefined && etag !== undefined && matches(ifNoneMatch, etag)) throw failed('If-None-Match')
}

/**
 * Whether what is there may be deleted. If-Match wants something to be there; size and time are met where nothing is
 * ("if the object doesn't exist, the operation returns a 204"), and by no delete marker.
 *
 * @throws EngineError `PreconditionFailed`
 */
export function checkDeleteConditions(
  conditions: DeleteConditions | undefined,
  found: ObjectRecordHead | undefined,
): void {
  if (!conditions) return
  const { ifMatch, ifLastModifiedMs, ifSizeBytes } = conditions
  const version = found?.kind === 'object' ? found : undefined
  if (ifMatch !== undefined && !(version && matches(ifMatch, formatEtag(version.etag)))) throw failed('If-Match')
  if (!found) return
  const modified = version && seconds(version.lastModifiedMs)
  if (ifLastModifiedMs !== undefined && modified !== seconds(ifLastModifiedMs)) {
    throw failed('x-amz-if-match-last-modified-time')
  }
  if (ifSizeBytes !== undefined && version?.sizeBytes !== ifSizeBytes) throw failed('x-amz-if-match-size')
}

/** S3 shows times in whole seconds; so are they compared. */
function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1_000)
}

/**
 * Whether a version may be read.
 *
 * @throws EngineError `PreconditionFailed`, `NotModified` (with the headers that a 304 carries)
 */
export function checkReadConditions(conditions: ReadConditions | undefined, record: ObjectVersionHead): void {
  if (!conditions) return
  const etag = formatEtag(record.etag)
  const modified = seconds(record.lastModifiedMs)
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, etag)) throw failed('If-Match')
  } else if (ifUnmodifiedSinceMs !== undefined && modified > seconds(ifUnmodifiedSinceMs)) {
    throw failed('If-Unmodified-Since')
  }
  const isUnchanged =
    ifNoneMatch !== undefined
      ? matches(ifNoneMatch, etag)
      : ifModifiedSinceMs !== undefined && modified <= seconds(ifModifiedSinceMs)
  if (!isUnchanged) return
  const lastModified = new Date(modified * 1_000).toUTCString()
  throw new EngineError('NotModified', { headers: { etag: `"${etag}"`, 'last-modified': lastModified } })
}

/** Whether a range of this version is what the client wants (RFC 9110 13.1.5): without a validator, it always is. */
export function isRangeCurrent(validator: RangeValidator | undefined, record: ObjectVersionHead): boolean {
  if (!validator) return true
  if ('etag' in validator) return validator.etag === formatEtag(record.etag)
  return seconds(validator.lastModifiedMs) === seconds(record.lastModifiedMs)
}
