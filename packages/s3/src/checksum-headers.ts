/**
 * Checksums that clients send along: `x-amz-checksum-*` in headers or announced in the trailer, `Content-MD5`, and the
 * headers that say which are wanted. "Checking object integrity".
 *
 * @module
 */

import type { RequestHeaders } from './encryption-headers.ts'
import { invalidArgument, notImplemented, S3Error } from './s3-error.ts'

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** A stored checksum; the same shape as the engine's. */
export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
  /** base64, followed by `-N` for a composite one. */
  readonly value: string
}

interface AlgorithmRow {
  readonly header: string
  /** Element name in documents. */
  readonly element: string
  readonly sizeBytes: number
  readonly types: readonly ChecksumType[]
  readonly defaultType: ChecksumType
}

/** What there is, by algorithm; the first type is the default of a multipart upload. */
export const checksumAlgorithms: Readonly<Record<ChecksumAlgorithm, AlgorithmRow>> = {
  CRC32: row('CRC32', 4, ['COMPOSITE', 'FULL_OBJECT']),
  CRC32C: row('CRC32C', 4, ['COMPOSITE', 'FULL_OBJECT']),
  CRC64NVME: row('CRC64NVME', 8, ['FULL_OBJECT']),
  SHA1: row('SHA1', 20, ['COMPOSITE']),
  SHA256: row('SHA256', 32, ['COMPOSITE']),
}

function row(
  name: ChecksumAlgorithm,
  sizeBytes: number,
  types: readonly [ChecksumType, ...ChecksumType[]],
): AlgorithmRow {
  return {
    header: `x-amz-checksum-${name.toLowerCase()}`,
    element: `Checksum${name}`,
    sizeBytes,
    types,
    defaultType: types[0],
  }
}

const names = Object.keys(checksumAlgorithms) as ChecksumAlgorithm[]
const algorithmOfHeader: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  names.map((name) => [checksumAlgorithms[name].header, name]),
)
const unsupported = ['md5', 'sha512', 'xxhash3', 'xxhash64', 'xxhash128'].map((name) => `x-amz-checksum-${name}`)

/** A checksum that comes with a body. */
export interface RequestChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Undefined: it comes in the trailer. */
  readonly value: Uint8Array | undefined
}

/**
 * The checksum of the body of PutObject, UploadPart and of requests with documents.
 *
 * @param trailerNames lower-case names announced in `x-amz-trailer`
 * @throws S3Error `InvalidRequest`; `NotImplemented` for algorithms that we have not
 */
export function parseRequestChecksum(
  headers: RequestHeaders,
  trailerNames: readonly string[] = [],
): RequestChecksum | undefined {
  let found: RequestChecksum | undefined
  const add = (checksum: RequestChecksum): void => {
    if (found !== undefined) {
      throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
    }
    found = checksum
  }
  for (const algorithm of names) {
    const value = headers[checksumAlgorithms[algorithm].header]
    if (value !== undefined) add({ algorithm, value: decodeChecksum(algorithm, value) })
  }
  for (const name of unsupported) if (headers[name] !== undefined) throw notImplemented('Header', name)
  for (const name of trailerNames) {
    const algorithm = algorithmOfHeader.get(name)
    if (algorithm !== undefined) add({ algorithm, value: undefined })
    else if (unsupported.includes(name)) throw notImplemented('Header', name)
    else throw invalidRequest('The value specified in the x-amz-trailer header is not supported')
  }
  checkSdkAlgorithm(headers, found)
  return found
}

function checkSdkAlgorithm(headers: RequestHeaders, found: RequestChecksum | undefined): void {
  const wanted = headers['x-amz-sdk-checksum-algorithm']
  if (wanted === undefined) return
  if (found === undefined) {
    throw invalidRequest(
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    )
  }
  if (wanted.toUpperCase() !== found.algorithm) {
    throw invalidRequest('Value for x-amz-sdk-checksum-algorithm header is invalid.')
  }
}

/**
 * Decodes the base64 of a checksum.
 *
 * @throws S3Error `InvalidRequest`
 */
export function decodeChecksum(algorithm: ChecksumAlgorithm, text: string): Uint8Array {
  const { header, sizeBytes } = checksumAlgorithms[algorithm]
  const bytes = decodeExact(text, sizeBytes)
  if (bytes === undefined) throw invalidRequest(`Value for ${header} header is invalid.`)
  return bytes
}

/** Strict base64 of exactly `sizeBytes` bytes. */
function decodeExact(text: string, sizeBytes: number): Uint8Array | undefined {
  if (text.length > 64) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === sizeBytes && bytes.toString('base64') === text ? bytes : undefined
}

/**
 * `Content-MD5`: 16 bytes.
 *
 * @throws S3Error `InvalidDigest`
 */
export function parseContentMd5(header: string | undefined): Uint8Array | undefined {
  if (header === undefined) return undefined
  const bytes = decodeExact(header.trim(), 16)
  if (bytes === undefined) throw new S3Error('InvalidDigest', { fields: { 'Content-MD5': header.slice(0, 64) } })
  return bytes
}

/**
 * `x-amz-checksum-algorithm` of CreateMultipartUpload and CopyObject.
 *
 * @throws S3Error `InvalidRequest`
 */
export function parseChecksumAlgorithm(header: string | undefined): ChecksumAlgorithm | undefined {
  if (header === undefined) return undefined
  const upper = header.toUpperCase()
  const algorithm = names.find((name) => name === upper)
  if (algorithm !== undefined) return algorithm
  const list = names.join(', ')
  throw invalidRequest(
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${list}]`,
  )
}

/**
 * The checksum that CreateMultipartUpload asks for: algorithm and type, the type by default that of the algorithm.
 *
 * @throws S3Error `InvalidRequest`
 */
export function parseUploadChecksum(
  headers: RequestHeaders,
): { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined {
  const algorithm = parseChecksumAlgorithm(headers['x-amz-checksum-algorithm'])
  const type = parseChecksumType(headers['x-amz-checksum-type'])
  if (algorithm === undefined) {
    if (type === undefined) return undefined
    throw invalidRequest('The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.')
  }
  const { types, defaultType } = checksumAlgorithms[algorithm]
  if (type !== undefined && !types.includes(type)) {
    throw invalidRequest(
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    )
  }
  return { algorithm, type: type ?? defaultType }
}

/**
 * `x-amz-checksum-type`.
 *
 * @throws S3Error `InvalidRequest`
 */
export function parseChecksumType(header: string | undefined): ChecksumType | undefined {
  if (header === undefined) return undefined
  const type = header.toUpperCase()
  if (type === 'FULL_OBJECT' || type === 'COMPOSITE') return type
  throw invalidRequest('Value for x-amz-checksum-type header is invalid.')
}

/** The one `x-amz-checksum-*` of CompleteMultipartUpload, as sent: it may end in `-N`. */
export function parseCompleteChecksum(
  headers: RequestHeaders,
): { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined {
  let found: { algorithm: ChecksumAlgorithm; value: string } | undefined
  for (const algorithm of names) {
    const value = headers[checksumAlgorithms[algorithm].header]
    if (value === undefined) continue
    if (found !== undefined) {
      throw invalidRequest('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
    }
    const dash = value.indexOf('-')
    decodeChecksum(algorithm, dash < 0 ? value : value.slice(0, dash))
    if (dash >= 0 && !/^-[1-9]\d{0,4}$/.test(value.slice(dash))) {
      throw invalidRequest(`Value for ${checksumAlgorithms[algorithm].header} header is invalid.`)
    }
    found = { algorithm, value }
  }
  return found
}

/** Whether a read asks to be shown checksums. */
export function wantsChecksum(headers: RequestHeaders): boolean {
  return headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED'
}

/** Adds the checksum headers of a response. */
export function addChecksumHeaders(headers: Record<string, string>, checksum: ObjectChecksum | undefined): void {
  if (checksum === undefined) return
  headers[checksumAlgorithms[checksum.algorithm].header] = checksum.value
  headers['x-amz-checksum-type'] = checksum.type
}

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}

/**
 * The announced checksum out of the trailers of a body that has ended.
 *
 * @throws S3Error `InvalidRequest`, `InvalidArgument` (not there)
 */
export function parseTrailerChecksum(algorithm: ChecksumAlgorithm, trailers: ReadonlyMap<string, string>): Uint8Array {
  const { header } = checksumAlgorithms[algorithm]
  const value = trailers.get(header)
  if (value === undefined) throw invalidArgument(`The trailer ${header} is missing.`, header)
  return decodeChecksum(algorithm, value)
}
