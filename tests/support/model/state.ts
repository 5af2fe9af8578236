/**
 * S3 as the model keeps it in memory: buckets, the versions of each name newest first, running uploads.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { type ClientKey, type Conditions, type Details, keys, type Mode, type Rule } from './requests.ts'

/** How something is encrypted in effect. */
export interface Encryption {
  readonly mode: 'none' | 'sse-s3' | 'sse-kms' | 'dsse-kms' | 'sse-c'
  /** The key that it needs of the key service. */
  readonly key?: string
  readonly clientKey?: ClientKey
}

export interface Version extends Details {
  /** `null` for the null version. */
  readonly id: string
  readonly isMarker: boolean
  readonly etag: string
  readonly content: Buffer
  readonly encryption: Encryption
  readonly checksum?: string
  /** Sizes of the parts by number, of an object that an upload made. */
  readonly parts?: ReadonlyMap<number, number>
  readonly uploadId?: string
}

export interface Part {
  readonly etag: string
  readonly content: Buffer
}

export interface Upload extends Details {
  readonly id: string
  readonly name: string
  readonly encryption: Encryption
  readonly parts: ReadonlyMap<number, Part>
}

export interface BucketState {
  readonly versioning: 'unset' | 'enabled' | 'suspended'
  readonly rule?: Rule
  readonly names: ReadonlyMap<string, readonly Version[]>
  readonly uploads: ReadonlyMap<string, Upload>
}

export const md5Hex = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

/** Whether entity tags of this mode are the MD5 of the content. */
export const hasMd5 = ({ mode }: Encryption): boolean => mode === 'none' || mode === 'sse-s3'

const namesKey: ReadonlySet<Encryption['mode']> = new Set(['sse-kms', 'dsse-kms'])

export const describeEncryption = ({ mode, key }: Encryption): string => (namesKey.has(mode) ? `${mode}:${key}` : mode)

/** What an encryption request comes to in a bucket. */
export function encryptionOf(mode: Mode, rule: Rule | undefined, byDefault: 'none' | 'sse-s3'): Encryption {
  switch (mode.mode) {
    case 'sse-c':
      return { mode: 'sse-c', clientKey: mode.clientKey }
    case 'sse-kms':
    case 'dsse-kms':
      return { mode: mode.mode, key: mode.key ?? keys.standard }
    case 'sse-s3':
      return { mode: 'sse-s3', key: keys.standard }
    default:
      if (rule?.key !== undefined) return { mode: rule.layers === 2 ? 'dsse-kms' : 'sse-kms', key: rule.key }
      if (rule) return { mode: 'sse-s3', key: keys.standard }
      return byDefault === 'none' ? { mode: 'none' } : { mode: 'sse-s3', key: keys.standard }
  }
}

export const currentOf = (bucket: BucketState, name: string): Version | undefined => bucket.names.get(name)?.[0]

/** The current version, if it is an object. */
export function objectOf(bucket: BucketState, name: string): Version | undefined {
  const current = currentOf(bucket, name)
  return current && !current.isMarker ? current : undefined
}

/** S3 codes with which conditions refuse a write over `current`. */
export function writeRefusals({ ifMatch, ifNoneMatch }: Conditions, current: Version | undefined): string[] {
  const codes: string[] = []
  if (ifMatch !== undefined && !current) codes.push('NoSuchKey')
  else if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== current?.etag) codes.push('PreconditionFailed')
  if (ifNoneMatch !== undefined && current && (ifNoneMatch === '*' || ifNoneMatch === current.etag)) {
    codes.push('PreconditionFailed')
  }
  return codes
}

/** S3 codes with which conditions refuse a read of `version`. */
export function readRefusals({ ifMatch, ifNoneMatch }: Conditions, version: Version): string[] {
  const codes: string[] = []
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== version.etag) codes.push('PreconditionFailed')
  if (ifNoneMatch === '*' || ifNoneMatch === version.etag) codes.push('NotModified')
  return codes
}

/** Names and common prefixes of a listing, in the order of their bytes. */
export function rolledUp(
  names: readonly string[],
  { prefix, delimiter, after }: { readonly prefix: string; readonly delimiter?: string; readonly after?: string },
): { readonly names: string[]; readonly prefixes: string[] } {
  const found = { names: [] as string[], prefixes: new Set<string>() }
  for (const name of [...names].sort(byBytes)) {
    if (!name.startsWith(prefix)) continue
    const at = delimiter === undefined ? -1 : name.indexOf(delimiter, prefix.length)
    const rolled = at < 0 || delimiter === undefined ? undefined : name.slice(0, at + delimiter.length)
    if (after !== undefined && byBytes(rolled ?? name, after) <= 0) continue
    if (rolled === undefined) found.names.push(name)
    else found.prefixes.add(rolled)
  }
  return { names: found.names, prefixes: [...found.prefixes] }
}

export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
