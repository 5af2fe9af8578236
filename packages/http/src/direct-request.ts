/**
 * Reads a request that came whole and is of the usual kind, without `node:http`, whose streams cost several times what a small
 * request does (docs/adr/0021-small-requests-past-node-http.md).
 *
 * Whatever is not exactly that (a part of a request, two of them, any header that changes how a message is framed or answered,
 * any byte out of the ordinary) is left to `node:http` with its checks: this reads a subset of what those accept, and in the
 * same way (RFC 9112 2 to 7). Linear in the length of the bytes, which is bounded.
 *
 * @module
 */

import { isHost } from './request-guard.ts'

/** A request with all of its body. */
export interface DirectRequest {
  readonly method: string
  /** In origin form, of unreserved characters, `/`, `%` and `*`. */
  readonly target: string
  /** Whether a body was announced, be it an empty one of chunks. */
  readonly hasBody: boolean
  /** A view of the bytes that came from the connection: the reader's, who may overwrite it. */
  readonly body: Buffer
}

/** Longer requests are left to `node:http`; bytes. */
const maxRequestBytes = 16_384
const maxHeadBytes = 8_192
const maxHeaders = 64

const methods: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE'])
const versionLine = Buffer.from(' HTTP/1.1\r\n')
const lastChunk = Buffer.from('0\r\n\r\n')

const targetBytes = byteTable('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%*')
const nameBytes = byteTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~")

const [space, tab, carriageReturn, lineFeed, slash, colon] = [0x20, 0x09, 0x0d, 0x0a, 0x2f, 0x3a]

/** Headers that say how a message goes on, by the length of their names. All others are of no consequence here. */
const namesByLength = byLength([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'proxy-connection',
  'expect',
  'upgrade',
  'trailer',
])

/** Reads the bytes of a connection, from the beginning of a request on. @returns `undefined` for what is not for us */
export function readDirectRequest(bytes: Buffer): DirectRequest | undefined {
  return bytes.length > maxRequestBytes ? undefined : new Reader(bytes).read()
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  #hosts = 0
  /** Of the body, as Content-Length has it; -1 = not announced. */
  #length = -1
  #isChunked = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  read(): DirectRequest | undefined {
    const method = this.#method()
    const target = method === undefined ? undefined : this.#target()
    if (method === undefined || target === undefined || !this.#headers()) return undefined
    const hasBody = this.#isChunked || this.#length > 0
    const body = this.#isChunked ? this.#onlyChunk() : this.#rest(Math.max(0, this.#length))
    return body === undefined ? undefined : { method, target, hasBody, body }
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
    if (!this.#isAt(at, versionLine)) return undefined
    this.#at = at + versionLine.length
    return bytes.toString('latin1', start, at)
  }

  /** All header lines and the empty one. */
  #headers(): boolean {
    const bytes = this.#bytes
    for (let count = 0; count <= maxHeaders; count++) {
      if (this.#at > maxHeadBytes) return false
      if (bytes[this.#at] === carriageReturn) {
        this.#at += 2
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
    const name = knownName(bytes, start, nameEnd)
    if (name === undefined) return true
    while (at > valueStart && (bytes[at - 1] === space || bytes[at - 1] === tab)) at--
    return this.#known(name, bytes.toString('latin1', valueStart, at))
  }

  #known(name: string, value: string): boolean {
    switch (name) {
      case 'host':
        this.#hosts++
        return isHost(value)
      case 'content-length':
        if (this.#length >= 0 || !/^\d{1,5}$/.test(value)) return false
        this.#length = Number(value)
        return true
      case 'transfer-encoding':
        if (this.#isChunked) return false
        this.#isChunked = true
        return value === 'chunked'
      case 'connection':
        return value.toLowerCase() === 'keep-alive'
      default:
        return false
    }
  }

  /** Everything that is left, if it is exactly that long. */
  #rest(length: number): Buffer | undefined {
    return this.#at + length === this.#bytes.length ? this.#bytes.subarray(this.#at) : undefined
  }

  /** The body of a message of at most one chunk, without extensions and trailers (RFC 9112 7.1). */
  #onlyChunk(): Buffer | undefined {
    const bytes = this.#bytes
    if (this.#isLast(this.#at)) return bytes.subarray(this.#at, this.#at)
    const lineEnd = bytes.indexOf(carriageReturn, this.#at)
    if (lineEnd < 0 || bytes[lineEnd + 1] !== lineFeed) return undefined
    const size = bytes.toString('latin1', this.#at, Math.min(lineEnd, this.#at + 5))
    if (lineEnd - this.#at !== size.length || !/^[\da-fA-F]{1,4}$/.test(size)) return undefined
    const start = lineEnd + 2
    const end = start + Number.parseInt(size, 16)
    if (end === start || bytes[end] !== carriageReturn || bytes[end + 1] !== lineFeed) return undefined
    return this.#isLast(end + 2) ? bytes.subarray(start, end) : undefined
  }

  #isLast(at: number): boolean {
    return at + lastChunk.length === this.#bytes.length && this.#isAt(at, lastChunk)
  }

  #isAt(at: number, expected: Buffer): boolean {
    for (let i = 0; i < expected.length; i++) if (this.#bytes[at + i] !== expected[i]) return false
    return true
  }
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
