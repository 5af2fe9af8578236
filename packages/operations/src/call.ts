/**
 * What an operation is given and what it gives back.
 *
 * @module
 */

import type { Accounts, Action, Principal } from '@strongroom/accounts'
import type { Bucket, Engine, Requester } from '@strongroom/engine'
import type { Compatibility, S3Operation } from '@strongroom/s3'
import type { Payload } from './authenticate.ts'
import type { DocumentBudget } from './document-budget.ts'
import type { RequestHeaders, RequestLog, ResponseBody, S3Request } from './request.ts'

/** What all requests share. */
export interface Context {
  readonly engine: Engine
  readonly accounts: Pick<Accounts, 'lookup' | 'rootAccountId'>
  /** The server's region, as `x-amz-bucket-region` and locations name it. */
  readonly region: string
  readonly compatibility: Compatibility
  /** What a new object gets when neither request nor bucket say. */
  readonly defaultEncryption: 'none' | 'sse-s3' | 'sse-kms'
  /** What the documents of all requests may take together. */
  readonly documents: DocumentBudget
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told of every fault of ours, once, with its cause. */
  readonly onUnexpectedError: UnexpectedErrorListener
}

export type UnexpectedErrorListener = (error: unknown, request: { readonly requestId: string } & RequestLog) => void

/** A request whose signature was good and whose caller may do this. */
export interface Call {
  readonly context: Context
  readonly request: S3Request
  readonly operation: S3Operation
  /** Decoded. */
  readonly query: ReadonlyMap<string, string>
  /** Those of the request, and those that an SDK moved into a signed query. */
  readonly headers: RequestHeaders
  readonly principal: Principal
  readonly requester: Requester
  readonly payload: Payload
  /** Empty on the service level. */
  readonly bucketName: string
  /** Told what happens, for access log and metrics. */
  readonly log: RequestLog
}

/** A call on a bucket that exists and is the caller's. */
export interface BucketCall extends Call {
  readonly bucket: Bucket
  /** The object name; empty on the bucket level. */
  readonly name: string
}

/** The answer, before the headers that all answers bear. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: ResponseBody
  /** Of a body that is a stream, or of one that HEAD leaves out. */
  readonly contentLength?: number
}

/** An operation: the action it takes in terms of policies, and on what. */
export type Operation =
  | { readonly action: Action; readonly on: 'service'; readonly run: (call: Call) => Promise<Reply> }
  | { readonly action: Action; readonly on: 'bucket'; readonly run: (call: BucketCall) => Promise<Reply> }

/** An XML answer. */
export function xmlReply(document: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body: document }
}
