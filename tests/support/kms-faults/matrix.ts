/**
 * The rows of the matrix: every S3 operation, with what it needs of the key service, how it is prepared while all is well and
 * how it is asked for while nothing is.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { dsseKms, keyOne, sourceSseC, sseC, sseKms, sseS3 } from '../encryption-headers.ts'
import { pattern } from '../pattern.ts'
import type { FaultRequest, FaultResponse, FaultServer } from './fault-server.ts'

export const bucket = 'faults'

export type ModeName = 'none' | 'SSE-S3' | 'SSE-KMS' | 'DSSE-KMS' | 'SSE-C'
export type Shape = 'whole' | 'multipart'

interface Mode {
  readonly write: Readonly<Record<string, string>>
  readonly read: Readonly<Record<string, string>>
  readonly source: Readonly<Record<string, string>>
}

export const modes: Readonly<Record<ModeName, Mode>> = {
  none: { write: {}, read: {}, source: {} },
  'SSE-S3': { write: sseS3, read: {}, source: {} },
  'SSE-KMS': { write: sseKms('named', '{"team":"blue"}'), read: {}, source: {} },
  'DSSE-KMS': { write: dsseKms('named', '{"team":"blue"}'), read: {}, source: {} },
  'SSE-C': { write: sseC(keyOne), read: sseC(keyOne), source: sourceSseC(keyOne) },
}

export const modeNames = Object.keys(modes) as ModeName[]

/** A cell: one operation on one thing of one mode. */
export interface Cell {
  readonly mode: ModeName
  readonly shape: Shape
  /** Of this cell alone. */
  readonly name: string
}

/** What an operation needs of the key service. */
export type Need = 'nothing' | 'read' | 'write'

export interface Row {
  readonly need: Need
  /** Whether the shape of the object makes a difference. */
  readonly shapes: readonly Shape[]
  /** What is answered while all is well, where that is a refusal. */
  readonly answers?: string
  /** Not about one object: one cell. */
  readonly isOfBucket?: true
  readonly prepare?: (server: FaultServer, cell: Cell) => Promise<string>
  /** @param prepared what `prepare` resolved with */
  readonly request: (cell: Cell, prepared: string) => FaultRequest
  /** What else, beside the status, is not as it should be. */
  readonly wrong?: (response: FaultResponse, cell: Cell) => string | undefined
}

const whole: readonly Shape[] = ['whole']
const both: readonly Shape[] = ['whole', 'multipart']

/** Contents of cells: over the limit of inline data, so that there are blobs; the first byte shows the mode. */
export const content = (mode: ModeName): Buffer => {
  const bytes = Buffer.from(pattern(20_000))
  bytes[0] = modeNames.indexOf(mode)
  return bytes
}

async function mustWork(server: FaultServer, request: FaultRequest): Promise<FaultResponse> {
  const response = await server.send(request)
  if (response.status >= 300) throw new Error(`${request.method} ${request.name}: ${response.status} ${response.text}`)
  return response
}

async function putObject(server: FaultServer, { mode, shape, name }: Cell): Promise<string> {
  if (shape === 'whole') {
    await mustWork(server, { method: 'PUT', bucket, name, headers: modes[mode].write, body: content(mode) })
    return ''
  }
  const upload = await beginUpload(server, { mode, shape, name })
  await mustWork(server, completion({ mode, shape, name }, upload))
  return ''
}

/** An upload with a part; its id and the part's entity tag. */
async function beginUpload(server: FaultServer, { mode, name }: Cell): Promise<string> {
  const { write, read } = modes[mode]
  const begun = await mustWork(server, { method: 'POST', bucket, name, query: { uploads: undefined }, headers: write })
  const uploadId = begun.element('UploadId')
  const query = { uploadId, partNumber: '1' }
  const part = await mustWork(server, { method: 'PUT', bucket, name, query, headers: read, body: content(mode) })
  return `${uploadId} ${part.headers.etag}`
}

const idOf = (upload: string): string => upload.split(' ')[0] ?? ''

function completion({ mode, name }: Cell, upload: string): FaultRequest {
  const part = `<Part><PartNumber>1</PartNumber><ETag>${upload.split(' ')[1]}</ETag></Part>`
  const body = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`
  return { method: 'POST', bucket, name, query: { uploadId: idOf(upload) }, headers: modes[mode].read, body }
}

const plainSource = 'plain-source'
const copied = (name: string) => ({ 'x-amz-copy-source': `/${bucket}/${name}` })

/** A row about a bucket: no cell of it needs a key. */
const ofBucket = (method: string, parameter?: string, more: Partial<FaultRequest> = {}): Row => ({
  need: 'nothing',
  shapes: whole,
  isOfBucket: true,
  request: () => ({
    method,
    bucket,
    ...(parameter === undefined ? {} : { query: { [parameter]: undefined } }),
    ...more,
  }),
})

/** A row about an object that needs no key. */
const ofObject = (method: string, parameter?: string, more: Partial<FaultRequest> = {}): Row => ({
  need: 'nothing',
  shapes: both,
  prepare: putObject,
  request: ({ mode, name }) => {
    const query = parameter === undefined ? {} : { query: { [parameter]: undefined } }
    return { method, bucket, name, headers: method === 'HEAD' ? modes[mode].read : {}, ...query, ...more }
  },
})

const md5 = (text: string): string => createHash('md5').update(text).digest('base64')

const tags = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
const rule =
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>named</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>'

const ownership =
  '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>'
const accessBlock =
  '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>'

/** A row about object lock, which no bucket has: refused in the same way whatever the key service does. */
const withoutLock = (method: string, parameter: string, answers: string): Row => ({
  ...ofBucket(method, parameter),
  answers,
  request: ({ name }) => {
    const target = parameter === 'object-lock' ? { bucket } : { bucket, name }
    return { method, ...target, query: { [parameter]: undefined } }
  },
})

const sameContent = ({ body, status }: FaultResponse, { mode }: Cell): string | undefined =>
  status === 200 && !body.equals(content(mode)) ? 'other bytes' : undefined

/** Every operation; those that read and write have a row for each side. The part of a name behind the slash tells them apart. */
export const rows: Readonly<Record<string, Row>> = {
  GetObject: {
    need: 'read',
    shapes: both,
    prepare: putObject,
    request: ({ mode, name }) => ({ method: 'GET', bucket, name, headers: modes[mode].read }),
    wrong: sameContent,
  },
  PutObject: {
    need: 'write',
    shapes: whole,
    request: ({ mode, name }) => ({ method: 'PUT', bucket, name, headers: modes[mode].write, body: content(mode) }),
  },
  PostObject: {
    need: 'write',
    shapes: whole,
    request: ({ mode, name }) => ({
      method: 'POST',
      bucket,
      form: { key: name, ...modes[mode].write },
      body: content(mode),
    }),
  },
  'CopyObject / from': {
    need: 'read',
    shapes: both,
    prepare: putObject,
    request: ({ mode, name }) => ({
      method: 'PUT',
      bucket,
      name: `${name}-copy`,
      headers: { ...copied(name), ...modes[mode].source },
    }),
  },
  'CopyObject / to': {
    need: 'write',
    shapes: whole,
    request: ({ mode, name }) => ({
      method: 'PUT',
      bucket,
      name,
      headers: { ...copied(plainSource), ...modes[mode].write },
    }),
  },
  CreateMultipartUpload: {
    need: 'write',
    shapes: whole,
    request: ({ mode, name }) => ({
      method: 'POST',
      bucket,
      name,
      query: { uploads: undefined },
      headers: modes[mode].write,
    }),
  },
  UploadPart: {
    need: 'read',
    shapes: whole,
    prepare: beginUpload,
    request: ({ mode, name }, upload) => ({
      method: 'PUT',
      bucket,
      name,
      query: { uploadId: idOf(upload), partNumber: '2' },
      headers: modes[mode].read,
      body: 'part',
    }),
  },
  'UploadPartCopy / from': {
    need: 'read',
    shapes: both,
    prepare: async (server, cell) => {
      await putObject(server, cell)
      return await beginUpload(server, { ...cell, mode: 'none', name: `${cell.name}-copy` })
    },
    request: ({ mode, name }, upload) => ({
      method: 'PUT',
      bucket,
      name: `${name}-copy`,
      query: { uploadId: idOf(upload), partNumber: '2' },
      headers: { ...copied(name), ...modes[mode].source },
    }),
  },
  'UploadPartCopy / to': {
    need: 'read',
    shapes: whole,
    prepare: beginUpload,
    request: ({ mode, name }, upload) => ({
      method: 'PUT',
      bucket,
      name,
      query: { uploadId: idOf(upload), partNumber: '2' },
      headers: { ...copied(plainSource), ...modes[mode].read },
    }),
  },
  CompleteMultipartUpload: { need: 'read', shapes: whole, prepare: beginUpload, request: completion },
  AbortMultipartUpload: {
    need: 'nothing',
    shapes: whole,
    prepare: beginUpload,
    request: ({ name }, upload) => ({ method: 'DELETE', bucket, name, query: { uploadId: idOf(upload) } }),
  },
  ListParts: {
    need: 'nothing',
    shapes: whole,
    prepare: beginUpload,
    request: ({ name }, upload) => ({ method: 'GET', bucket, name, query: { uploadId: idOf(upload) } }),
    wrong: ({ status, element }) => (status === 200 && element('Size') !== '20000' ? 'no part' : undefined),
  },
  HeadObject: {
    ...ofObject('HEAD'),
    wrong: ({ headers }) => (headers['content-length'] === '20000' ? undefined : 'no size'),
  },
  GetObjectAttributes: {
    ...ofObject('GET', 'attributes'),
    request: ({ mode, name }) => ({
      method: 'GET',
      bucket,
      name,
      query: { attributes: undefined },
      headers: { ...modes[mode].read, 'x-amz-object-attributes': 'ETag,ObjectSize' },
    }),
  },
  DeleteObject: ofObject('DELETE'),
  GetObjectTagging: ofObject('GET', 'tagging'),
  PutObjectTagging: ofObject('PUT', 'tagging', { body: tags }),
  DeleteObjectTagging: ofObject('DELETE', 'tagging'),
  GetObjectAcl: ofObject('GET', 'acl'),
  PutObjectAcl: ofObject('PUT', 'acl', { headers: { 'x-amz-acl': 'private' } }),
  DeleteObjects: {
    ...ofObject('POST'),
    request: ({ name }) => {
      const body = `<Delete><Object><Key>${name}</Key></Object></Delete>`
      return { method: 'POST', bucket, query: { delete: undefined }, body, headers: { 'content-md5': md5(body) } }
    },
    wrong: ({ text }) => (text.includes('<Error>') ? 'an object was not deleted' : undefined),
  },
  CreateBucket: { ...ofBucket('PUT'), request: ({ name }) => ({ method: 'PUT', bucket: `new-${name}` }) },
  DeleteBucket: {
    ...ofBucket('DELETE'),
    prepare: async (server, { name }) => {
      await mustWork(server, { method: 'PUT', bucket: `old-${name}` })
      return ''
    },
    request: ({ name }) => ({ method: 'DELETE', bucket: `old-${name}` }),
  },
  GetObjectLockConfiguration: withoutLock('GET', 'object-lock', '404 ObjectLockConfigurationNotFoundError'),
  PutObjectLockConfiguration: withoutLock('PUT', 'object-lock', '409 InvalidBucketState'),
  GetObjectRetention: withoutLock('GET', 'retention', '400 InvalidRequest'),
  PutObjectRetention: withoutLock('PUT', 'retention', '400 InvalidRequest'),
  GetObjectLegalHold: withoutLock('GET', 'legal-hold', '400 InvalidRequest'),
  PutObjectLegalHold: withoutLock('PUT', 'legal-hold', '400 InvalidRequest'),
  HeadBucket: ofBucket('HEAD'),
  ListBuckets: { ...ofBucket('GET'), request: () => ({ method: 'GET' }) },
  ListObjects: ofBucket('GET'),
  ListObjectsV2: ofBucket('GET', undefined, { query: { 'list-type': '2' } }),
  ListObjectVersions: ofBucket('GET', 'versions'),
  ListMultipartUploads: ofBucket('GET', 'uploads'),
  GetBucketLocation: ofBucket('GET', 'location'),
  GetBucketAcl: ofBucket('GET', 'acl'),
  PutBucketAcl: ofBucket('PUT', 'acl', { headers: { 'x-amz-acl': 'private' } }),
  GetBucketVersioning: ofBucket('GET', 'versioning'),
  PutBucketVersioning: {
    ...ofBucket('PUT', 'versioning'),
    request: () => ({
      method: 'PUT',
      bucket: 'other-faults',
      query: { versioning: undefined },
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    }),
  },
  GetBucketEncryption: ofBucket('GET', 'encryption', { bucket: 'ruled-faults' }),
  PutBucketEncryption: ofBucket('PUT', 'encryption', { bucket: 'ruled-faults', body: rule }),
  DeleteBucketEncryption: ofBucket('DELETE', 'encryption', { bucket: 'other-faults' }),
  GetBucketTagging: ofBucket('GET', 'tagging', { bucket: 'ruled-faults' }),
  PutBucketTagging: ofBucket('PUT', 'tagging', { bucket: 'ruled-faults', body: tags }),
  GetBucketOwnershipControls: ofBucket('GET', 'ownershipControls', { bucket: 'ruled-faults' }),
  PutBucketOwnershipControls: ofBucket('PUT', 'ownershipControls', { bucket: 'ruled-faults', body: ownership }),
  DeleteBucketOwnershipControls: ofBucket('DELETE', 'ownershipControls', { bucket: 'other-faults' }),
  GetPublicAccessBlock: ofBucket('GET', 'publicAccessBlock', { bucket: 'ruled-faults' }),
  PutPublicAccessBlock: ofBucket('PUT', 'publicAccessBlock', { bucket: 'ruled-faults', body: accessBlock }),
  DeletePublicAccessBlock: ofBucket('DELETE', 'publicAccessBlock', { bucket: 'other-faults' }),
  DeleteBucketTagging: ofBucket('DELETE', 'tagging', { bucket: 'other-faults' }),
}

/** What rows refer to. */
export async function prepareBuckets(server: FaultServer): Promise<void> {
  for (const name of [bucket, 'other-faults', 'ruled-faults']) await mustWork(server, { method: 'PUT', bucket: name })
  await mustWork(server, { method: 'PUT', bucket, name: plainSource, body: content('none') })
  const ruled = { method: 'PUT', bucket: 'ruled-faults' }
  await mustWork(server, { ...ruled, query: { encryption: undefined }, body: rule })
  await mustWork(server, { ...ruled, query: { tagging: undefined }, body: tags })
  await mustWork(server, { ...ruled, query: { ownershipControls: undefined }, body: ownership })
  await mustWork(server, { ...ruled, query: { publicAccessBlock: undefined }, body: accessBlock })
}

/** All cells of the matrix under one fault. */
export function cellsOf(rowName: string, row: Row, faultName: string): Cell[] {
  const place = `${rowName}-${faultName}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  if (row.isOfBucket) return [{ mode: 'none', shape: 'whole', name: place }]
  return row.shapes.flatMap((shape) =>
    modeNames.map((mode) => ({ mode, shape, name: `${place}-${mode.toLowerCase()}-${shape}` })),
  )
}
