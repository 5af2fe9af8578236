/**
 * The model's requests and answers as headers and elements of S3.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type CustomerKeyPair, customerKey, dsseKms, sourceSseC, sseC, sseKms, sseS3 } from '../encryption-headers.ts'
import type { RawRequest, RawResponse } from '../raw-client.ts'
import type {
  Answer,
  ClientKey,
  Conditions,
  Details,
  Mode,
  Range,
  Requests,
  UploadRef,
  VersionRef,
} from './requests.ts'

export type Headers = Record<string, string>

const clientKeys: Readonly<Record<ClientKey, CustomerKeyPair>> = { 1: customerKey(1), 2: customerKey(2) }

const sse = 'x-amz-server-side-encryption'

/** Headers that ask for an encryption. */
export function encryptionHeaders(mode: Mode): Headers {
  switch (mode.mode) {
    case 'default':
      return {}
    case 'sse-s3':
      return sseS3
    case 'sse-c':
      return sseC(clientKeys[mode.clientKey])
    case 'dsse-kms':
      return dsseKms(mode.key, mode.context ? '{"team":"blue"}' : undefined)
    default:
      return {
        ...sseKms(mode.key, mode.context ? '{"team":"blue"}' : undefined),
        [`${sse}-bucket-key-enabled`]: String(mode.bucketKey),
      }
  }
}

/** User metadata and tags. */
export const detailHeaders = ({ meta, tag }: Details): Headers => ({
  ...(meta === undefined ? {} : { 'x-amz-meta-m': meta }),
  ...(tag === undefined ? {} : { 'x-amz-tagging': `t=${encodeURIComponent(tag)}` }),
})

const quoted = (etag: string): string => (etag === '*' ? '*' : `"${etag}"`)

export const unquoted = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '')

export const conditionHeaders = ({ ifMatch, ifNoneMatch }: Conditions): Headers => ({
  ...(ifMatch === undefined ? {} : { 'if-match': quoted(ifMatch) }),
  ...(ifNoneMatch === undefined ? {} : { 'if-none-match': quoted(ifNoneMatch) }),
})

/** The checksum of a content, for its PUT. */
export function checksumHeader(algorithm: 'CRC32' | 'SHA256', content: Buffer): Headers {
  if (algorithm === 'SHA256') return { 'x-amz-checksum-sha256': createHash('sha256').update(content).digest('base64') }
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(content))
  return { 'x-amz-checksum-crc32': value.toString('base64') }
}

const clientKeyHeaders = (which: ClientKey | undefined): Headers => (which === undefined ? {} : sseC(clientKeys[which]))

/** The source of a copy, with its conditions and the key that it needs. */
export function sourceHeaders({ bucket, name, versionId, clientKey, ...conditions }: VersionRef & Conditions): Headers {
  const version = versionId === undefined ? '' : `?versionId=${versionId}`
  const renamed = Object.entries(conditionHeaders(conditions)).map(([header, value]) => [
    `x-amz-copy-source-${header}`,
    value,
  ])
  return {
    'x-amz-copy-source': `/${bucket}/${encodeURIComponent(name)}${version}`,
    ...(clientKey === undefined ? {} : sourceSseC(clientKeys[clientKey])),
    ...Object.fromEntries(renamed),
  }
}

/** Bucket, name and query of a version. */
export function targetOf({ bucket, name, versionId }: VersionRef, query: Record<string, undefined | string> = {}) {
  return { bucket, name, query: { ...query, ...(versionId === undefined ? {} : { versionId }) } }
}

const rangeText = (range: Range): string =>
  'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.first}-${range.last ?? ''}`

export function readRequest(method: 'GET' | 'HEAD', request: Requests['get']): RawRequest {
  const { clientKey, range, part } = request
  return {
    method,
    ...targetOf(request, part === undefined ? {} : { partNumber: String(part) }),
    headers: {
      'x-amz-checksum-mode': 'ENABLED',
      ...clientKeyHeaders(clientKey),
      ...conditionHeaders(request),
      ...(range === undefined ? {} : { range: rangeText(range) }),
    },
  }
}

export function uploadRequest(method: string, { bucket, name, uploadId, clientKey }: UploadRef, part?: number) {
  const query = { uploadId, ...(part === undefined ? {} : { partNumber: String(part) }) }
  return { method, bucket, name, query, headers: clientKeyHeaders(clientKey) }
}

/** A field, if it has a value. */
export function textOf(field: keyof Answer, value: string | string[] | undefined): Answer {
  return value === undefined || value === '' ? {} : { [field]: String(value) }
}

function encryptionAnswer({ headers }: RawResponse): Answer {
  if (headers[`${sse}-customer-algorithm`] !== undefined) return { encryption: 'sse-c' }
  const algorithm = headers[sse]
  if (algorithm === undefined) return { encryption: 'none' }
  if (algorithm === 'AES256') return { encryption: 'sse-s3' }
  const mode = algorithm === 'aws:kms:dsse' ? 'dsse-kms' : 'sse-kms'
  return { encryption: `${mode}:${headers[`${sse}-aws-kms-key-id`]}` }
}

function checksumAnswer({ headers }: RawResponse): Answer {
  for (const algorithm of ['CRC32', 'SHA256']) {
    const value = headers[`x-amz-checksum-${algorithm.toLowerCase()}`]
    if (value !== undefined) return { checksum: `${algorithm}:${value}` }
  }
  return {}
}

/** What the headers of every answer about a version say. */
export function readHeaders(response: RawResponse): Answer {
  const { headers } = response
  return {
    ...(headers.etag === undefined ? {} : { etag: unquoted(headers.etag) }),
    ...textOf('versionId', headers['x-amz-version-id']),
    ...encryptionAnswer(response),
    ...checksumAnswer(response),
  }
}

/** What the headers of a GET say beside. */
export function readDetails({ headers }: RawResponse): Answer {
  const range = /^bytes (\d+-\d+)\//.exec(headers['content-range'] ?? '')?.[1]
  const count = headers['x-amz-tagging-count']
  return {
    size: Number(headers['content-length']),
    ...textOf('meta', headers['x-amz-meta-m']),
    ...textOf('range', range),
    ...(count === undefined ? {} : { tagCount: Number(count) }),
  }
}

/** What the answer to a copy says. */
export function copyAnswer(response: RawResponse): Answer {
  const checksum = ['CRC32', 'SHA256'].flatMap((algorithm) => {
    const value = response.element(`Checksum${algorithm}`)
    return value === undefined ? [] : [`${algorithm}:${value}`]
  })[0]
  return {
    ...readHeaders(response),
    etag: unquoted(response.element('ETag')),
    ...textOf('checksum', checksum),
    ...textOf('sourceVersionId', response.headers['x-amz-copy-source-version-id']),
  }
}

/** The elements of these names, whole, in the order of the document. */
export function blocksOf(text: string, names: string): string[] {
  return [...text.matchAll(new RegExp(`<(${names})>.*?</\\1>`, 'gs'))].map(([block]) => block)
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#34': '"' }

/** The innermost elements of a block. */
export function fieldsOf(block: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...block.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = '', value = '']) => [
      name,
      value.replace(/&(\w+|#34);/g, (whole, entity: string) => entities[entity] ?? whole),
    ]),
  )
}
