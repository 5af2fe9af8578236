/**
 * What the model test asks of a server, and what it looks at in the answers: plain data, the same for the engine and for the
 * wire (issue 4 section 1).
 *
 * @module
 */

import { pattern } from '../pattern.ts'

/** Which of the two SSE-C keys of the test. */
export type ClientKey = 1 | 2

export type Mode =
  | { readonly mode: 'default' | 'sse-s3' }
  | { readonly mode: 'sse-kms'; readonly key?: string; readonly bucketKey: boolean; readonly context: boolean }
  | { readonly mode: 'dsse-kms'; readonly key?: string; readonly context: boolean }
  | { readonly mode: 'sse-c'; readonly clientKey: ClientKey }

/** A bucket's default encryption. */
export interface Rule {
  readonly key?: string
  /** With a key only. Two layers have no bucket key. */
  readonly layers?: 2
  readonly bucketKey: boolean
}

/** A content by its recipe, so that a trace can be printed. */
export interface Content {
  readonly size: number
  readonly fill: number
}

export const bytesOf = ({ size, fill }: Content): Buffer => pattern(fill * 101 + size).subarray(fill * 101)

export interface VersionRef {
  readonly bucket: string
  readonly name: string
  readonly versionId?: string
  readonly clientKey?: ClientKey
}

/** Entity tags without quotes, or `*`. */
export interface Conditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
}

export interface UploadRef {
  readonly bucket: string
  readonly name: string
  readonly uploadId: string
  readonly clientKey?: ClientKey
}

/** User metadata and tags: one value each, or nothing. */
export interface Details {
  readonly meta?: string
  readonly tag?: string
}

export type Range = { readonly first: number; readonly last?: number } | { readonly suffix: number }

export interface Read extends VersionRef, Conditions {
  readonly range?: Range
  readonly part?: number
}

export interface Listing {
  readonly flavour: 'v1' | 'v2' | 'versions' | 'uploads'
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string
  /** Only for `v1` and `v2`. */
  readonly after?: string
  /** All pages are read, one after the other. */
  readonly pageSize: number
}

/** Every kind of request with what it takes. */
export interface Requests {
  'create-bucket': { readonly bucket: string }
  'delete-bucket': { readonly bucket: string }
  'list-buckets': object
  'set-versioning': { readonly bucket: string; readonly state: 'enabled' | 'suspended' }
  'set-rule': { readonly bucket: string; readonly rule?: Rule }
  put: Details &
    Conditions & {
      readonly bucket: string
      readonly name: string
      readonly mode: Mode
      readonly content: Content
      readonly checksum?: 'CRC32' | 'SHA256'
    }
  get: Read
  head: Read
  delete: { readonly bucket: string; readonly name: string; readonly versionId?: string; readonly ifMatch?: string }
  copy: {
    readonly source: VersionRef & Conditions
    readonly bucket: string
    readonly name: string
    readonly mode: Mode
    /** Replaced if given, else copied. */
    readonly meta?: string
    readonly tag?: string
  }
  'get-tags': VersionRef
  'put-tags': VersionRef & { readonly tag?: string }
  list: Listing
  'list-parts': { readonly upload: UploadRef; readonly pageSize: number }
  begin: Details & { readonly bucket: string; readonly name: string; readonly mode: Mode }
  part: { readonly upload: UploadRef; readonly number: number; readonly content: Content }
  'part-copy': {
    readonly upload: UploadRef
    readonly number: number
    readonly source: VersionRef
    readonly range?: { readonly first: number; readonly last: number }
  }
  complete: {
    readonly upload: UploadRef
    readonly parts: readonly { readonly number: number; readonly etag: string }[]
    readonly ifNoneMatch?: string
  }
  abort: { readonly upload: UploadRef }
  lock: { readonly key: string }
  unlock: { readonly key: string }
  rotate: { readonly key: string }
}

export type Kind = keyof Requests

/** A request: its kind, and what it takes. */
export type Request = { readonly [K in Kind]: { readonly kind: K } & Requests[K] }[Kind]

/** All that is looked at in an answer. A field that an answer of this kind does not have is absent. */
export interface Answer {
  readonly etag?: string
  readonly versionId?: string
  readonly sourceVersionId?: string
  readonly size?: number
  /** `none`, `sse-s3`, `sse-kms:<key as named>`, `dsse-kms:<key as named>` or `sse-c`. */
  readonly encryption?: string
  readonly content?: Buffer
  /** `first-last`. */
  readonly range?: string
  readonly meta?: string
  readonly tagCount?: number
  readonly tag?: string
  /** `algorithm:value`. */
  readonly checksum?: string
  readonly deleteMarker?: boolean
  readonly uploadId?: string
  /** One line for each thing listed; common prefixes come last. */
  readonly items?: readonly string[]
}

/** A refusal has an S3 code; where the wire has none (HEAD), `status:` and the status. */
export type Outcome = { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly code: string }

/** Something that takes requests. Errors that are no answers are thrown. */
export interface Port {
  send(request: Request): Promise<Outcome>
}

/** The server's default key, and two more. */
export const keys = { standard: 'model-default', others: ['model-key-a', 'model-key-b'] } as const

/** Lines of listings, so that every port writes them alike. */
export const lineOf = {
  object: (name: string, etag: string, size: number) => `${name} | ${etag} | ${size}`,
  version: (name: string, id: string, etag: string, size: number, flags: string) =>
    `${name} | ${id} | ${etag} | ${size} | ${flags}`,
  upload: (name: string, uploadId: string) => `${name} | ${uploadId}`,
  part: (number: number, etag: string, size: number) => `${number} | ${etag} | ${size}`,
  prefix: (prefix: string) => `prefix ${prefix}`,
} as const
