/**
 * PostObject: uploads by a browser's form, signed by a policy (server-side-encryption.md 1.6.12). What the form says about
 * encryption counts as if it stood in the headers, with every check; encryption headers of the HTTP request are refused, so
 * that none is silently without effect (12 no. 6 and 49).
 *
 * @module
 */

import type { Principal } from '@strongroom/accounts'
import type { WriteBody, WrittenObject } from '@strongroom/engine'
import {
  addChecksumHeaders,
  addEncryptionHeaders,
  asksForCustomerKey,
  checkName,
  checkObjectLockHeaders,
  formatPostSuccess,
  formFieldsAsHeaders,
  formObjectName,
  parseContentMd5,
  parseObjectMetadata,
  parseRequestChecksum,
  parseTagging,
  type RequestHeaders,
  refuseEncryptionHeaders,
  sseHeaders,
} from '@strongroom/s3'
import {
  checkPostPolicy,
  checkPostSize,
  type PostPolicy,
  parsePostPolicy,
  parsePostSignature,
  parsePostSignatureV2,
  verifyPostSignature,
  verifyPostSignatureV2,
} from '@strongroom/sigv4'
import { checkAcl } from './acl.ts'
import { type AuthenticateOptions, withSecret, withSigningKey } from './authenticate.ts'
import { authorise } from './authorise.ts'
import { transportErrors } from './body.ts'
import type { Context, Reply } from './call.ts'
import { closingLength, type FormFile, formBoundary, readForm } from './form-data.ts'
import { objectLocation } from './location.ts'
import { logEncryption, withCustomerKeys, writeEncryption } from './object-encryption.ts'
import type { RequestLog, S3Request } from './request.ts'
import { invalidArgument, s3Error } from './s3-error.ts'
import { maxPutBytes } from './write-body.ts'

export interface PostObjectInput {
  readonly state: { readonly context: Context; readonly authentication: AuthenticateOptions }
  readonly request: S3Request
  readonly bucketName: string
  readonly log: RequestLog
}

/** Files up to this size are read whole, so that their length need not be worked out from that of the request. */
const wholeFileBytes = 1024 * 1024

export async function postObject({ state, request, bucketName, log }: PostObjectInput): Promise<Reply> {
  refuseEncryptionHeaders(request.headers)
  if (asksForCustomerKey(request.headers)) {
    const name = sseHeaders.customer.algorithm
    throw invalidArgument(`${name} header is not supported for this operation.`, name)
  }
  const boundary = formBoundary(request.headers['content-type'] ?? '')
  if (boundary === undefined) {
    const fields = { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' }
    throw s3Error('PreconditionFailed', undefined, fields)
  }
  const { declaredLength } = request.body
  if (declaredLength === undefined) throw s3Error('MissingContentLength')
  const form = await readForm(transportErrors(request.body.stream()), boundary)
  const key = form.fields.get('key')
  if (key === undefined || key === '') throw s3Error('UserKeyMustBeSpecified')
  const name = formObjectName(key, form.file.filename)
  checkName(name)
  log.name = name
  const fields = new Map(form.fields).set('key', name).set('bucket', bucketName)
  const { principal, policy } = await authenticateForm(state, fields, log)
  const { engine } = state.context
  const bucket = await engine.bucket(bucketName)
  authorise(principal, 's3:PutObject', bucket, request.headers['x-amz-expected-bucket-owner'])
  const headers = formFieldsAsHeaders(fields)
  checkAcl({ ...headers, 'x-amz-acl': fields.get('acl') }, bucket)
  checkObjectLockHeaders(headers)
  const encryption = writeEncryption({ context: state.context, request, bucket, headers })
  return await withCustomerKeys([encryption], async () => {
    const metadata = parseObjectMetadata(headers)
    const tagging = fields.get('tagging')
    const tags = tagging === undefined ? undefined : parseTagging(Buffer.from(tagging), 'object')
    const body = await formBody(form.file, declaredLength - form.file.offset - closingLength(boundary), policy, headers)
    const requester = { accountId: principal.accountId, isRootAccount: principal.isRootAccount }
    const input = { requester, bucket, name, body, encryption, metadata, ...(tags === undefined ? {} : { tags }) }
    return answer(request, fields, name, await engine.putObject(input), state.context, log)
  })
}

async function authenticateForm(
  { context, authentication }: PostObjectInput['state'],
  fields: ReadonlyMap<string, string>,
  log: RequestLog,
) {
  const { principal, policyText } = await verifyForm(fields, authentication, context)
  log.accountId = principal.accountId
  log.accessKeyId = principal.accessKeyId
  const policy = parsePostPolicy(policyText)
  checkPostPolicy(policy, fields, context.now())
  return { principal, policy }
}

/** Who signed a form, and its policy. Signature Version 2 is for `compatibility: ceph` only: AWS refuses it. */
async function verifyForm(
  fields: ReadonlyMap<string, string>,
  authentication: AuthenticateOptions,
  { compatibility }: Context,
): Promise<{ readonly principal: Principal; readonly policyText: string }> {
  const old = compatibility === 'ceph' ? parsePostSignatureV2(fields) : undefined
  if (old !== undefined) {
    return await withSecret(old.accessKeyId, authentication, (principal, secret) => {
      verifyPostSignatureV2(old, secret)
      return { principal, policyText: old.policy }
    })
  }
  const signature = parsePostSignature(fields, authentication.authorization)
  if (signature === undefined) throw s3Error('AccessDenied')
  return await withSigningKey(signature, authentication, (principal, signingKey) => {
    verifyPostSignature(signature, signingKey)
    return { principal, policyText: signature.policy }
  })
}

/**
 * The file as the engine takes it, with its length: counted for a small one; for a large one what is left of the request when
 * the form ends with it; a large form that goes on after its file is refused.
 */
async function formBody(
  file: FormFile,
  restBytes: number,
  policy: PostPolicy,
  headers: RequestHeaders,
): Promise<WriteBody> {
  const isSmall = restBytes <= wholeFileBytes
  const content = isSmall ? await collect(file.content) : asLast(file.content, restBytes)
  const sizeBytes = content instanceof Uint8Array ? content.length : restBytes
  checkPostSize(policy, sizeBytes)
  if (sizeBytes > maxPutBytes) throw s3Error('EntityTooLarge')
  const contentMd5 = parseContentMd5(headers['content-md5'])
  const checksum = parseRequestChecksum(headers)
  return {
    sizeBytes,
    content,
    ...(contentMd5 === undefined ? {} : { contentMd5 }),
    ...(checksum?.value === undefined ? {} : { checksum: { algorithm: checksum.algorithm, value: checksum.value } }),
  }
}

/** The file of a form that holds nothing after it. */
async function* asLast(content: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let seen = 0
  for await (const piece of content) {
    seen += piece.length
    yield piece
  }
  if (seen === sizeBytes) return
  throw s3Error(
    'MalformedPOSTRequest',
    `The file must be the last field of a form with more than ${wholeFileBytes} bytes.`,
  )
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return Buffer.concat(pieces)
}

function answer(
  request: S3Request,
  fields: ReadonlyMap<string, string>,
  name: string,
  written: WrittenObject,
  context: Context,
  log: RequestLog,
): Reply {
  const bucket = fields.get('bucket') ?? ''
  const { etag } = written
  const success = formatPostSuccess(fields, { location: objectLocation(request, name), bucket, name, etag })
  const headers: Record<string, string> = { ...success.headers }
  addEncryptionHeaders(headers, 'PostObject', written.encryption, context.compatibility)
  logEncryption(log, written.encryption)
  addChecksumHeaders(headers, written.checksum)
  if (written.versionId !== undefined) headers['x-amz-version-id'] = log.versionId = written.versionId
  if (success.body === undefined) return { status: success.status, headers }
  return { status: success.status, headers: { ...headers, 'content-type': 'application/xml' }, body: success.body }
}
