/**
 * GetObject and HeadObject (server-side-encryption.md 1.6.2, 1.6.3; ranges and `If-Range`: RFC 9110 13.1.5, 14.2).
 *
 * @module
 */

import type { CustomerKey, ReadHead, ReadObject, ReadObjectInput } from '@strongroom/engine'
import {
  addChecksumHeaders,
  addObjectHeaders,
  applyResponseOverrides,
  checkRangeAndPart,
  formatContentRange,
  parseCustomerKey,
  parseIfRange,
  parsePartNumber,
  parseRange,
  parseReadConditions,
  parseVersionId,
  refuseEncryptionHeaders,
  wantsChecksum,
} from '@strongroom/s3'
import type { BucketCall, Operation, Reply } from './call.ts'
import { checkReadTransport, showEncryption, withCustomerKeys } from './object-encryption.ts'

export const getObject: Operation = {
  action: 's3:GetObject',
  on: 'bucket',
  run: async (call) =>
    await read(call, async (input) => {
      const found = await call.context.engine.getObject(input)
      try {
        return { ...headOf(call, found), body: found.body }
      } catch (error) {
        // A header that cannot be sent. The data is open already, and nobody else is going to close it.
        await endBody(found.body)
        throw error
      }
    }),
}

async function endBody(body: ReadObject['body']): Promise<void> {
  if (!(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.()
}

export const headObject: Operation = {
  action: 's3:GetObject',
  on: 'bucket',
  run: async (call) => await read(call, async (input) => headOf(call, await call.context.engine.headObject(input))),
}

async function read(call: BucketCall, answer: (input: ReadObjectInput) => Promise<Reply>): Promise<Reply> {
  refuseEncryptionHeaders(call.headers)
  const customerKey = parseCustomerKey(call.headers, call.request.secure)
  return await withCustomerKeys([customerKey], async () => {
    const input = inputOf(call, customerKey)
    const { bucket, name, versionId } = input
    await checkReadTransport(call, versionId === undefined ? { bucket, name } : { bucket, name, versionId })
    const part = call.query.get('partNumber')
    if (part !== undefined) input.partNumber = parsePartNumber(part)
    return await answer(input)
  })
}

type Input = { -readonly [Field in keyof ReadObjectInput]: ReadObjectInput[Field] }

/** All but the number of a part, which is looked at after the connection. @throws S3Error `InvalidRequest`, `InvalidArgument` */
function inputOf(call: BucketCall, customerKey: CustomerKey | undefined): Input {
  const { headers, query, requester, bucket, name } = call
  checkRangeAndPart(headers.range, query.get('partNumber'))
  const versionId = parseVersionId(query)
  const conditions = parseReadConditions(headers)
  const range = parseRange(headers.range)
  const ifRange = parseIfRange(headers)
  // One by one: spreads of what is nearly always absent are among the most expensive steps of a small read.
  const input: Input = { requester, bucket, name }
  if (versionId !== undefined) input.versionId = versionId
  if (customerKey !== undefined) input.customerKey = customerKey
  if (conditions !== undefined) input.conditions = conditions
  if (range !== undefined) input.range = range
  if (ifRange !== undefined) input.ifRange = ifRange
  return input
}

function headOf(call: BucketCall, { head, range, contentLength, checksum }: ReadHead): Reply {
  const headers: Record<string, string> = {}
  addObjectHeaders(headers, head)
  showEncryption(call, headers, head.encryption)
  if (range !== undefined) headers['content-range'] = formatContentRange(range, head.sizeBytes)
  if (wantsChecksum(call.headers)) addChecksumHeaders(headers, checksum)
  if (head.partCount !== undefined && call.query.has('partNumber')) {
    headers['x-amz-mp-parts-count'] = String(head.partCount)
  }
  applyResponseOverrides(headers, call.query, { signed: true })
  if (head.versionId !== undefined) call.log.versionId = head.versionId
  return { status: range === undefined ? 200 : 206, headers, contentLength }
}
