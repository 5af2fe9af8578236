/**
 * The access log: one JSON line per request. What is not a field here cannot be logged: there is none for headers, and
 * query values that carry signatures, keys or tokens are removed.
 *
 * @module
 */

/** One request. Fields that do not apply are left out of the line. */
export interface AccessEntry {
  readonly requestId: string
  /** The operation's name, `unknown` where none was recognised. */
  readonly operation: string
  readonly method: string
  /** The request target as received; its query is redacted here. */
  readonly target: string
  readonly status: number
  /** Body bytes received and sent. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** From the end of the request headers to the end of the response. */
  readonly durationMs: number
  /** From the end of the request headers to the first byte of the response. */
  readonly ttfbMs?: number | undefined
  readonly remoteAddress: string
  readonly account?: string | undefined
  readonly accessKeyId?: string | undefined
  readonly bucket?: string | undefined
  /** The name of the key that the object is encrypted under. */
  readonly keyId?: string | undefined
  readonly encryption?: string | undefined
  readonly errorCode?: string | undefined
}

/** Where lines go: a stream or anything that takes strings. Each call is one line with its line feed. */
export interface LogStream {
  write(line: string): void
}

export interface AccessLog {
  write(entry: AccessEntry): void
}

/** Writes access lines to a stream, in order. */
export function createAccessLog(stream: LogStream): AccessLog {
  return { write: (entry) => stream.write(`${JSON.stringify(line(entry))}\n`) }
}

/** Field by field: an entry with more properties than its type says must not carry them into the log. */
function line(entry: AccessEntry): Record<string, unknown> {
  return {
    level: 'info',
    time: new Date().toISOString(),
    requestId: entry.requestId,
    operation: entry.operation,
    method: entry.method,
    target: redactTarget(entry.target),
    status: entry.status,
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut,
    durationMs: round(entry.durationMs),
    ttfbMs: entry.ttfbMs === undefined ? undefined : round(entry.ttfbMs),
    remoteAddress: entry.remoteAddress,
    account: entry.account,
    accessKeyId: entry.accessKeyId,
    bucket: entry.bucket,
    keyId: entry.keyId,
    encryption: entry.encryption,
    errorCode: entry.errorCode,
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 1_000) / 1_000
}

const LONGEST_TARGET = 2_048
const SECRET_NAMES = ['signature', 'token', 'secret', 'password', 'credential', 'customer-key', 'policy', 'auth']
const REDACTED = 'REDACTED'

/**
 * Removes the values of query parameters whose names speak of signatures, tokens, credentials or customer keys, however
 * the name is cased or percent-encoded. Targets over 2,048 characters are cut afterwards.
 */
export function redactTarget(target: string): string {
  const question = target.indexOf('?')
  if (question < 0) return shorten(target)
  const pairs = target.slice(question + 1).split('&')
  return shorten(`${target.slice(0, question)}?${pairs.map(redactPair).join('&')}`)
}

function redactPair(pair: string): string {
  const equals = pair.indexOf('=')
  if (equals < 0) return pair
  const name = pair.slice(0, equals)
  return isSecretName(name) ? `${name}=${REDACTED}` : pair
}

function isSecretName(name: string): boolean {
  let plain = name
  try {
    plain = decodeURIComponent(name)
  } catch {
    // An undecodable name hides something or is an accident: in both cases its value is not worth keeping.
    return true
  }
  const lower = plain.toLowerCase()
  return SECRET_NAMES.some((part) => lower.includes(part))
}

function shorten(target: string): string {
  return target.length <= LONGEST_TARGET ? target : `${target.slice(0, LONGEST_TARGET)}…`
}
