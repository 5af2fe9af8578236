/**
 * GetBucketAcl, GetObjectAcl, PutBucketAcl and PutObjectAcl: the owner has all rights and nobody else has any, so the list can
 * be read, and set to what it is (`private`), and to nothing else.
 *
 * @module
 */

import type { Bucket } from '@strongroom/engine'
import { checkAclHeaders, formatOwnerAcl, isPublicAcl, parseVersionId } from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import type { RequestHeaders } from './request.ts'
import { s3Error } from './s3-error.ts'

export const getBucketAcl: Operation = {
  action: 's3:GetBucketAcl',
  on: 'bucket',
  run: async ({ bucket }) => xmlReply(formatOwnerAcl(bucket.ownerAccountId)),
}

export const getObjectAcl: Operation = {
  action: 's3:GetObjectAcl',
  on: 'bucket',
  run: async (call) => {
    await checkObject(call)
    return xmlReply(formatOwnerAcl(call.bucket.ownerAccountId))
  },
}

export const putBucketAcl: Operation = {
  action: 's3:PutBucketAcl',
  on: 'bucket',
  run: async (call) => setPrivate(call),
}

export const putObjectAcl: Operation = {
  action: 's3:PutObjectAcl',
  on: 'bucket',
  run: async (call) => {
    await checkObject(call)
    return setPrivate(call)
  },
}

/** An object that is not there has no list. The tags are the part of it that needs no key. */
async function checkObject({ context, bucket, name, query }: BucketCall): Promise<void> {
  const versionId = parseVersionId(query)
  await context.engine.getTags({ bucket, name, ...(versionId === undefined ? {} : { versionId }) })
}

/**
 * Access control by header, of what is written into a bucket.
 *
 * @throws EngineError `AccessDenied` (public, where that is blocked), `AccessControlListNotSupported`; S3Error as `checkAclHeaders`
 */
export function checkAcl(headers: RequestHeaders, { objectOwnership, publicAccessBlock }: Bucket): void {
  const acl = headers['x-amz-acl']
  if (acl !== undefined) {
    if (publicAccessBlock?.blockPublicAcls && isPublicAcl(acl)) throw s3Error('AccessDenied')
    const isAllowed = objectOwnership !== 'BucketOwnerEnforced' || acl === 'bucket-owner-full-control'
    if (!isAllowed) throw s3Error('AccessControlListNotSupported')
  }
  checkAclHeaders(headers)
}

function setPrivate({ bucket, headers, request }: BucketCall): Reply {
  checkAcl(headers, bucket)
  if (bucket.objectOwnership === 'BucketOwnerEnforced') throw s3Error('AccessControlListNotSupported')
  // A list in the body could grant anything.
  if (headers['x-amz-acl'] === undefined || request.body.declaredLength !== 0) throw s3Error('NotImplemented')
  return { status: 200 }
}
