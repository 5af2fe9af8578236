/**
 * The answers that the HTTP edge gives by itself, before any handler: one table.
 *
 * @module
 */

/** Why a request never reached the handler. */
export type RejectionCode =
  | 'malformed-request'
  | 'headers-too-large'
  | 'missing-host'
  | 'invalid-host'
  | 'unsupported-transfer-encoding'
  | 'unsupported-version'
  | 'unsupported-method'
  | 'expectation-failed'
  | 'header-timeout'
  | 'handler-failed'

/** A whole answer. The connection is closed after it. */
export interface RejectionAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  /** Further ones. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Lets the server dress rejections in its own error format. Must not throw. */
export type FormatRejection = (code: RejectionCode, status: number, message: string) => RejectionAnswer

const TABLE: Readonly<Record<RejectionCode, readonly [number, string, string]>> = {
  'malformed-request': [400, 'Bad Request', 'The request could not be parsed.'],
  'headers-too-large': [431, 'Request Header Fields Too Large', 'The request headers are too large or too many.'],
  'missing-host': [400, 'Bad Request', 'The Host header is missing.'],
  'invalid-host': [400, 'Bad Request', 'The Host header is repeated or malformed.'],
  'unsupported-transfer-encoding': [501, 'Not Implemented', 'The only transfer encoding supported is chunked.'],
  'unsupported-version': [505, 'HTTP Version Not Supported', 'The server speaks HTTP/1.1 and HTTP/1.0.'],
  'unsupported-method': [405, 'Method Not Allowed', 'The server is not a proxy.'],
  'expectation-failed': [417, 'Expectation Failed', 'The only expectation supported is 100-continue.'],
  'header-timeout': [408, 'Request Timeout', 'The request headers did not arrive in time.'],
  'handler-failed': [500, 'Internal Server Error', 'Internal error.'],
}

/** What a plaintext client gets on the TLS port, byte for byte what Go's server sends (specification row 40). */
export const PLAINTEXT_ON_TLS_PORT = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'

const plainText: FormatRejection = (_code, status, message) => ({
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${message}\n`,
})

/** The answer to a rejected request. */
export function rejectionAnswer(code: RejectionCode, format: FormatRejection = plainText): RejectionAnswer {
  const [status, , message] = TABLE[code]
  return format(code, status, message)
}

/** The same answer as bytes, for connections whose request never became a message. */
export function rejectionBytes(code: RejectionCode, format?: FormatRejection): string {
  const { status, contentType, body, headers = {} } = rejectionAnswer(code, format)
  const reason = TABLE[code][1]
  return [
    `HTTP/1.1 ${status} ${reason}`,
    'Connection: close',
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n')
}
