/**
 * Who is asking, and may they. Owner-only: an account may do everything with its own buckets and nothing with others'.
 * Policies widen this later; every call already says which action it takes on what.
 *
 * @module
 */

/** Whoever signed a request. */
export interface Principal {
  /** 12 decimal digits. */
  readonly accountId: string
  /** The access key that signed. */
  readonly accessKeyId: string
  /** The account is the deployment's first one, which sees keys that were put into the key store from outside. */
  readonly isRootAccount: boolean
}

/** An action as AWS's policy language names it: `s3:GetObject`. */
export type Action = `s3:${string}`

/** What an action is taken on. `bucketOwner` is absent where there is no bucket yet (ListAllMyBuckets, CreateBucket). */
export interface Resource {
  /** Account id. */
  readonly bucketOwner?: string
}

/** Whether `principal` may take `action` on `resource`. `undefined` is an anonymous caller, who may do nothing. */
export function isAuthorised(principal: Principal | undefined, _action: Action, resource: Resource): boolean {
  if (principal === undefined) return false
  return resource.bucketOwner === undefined || resource.bucketOwner === principal.accountId
}
