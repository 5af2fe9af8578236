/**
 * The part of the contract about conditional requests.
 *
 * @module
 */

/** `'*'`, or entity tags without quotes. */
export type EtagCondition = '*' | readonly string[]

export interface WriteConditions {
  readonly ifMatch?: EtagCondition
  readonly ifNoneMatch?: EtagCondition
}

export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number
  readonly ifUnmodifiedSinceMs?: number
}

/** All of those present must hold of what is deleted. Times are compared in whole seconds, as S3 shows them. */
export interface DeleteConditions extends Pick<WriteConditions, 'ifMatch'> {
  readonly ifLastModifiedMs?: number
  readonly ifSizeBytes?: number
}

/** What must be the same for a range to be read instead of the whole object (`If-Range`): a strong tag, or the exact second. */
export type RangeValidator = { readonly etag: string } | { readonly lastModifiedMs: number }
