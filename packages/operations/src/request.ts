/**
 * What the S3 operations see of a request and what they answer: no sockets, no `node:http`. The server turns its request
 * and response objects into these and back.
 *
 * @module
 */

/** Lower-case names; several lines of one name are joined with `,` (see {@link headerRecord}). Each unit is one byte (latin1). */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

/**
 * The body of a request, read once by one of its two methods, or not at all.
 *
 * Errors of the transport carry a `code`: `'aborted'` (the client went away or the body ended short of `Content-Length`),
 * `'timeout'` (nothing came for too long), `'too-large'` (`read` met more than its limit). Every other error is a fault of ours.
 */
export interface RequestBody {
  /** `Content-Length`. `0`: there is no body. `undefined`: sent in chunks (`Transfer-Encoding`), length not known. */
  readonly declaredLength: number | undefined
  /** All of it. Rejects with code `'too-large'` beyond `limitBytes`, before buffering more than that. */
  read(limitBytes: number): Promise<Uint8Array>
  /** Piece by piece, with back-pressure. The consumer owns the pieces and may free their memory; ending the iteration early is allowed. */
  stream(): AsyncIterable<Uint8Array>
}

/** One request on an S3 route. */
export interface S3Request {
  /** Upper case. */
  readonly method: string
  /** Path of the request line, still percent-encoded, without the query. */
  readonly rawPath: string
  /** Query of the request line, still percent-encoded, without `?`. Empty if there is none. */
  readonly rawQuery: string
  readonly headers: RequestHeaders
  readonly body: RequestBody
  /** The client side was TLS: this socket, or a trusted proxy says so. */
  readonly secure: boolean
  readonly remoteAddress: string
  /** 16 upper-case hexadecimal digits, the `x-amz-request-id` of the answer. */
  readonly requestId: string
  /** The `x-amz-id-2` of the answer. */
  readonly hostId: string
}

export type ResponseBody = string | Uint8Array | AsyncIterable<Uint8Array>

/** What the access log and the metrics are told about a request. Never a secret. */
export interface RequestLog {
  /** AWS's name of the operation (`PutObject`), or `undefined` while it is not known. */
  operation?: string
  bucket?: string
  /** The object name. */
  name?: string
  versionId?: string
  accountId?: string
  accessKeyId?: string
  /** Name of the KMS key that the object is under. */
  keyId?: string
  encryptionMode?: 'none' | 'sse-s3' | 'sse-kms' | 'dsse-kms' | 'sse-c'
  /** S3 error code of the answer. */
  errorCode?: string
}

/** The answer. */
export interface S3Response {
  readonly status: number
  /** Complete but for `Date` and connection headers. `content-length` is there whenever the length is known. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Absent: none (HEAD, 204, 304). A stream that throws midway must cut the connection: the status has been sent by then
   * and nothing else tells the client. The server ends the iteration early when the client goes away. The pieces of a stream
   * are the server's.
   */
  readonly body?: ResponseBody
  readonly log: Readonly<RequestLog>
}

/** Answers every request, errors included; rejects never. */
export type S3Handler = (request: S3Request) => Promise<S3Response>

/**
 * The header record of a raw header list as `node:http` gives it (name, value, name, value, …). A header that was sent
 * several times becomes one value joined with `,`, as SigV4 signs it: so a repeated header that allows one value only is
 * refused by whoever parses it, and neither copy wins silently.
 */
export function headerRecord(rawHeaders: readonly string[]): RequestHeaders {
  const record: Record<string, string | undefined> = Object.create(null)
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    const value = rawHeaders[index + 1] ?? ''
    const earlier = record[name]
    record[name] = earlier === undefined ? value : `${earlier},${value}`
  }
  return record
}
