/**
 * Reads a request that came whole, or with its head whole, and is of the usual kind, without `node:http`, whose streams cost several times what a small
 * request does (docs/adr/0021-small-requests-past-node-http.md).
 *
 * Whatever is not exactly that (a part of a head, two requests, any header that changes how a message is framed or answered,
 * any byte out of the ordinary) is left to `node:http` with its checks: this reads a subset of what those accept, and in the
 * same way (RFC 9112 2 to 7). Linear in the length of the bytes, which is bounded.
 *
 * @module
 */

import { isHost } from './request-guard.ts'

interface DirectHead {
  readonly method: string
  /** In origin form, of characters that a path or a query may have. */
  readonly target: string
  /** Names as sent and values without the blanks around them, by turns: `rawHeaders` of `IncomingMessage`. */
  readonly rawHeaders: readonly string[]
  /** Whether a body was announced, be it an empty one of chunks. */
  readonly hasBody: boolean
}

/** A request with all of its body. */
export interface WholeRequest extends DirectHead {
  readonly isWhole: true
  /** A view of the bytes that came from the connection: the reader's, who may overwrite it. */
  readonly body: Buffer
}

/** A request whose head is here and whose body, of a known length, is on its way. */
export interface BegunRequest extends DirectHead {
  readonly isWhole: false
  readonly bodyBytes: number
  /** The client sends no body before it was told to, which the first reading does. */
  readonly awaitsContinue: boolean
  /** The body piece by piece, as of `bodyChunks`; to be iterated once, or `readBody` called. The pieces are the caller's. */
  bodyChunks(): AsyncIterableIterator<Uint8Array>
  /**
   * The body, when it is here; to be called once or not at all. The buffer is the caller's.
   *
   * @throws HttpError `aborted` when the client went away first
   */
  readBody(): Promise<Buffer>
}

export type DirectRequest = WholeRequest | BegunRequest

/** What was read: a request, or the head of one and what has come of its body. */
export type DirectReading =
  | WholeRequest
  | (Omit<BegunRequest, 'readBody' | 'bodyChunks'> & {
      /** A view of the bytes that came. */
      readonly begun: Buffer
    })

/** Longer requests are left to `node:http`, unless large bodies are taken; bytes. */
const maxRequestBytes = 16_384
const maxHeadBytes = 8_192
const maxHeaders = 64

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE'])
const versionLine = Buffer.from(' HTTP/1.1\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')

const targetBytes = byteTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%?!$&'()*+,;=:@")
const nameBytes = byteTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~")

const [space, tab, carriageReturn, lineFeed, slash, colon] = [0x20, 0x09, 0x0d, 0x0a, 0x2f, 0x3a]

/** Heads with one of these are not remembered: they are secrets, or never the same twice. */
const secretNames: ReadonlySet<string> = new Set([
  'authorization',
  'x-amz-security-token',
  'x-amz-server-side-encryption-customer-key',
  'x-amz-copy-source-server-side-encryption-customer-key',
])

/** Headers that say how a message goes on, and secrets, by the length of their names. All others are of no consequence here. */
const namesByLength = byLength([
  ...secretNames,
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'proxy-connection',
  'expect',
  'upgrade',
  'trailer',
])

/** What a head says. */
interface Head {
  readonly method: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  /** Of the head itself, its empty line included. */
  readonly headBytes: number
  /** As Content-Length has it; -1 = not announced. */
  readonly bodyBytes: number
  readonly isChunked: boolean
  readonly hasSecret: boolean
  readonly awaitsContinue: boolean
}

/** Heads up to this length are remembered; bytes. */
const maxRemembered = 1_024

/** Reads the requests of one connection. Most clients send the same head again and again: then it is compared, and not read. */
export class DirectReader {
  readonly #maxHeadBytes: number
  readonly #takesLargeBodies: boolean
  readonly #maxRequestBytes: number
  #bytes: Buffer | undefined
  #head: Head | undefined

  /**
   * @param headerBytes what `node:http` takes of a head
   * @param takesLargeBodies bodies of any known length, and of clients that wait for `100 Continue`
   */
  constructor(headerBytes: number = maxHeadBytes, takesLargeBodies = false) {
    this.#maxHeadBytes = Math.min(headerBytes, maxHeadBytes)
    this.#takesLargeBodies = takesLargeBodies
    this.#maxRequestBytes = takesLargeBodies ? Number.POSITIVE_INFINITY : maxRequestBytes
  }

  /** Reads what came, from the beginning of a request on. @returns `undefined` for what is not for us */
  read(bytes: Buffer): DirectReading | undefined {
    if (bytes.length > this.#maxRequestBytes) return undefined
    const head = this.#remembered(bytes) ?? this.#readHead(bytes)
    if (head === undefined) return undefined
    const { method, target, rawHeaders, headBytes, bodyBytes, isChunked, awaitsContinue } = head
    if (awaitsContinue && !(this.#takesLargeBodies && bodyBytes > 0)) return undefined
    const length = Math.max(0, bodyBytes)
    const begun = { method, target, rawHeaders, hasBody: isChunked || length > 0 }
    if (!isChunked && headBytes + length > bytes.length) {
      if (headBytes + length > this.#maxRequestBytes) return undefined
      return { ...begun, isWhole: false, bodyBytes: length, awaitsContinue, begun: bytes.subarray(headBytes) }
    }
    const body = isChunked ? onlyChunk(bytes, headBytes) : rest(bytes, headBytes, length)
    return body === undefined ? undefined : { ...begun, isWhole: true, body }
  }

  #remembered(bytes: Buffer): Head | undefined {
    const known = this.#bytes
    if (known === undefined || bytes.length < known.length) return undefined
    return bytes.compare(known, 0, known.length, 0, known.length) === 0 ? this.#head : undefined
  }

  #readHead(bytes: Buffer): Head | undefined {
    const head = new HeadReader(bytes, this.#maxHeadBytes).read()
    if (head === undefined || head.hasSecret || head.headBytes > maxRemembered) return head
    this.#head = head
    this.#bytes = Buffer.from(bytes.subarray(0, head.headBytes))
    return head
  }
}

class HeadReader {
  readonly #bytes: Buffer
  readonly #maxBytes: number
  #at = 0
  /** Where names and values begin and end. */
  readonly #spans: number[] = []
  #hosts = 0
  #length = -1
  #isChunked = false
  #hasSecret = false
  #awaitsContinue = false

  constructor(bytes: Buffer, maxBytes: number) {
    this.#bytes = bytes
    this.#maxBytes = maxBytes
  }

  read(): Head | undefined {
    const method = this.#method()
    const target = method === undefined ? undefined : this.#target()
    if (method === undefined || target === undefined || !this.#headers()) return undefined
    return {
      method,
      target,
      rawHeaders: this.#rawHeaders(),
      headBytes: this.#at,
      bodyBytes: this.#length,
      isChunked: this.#isChunked,
      // A query may be signed.
      hasSecret: this.#hasSecret || target.includes('?'),
      awaitsContinue: this.#awaitsContinue,
    }
  }

  /** Each is a string of its own: a part of the whole head would keep all of it, with keys of customers, for as long as itself. */
  #rawHeaders(): string[] {
    const spans = this.#spans
    const raw: string[] = []
    for (let i = 0; i < spans.length; i += 2) raw.push(this.#bytes.toString('latin1', spans[i], spans[i + 1]))
    return raw
  }

  #method(): string | undefined {
    const end = this.#bytes.indexOf(space)
    if (end < 3 || end > 6) return undefined
    const method = this.#bytes.toString('latin1', 0, end)
    this.#at = end + 1
    return methods.has(method) ? method : undefined
  }

  #target(): string | undefined {
    const bytes = this.#bytes
    const start = this.#at
    if (bytes[start] !== slash) return undefined
    let at = start
    while (targetBytes[bytes[at] ?? 0] === 1) at++
    if (!isAt(bytes, at, versionLine)) return undefined
    this.#at = at + versionLine.length
    return bytes.toString('latin1', start, at)
  }

  /** All header lines and the empty one. */
  #headers(): boolean {
    const bytes = this.#bytes
    for (let count = 0; count <= maxHeaders; count++) {
      if (this.#at > this.#maxBytes) return false
      if (bytes[this.#at] === carriageReturn) {
        this.#at += 2
        if (this.#at > this.#maxBytes) return false
        return bytes[this.#at - 1] === lineFeed && this.#hosts === 1 && !(this.#isChunked && this.#length >= 0)
      }
      if (!this.#header()) return false
    }
    return false
  }

  #header(): boolean {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    while (nameBytes[bytes[at] ?? 0] === 1) at++
    if (at === start || bytes[at] !== colon) return false
    const nameEnd = at
    at++
    while (bytes[at] === space || bytes[at] === tab) at++
    const valueStart = at
    // Visible ASCII, spaces and tabs: nothing else ends the loop but the end of the line, or what is not for us.
    for (let byte = bytes[at] ?? 0; (byte >= space && byte < 0x7f) || byte === tab; byte = bytes[at] ?? 0) at++
    if (bytes[at] !== carriageReturn || bytes[at + 1] !== lineFeed) return false
    this.#at = at + 2
    const lineEnd = at
    while (at > valueStart && (bytes[at - 1] === space || bytes[at - 1] === tab)) at--
    this.#spans.push(start, nameEnd, valueStart, at)
    const name = knownName(bytes, start, nameEnd)
    if (name === undefined) return true
    // Node's parser takes spaces behind a length or a coding, but no tabs.
    if (at < lineEnd && bytes.subarray(at, lineEnd).includes(tab)) return false
    return this.#known(name, bytes.toString('latin1', valueStart, at))
  }

  #known(name: string, value: string): boolean {
    switch (name) {
      case 'host':
        this.#hosts++
        return isHost(value)
      case 'content-length':
        if (this.#length >= 0 || !/^\d{1,15}$/.test(value)) return false
        this.#length = Number(value)
        return true
      case 'transfer-encoding':
        if (this.#isChunked) return false
        this.#isChunked = true
        return value === 'chunked'
      case 'expect':
        if (this.#awaitsContinue) return false
        this.#awaitsContinue = true
        return value.toLowerCase() === '100-continue'
      case 'connection':
        return value.toLowerCase() === 'keep-alive'
      default:
        this.#hasSecret = secretNames.has(name)
        return this.#hasSecret
    }
  }
}

/** Everything that is left, if it is exactly that long. */
function rest(bytes: Buffer, at: number, length: number): Buffer | undefined {
  return at + length === bytes.length ? bytes.subarray(at) : undefined
}

/** The body of a message of at most one chunk, without extensions and trailers (RFC 9112 7.1). */
function onlyChunk(bytes: Buffer, at: number): Buffer | undefined {
  if (isLastChunk(bytes, at)) return bytes.subarray(at, at)
  const lineEnd = bytes.indexOf(carriageReturn, at)
  if (lineEnd < 0 || bytes[lineEnd + 1] !== lineFeed) return undefined
  const size = chunkSize(bytes, at, lineEnd)
  if (size === undefined) return undefined
  const start = lineEnd + 2
  const end = start + size
  if (bytes[end] !== carriageReturn || bytes[end + 1] !== lineFeed) return undefined
  return isLastChunk(bytes, end + 2) ? bytes.subarray(start, end) : undefined
}

/** One to four hexadecimal digits, not of zero. */
function chunkSize(bytes: Buffer, start: number, end: number): number | undefined {
  if (end === start || end - start > 4) return undefined
  let size = 0
  for (let at = start; at < end; at++) {
    const digit = hexDigit(bytes[at] ?? 0)
    if (digit < 0) return undefined
    size = size * 16 + digit
  }
  return size === 0 ? undefined : size
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function isLastChunk(bytes: Buffer, at: number): boolean {
  return at + lastChunk.length === bytes.length && isAt(bytes, at, lastChunk)
}

function isAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}

function knownName(bytes: Buffer, start: number, end: number): string | undefined {
  for (const name of namesByLength[end - start] ?? []) if (isName(bytes, start, name)) return name
  return undefined
}

/** Names are tokens, of which only letters and digits differ from others in that one bit. */
function isName(bytes: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const expected = name.charCodeAt(i)
    const byte = bytes[start + i] ?? 0
    if (byte !== expected && (byte | 0x20) !== expected) return false
  }
  return true
}

function byLength(names: readonly string[]): readonly (readonly string[] | undefined)[] {
  const table: string[][] = []
  for (const name of names) table[name.length] = [...(table[name.length] ?? []), name]
  return table
}

function byteTable(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}
