/**
 * GetObjectTagging, PutObjectTagging and DeleteObjectTagging. None needs a key.
 *
 * @module
 */

import type { Tags } from '@strongroom/engine'
import { formatTagging, parseTagging, parseVersionId } from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { readDocument } from './document.ts'

export const getObjectTagging: Operation = {
  action: 's3:GetObjectTagging',
  on: 'bucket',
  run: async (call) => {
    const { tags, versionId } = await call.context.engine.getTags(objectOf(call))
    return xmlReply(formatTagging(tags), versionHeader(versionId))
  },
}

export const putObjectTagging: Operation = {
  action: 's3:PutObjectTagging',
  on: 'bucket',
  run: async (call) => await setTags(call, 200, parseTagging(await readDocument(call), 'object')),
}

export const deleteObjectTagging: Operation = {
  action: 's3:DeleteObjectTagging',
  on: 'bucket',
  run: async (call) => await setTags(call, 204, []),
}

async function setTags(call: BucketCall, status: number, tags: Tags): Promise<Reply> {
  const { versionId } = await call.context.engine.putTags({ ...objectOf(call), tags })
  return { status, headers: versionHeader(versionId) }
}

function objectOf({ bucket, name, query }: BucketCall) {
  const versionId = parseVersionId(query)
  return { bucket, name, ...(versionId === undefined ? {} : { versionId }) }
}

function versionHeader(versionId: string | undefined): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId }
}
