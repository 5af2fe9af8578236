/**
 * From the request line and the `Host` header to bucket and object name: path style and virtual-host style.
 * "Methods for accessing a bucket", "Bucket naming rules", "Naming Amazon S3 objects".
 *
 * @module
 */

import { decodeUriText } from '@strongroom/sigv4'
import { S3Error } from './s3-error.ts'

/** What a request is about. */
export type RequestTarget =
  | { readonly level: 'service' }
  | { readonly level: 'bucket'; readonly bucket: string }
  | { readonly level: 'object'; readonly bucket: string; readonly name: string }

/** Longest object name, in UTF-8 bytes. */
export const maxNameBytes = 1024

/**
 * @param rawPath path of the request line, still percent-encoded
 * @param host the `Host` header
 * @param domains lower-case names under which buckets are sub-domains
 * @throws S3Error `InvalidURI`, `InvalidBucketName`, `KeyTooLongError`
 */
export function parseRequestTarget(
  rawPath: string,
  host: string | undefined,
  domains: readonly string[] = [],
): RequestTarget {
  if (!rawPath.startsWith('/')) throw new S3Error('InvalidURI')
  const hosted = bucketOfHost(host, domains)
  if (hosted !== undefined) return targetOf(hosted, rawPath.slice(1))
  if (rawPath === '/') return { level: 'service' }
  const slash = rawPath.indexOf('/', 1)
  const rawBucket = slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash)
  return targetOf(decode(rawBucket), slash < 0 ? '' : rawPath.slice(slash + 1))
}

function targetOf(bucket: string, rawName: string): RequestTarget {
  if (!isBucketName(bucket)) throw new S3Error('InvalidBucketName', { fields: { BucketName: bucket } })
  if (rawName === '') return { level: 'bucket', bucket }
  const name = decode(rawName)
  checkName(name)
  return { level: 'object', bucket, name }
}

/** @throws S3Error `KeyTooLongError` */
export function checkName(name: string): void {
  if (name.length <= maxNameBytes / 3) return
  const size = Buffer.byteLength(name, 'utf8')
  if (size > maxNameBytes) {
    throw new S3Error('KeyTooLongError', { fields: { Size: String(size), MaxSizeAllowed: String(maxNameBytes) } })
  }
}

function decode(raw: string): string {
  try {
    return decodeUriText(raw, { plusIsSpace: false })
  } catch (cause) {
    throw new S3Error('InvalidURI', { cause })
  }
}

/** The bucket that a `Host` header names: what stands before the longest of our domains. */
function bucketOfHost(host: string | undefined, domains: readonly string[]): string | undefined {
  if (host === undefined || domains.length === 0) return undefined
  const name = hostName(host)
  let longest = ''
  for (const domain of domains) {
    if (domain.length <= longest.length) continue
    if (name === domain || name.endsWith(`.${domain}`)) longest = domain
  }
  return longest === '' || name === longest ? undefined : name.slice(0, -longest.length - 1)
}

function hostName(host: string): string {
  const colon = host.lastIndexOf(':')
  // An IPv6 address is in brackets, so a colon after the last bracket begins the port.
  const bare = colon > host.lastIndexOf(']') ? host.slice(0, colon) : host
  return (bare.endsWith('.') ? bare.slice(0, -1) : bare).toLowerCase()
}

const reservedPrefixes = ['xn--', 'sthree-', 'amzn-s3-demo-']
const reservedSuffixes = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']

/** Whether AWS takes `name` for a general purpose bucket. */
export function isBucketName(name: string): boolean {
  if (name.length < 3 || name.length > 63) return false
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index)
    if (isLetterOrDigit(unit)) continue
    const isInside = index > 0 && index < name.length - 1
    const isDoubleDot = unit === 0x2e && name.charCodeAt(index - 1) === 0x2e
    if (!isInside || isDoubleDot || (unit !== 0x2e && unit !== 0x2d)) return false
  }
  if (/^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)) return false
  return (
    !reservedPrefixes.some((prefix) => name.startsWith(prefix)) &&
    !reservedSuffixes.some((suffix) => name.endsWith(suffix))
  )
}

function isLetterOrDigit(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39)
}
