/**
 * ListObjects, ListObjectsV2 and ListObjectVersions. None needs a key.
 *
 * @module
 */

import {
  formatListObjects,
  formatListObjectsV2,
  formatListVersions,
  parseListObjects,
  parseListObjectsV2,
  parseListVersions,
} from '@strongroom/s3'
import { type Operation, xmlReply } from './call.ts'

export const listObjects: Operation = {
  action: 's3:ListBucket',
  on: 'bucket',
  run: async ({ context, bucket, query }) => {
    const parameters = parseListObjects(query)
    const page = await context.engine.listObjects({ bucket, ...where(parameters) })
    return xmlReply(formatListObjects(bucket.name, parameters, page))
  },
}

export const listObjectsV2: Operation = {
  action: 's3:ListBucket',
  on: 'bucket',
  run: async ({ context, bucket, query }) => {
    const parameters = parseListObjectsV2(query)
    const page = await context.engine.listObjects({ bucket, ...where(parameters) })
    return xmlReply(formatListObjectsV2(bucket.name, parameters, page))
  },
}

export const listObjectVersions: Operation = {
  action: 's3:ListBucketVersions',
  on: 'bucket',
  run: async ({ context, bucket, query }) => {
    const parameters = parseListVersions(query)
    const { keyMarker, versionIdMarker } = parameters
    const page = await context.engine.listVersions({
      bucket,
      ...range(parameters),
      ...(keyMarker === undefined ? {} : { keyMarker }),
      ...(versionIdMarker === undefined ? {} : { versionIdMarker }),
    })
    return xmlReply(formatListVersions(bucket.name, parameters, page))
  },
}

interface Range {
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly limit: number
}

function range({ prefix, delimiter, limit }: Range) {
  return { prefix, limit, ...(delimiter === undefined ? {} : { delimiter }) }
}

function where(parameters: Range & { readonly after: string | undefined; readonly isWithinPrefix: boolean }) {
  const { after, isWithinPrefix } = parameters
  return { ...range(parameters), isWithinPrefix, ...(after === undefined ? {} : { after }) }
}
