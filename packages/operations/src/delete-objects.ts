/**
 * DeleteObjects: up to 1,000 names, a few at a time, each with an outcome of its own.
 *
 * @module
 */

import {
  checkName,
  type DeleteEntry,
  type DeleteOutcome,
  describeError,
  formatDeleteResult,
  maxDeleteDocumentBytes,
  parseDelete,
} from '@strongroom/s3'
import { type BucketCall, type Operation, type Reply, xmlReply } from './call.ts'
import { pause, withDocument } from './document.ts'
import { isFault } from './errors.ts'

export const deleteObjects: Operation = { action: 's3:DeleteObject', on: 'bucket', run }

/** Deletions under way at a time: enough for them to share commits, few enough to leave room for others. */
const concurrency = 32

async function run(call: BucketCall): Promise<Reply> {
  const options = { limitBytes: maxDeleteDocumentBytes, digest: 'required' } as const
  return await withDocument(call, options, (document) => deleteAll(call, document))
}

async function deleteAll(call: BucketCall, document: Uint8Array): Promise<Reply> {
  const { entries, isQuiet } = await parseDelete(document, pause, call.context.compatibility)
  const outcomes: DeleteOutcome[] = new Array(entries.length)
  // Names in one lane run one after the other, so that a name given twice is deleted in the order given.
  const lanes = new Map<string, number[]>()
  for (const [index, { name }] of entries.entries()) {
    const lane = lanes.get(name)
    if (lane === undefined) lanes.set(name, [index])
    else lane.push(index)
  }
  const waiting = lanes.values()
  const work = async (): Promise<void> => {
    for (const lane of waiting) {
      for (const index of lane) {
        const entry = entries[index]
        if (entry !== undefined) outcomes[index] = await deleteOne(call, entry)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, lanes.size) }, work))
  return xmlReply(formatDeleteResult(outcomes, isQuiet))
}

async function deleteOne(call: BucketCall, entry: DeleteEntry): Promise<DeleteOutcome> {
  const { context, bucket, request, log } = call
  const { name, versionId, conditions } = entry
  try {
    checkName(name)
    const deleted = await context.engine.deleteObject({
      bucket,
      name,
      ...(versionId === undefined ? {} : { versionId }),
      ...(conditions === undefined ? {} : { conditions }),
    })
    return { entry, deleted }
  } catch (error) {
    if (isFault(error, describeError(error))) {
      context.onUnexpectedError(error, { ...log, name, requestId: request.requestId })
    }
    return { entry, error }
  }
}
