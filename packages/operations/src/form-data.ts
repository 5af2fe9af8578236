/**
 * A streaming reader of `multipart/form-data` for browser uploads (RFC 7578 as S3's POST Object takes it): the fields before
 * the file are read into memory, at most 20,000 bytes of them; the file is handed on piece by piece; what follows it is
 * ignored, as on AWS.
 *
 * @module
 */

import { s3Error } from './s3-error.ts'

export interface FormFile {
  /** As the browser sent it; empty when it sent none. */
  readonly filename: string
  readonly contentType: string | undefined
  /** Bytes of the body before the first byte of the file. */
  readonly offset: number
  /** To be read once, up to its end. Throws `MalformedPOSTRequest` when the closing boundary never comes. */
  readonly content: AsyncIterable<Uint8Array>
}

export interface FormData {
  /** Fields before the file, names in lower case. Of a repeated field the first counts. */
  readonly fields: ReadonlyMap<string, string>
  readonly file: FormFile
}

const maxFieldBytes = 20_000
const maxPartHeaderBytes = 8192
const maxFields = 200
const lineEnd = Buffer.from('\r\n')
const headerEnd = Buffer.from('\r\n\r\n')

/** The boundary of a `multipart/form-data` content type, or `undefined` when it is another type or has no good one. */
export function formBoundary(contentType: string): string | undefined {
  const [type = '', ...parameters] = contentType.split(';', 20)
  if (type.trim().toLowerCase() !== 'multipart/form-data') return undefined
  for (const parameter of parameters) {
    const equals = parameter.indexOf('=')
    if (parameter.slice(0, equals).trim().toLowerCase() !== 'boundary') continue
    const raw = parameter.slice(equals + 1).trim()
    const boundary = raw.length > 1 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1) : raw
    return /^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary) ? boundary : undefined
  }
  return undefined
}

/** Length in bytes of what closes a form after its file when nothing follows it. */
export function closingLength(boundary: string): number {
  return Buffer.byteLength(`\r\n--${boundary}--\r\n`)
}

/**
 * Reads a form up to its file.
 *
 * @throws EngineError `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, `IncorrectNumberOfFilesInPostRequest` (no file)
 */
export async function readForm(source: AsyncIterable<Uint8Array>, boundary: string): Promise<FormData> {
  const input = new BufferedInput(source)
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // The first boundary stands at the very start, without the line end that later ones have before them.
  const opening = await input.take(delimiter.length - 2, 'MalformedPOSTRequest')
  if (!opening.equals(delimiter.subarray(2))) throw malformed()
  const fields = new Map<string, string>()
  let fieldBytes = 0
  for (let count = 0; count <= maxFields; count++) {
    const afterBoundary = await input.take(2, 'MalformedPOSTRequest')
    if (!afterBoundary.equals(lineEnd)) {
      throw s3Error('IncorrectNumberOfFilesInPostRequest', 'POST requires exactly one file upload per request.')
    }
    const header = parsePartHeader(await input.until(headerEnd, maxPartHeaderBytes, 'MalformedPOSTRequest'))
    if (header.name === 'file') {
      const { filename, contentType } = header
      return { fields, file: { filename, contentType, offset: input.consumed, content: fileContent(input, delimiter) } }
    }
    const value = await input.until(delimiter, maxFieldBytes - fieldBytes, 'MaxPostPreDataLengthExceeded')
    fieldBytes += header.name.length + value.length
    if (fieldBytes > maxFieldBytes) throw s3Error('MaxPostPreDataLengthExceeded')
    if (!fields.has(header.name)) fields.set(header.name, utf8(value))
  }
  throw s3Error('MaxPostPreDataLengthExceeded')
}

async function* fileContent(input: BufferedInput, delimiter: Buffer): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { piece, found } = input.pieceBefore(delimiter)
    if (piece.length > 0) yield piece
    if (found) return
    if (!(await input.fill())) throw malformed()
  }
}

interface PartHeader {
  readonly name: string
  readonly filename: string
  readonly contentType: string | undefined
}

function parsePartHeader(header: Buffer): PartHeader {
  let disposition: string | undefined
  let contentType: string | undefined
  for (const line of utf8(header).split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'content-disposition') disposition ??= value
    else if (name === 'content-type') contentType ??= value
  }
  if (disposition?.slice(0, 9).toLowerCase() !== 'form-data') throw malformed()
  const name = dispositionParameter(disposition, 'name')
  if (name === undefined || name === '') throw malformed()
  return { name: name.toLowerCase(), filename: dispositionParameter(disposition, 'filename') ?? '', contentType }
}

/** `; name="value"`; browsers write a quote in a value as `%22`, others as `\"`. */
function dispositionParameter(disposition: string, wanted: string): string | undefined {
  const pattern = /;[ \t]*([a-z*-]{1,32})=(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/gi
  for (const match of disposition.matchAll(pattern)) {
    if (match[1]?.toLowerCase() === wanted) return match[2]?.replace(/\\(["\\])/g, '$1') ?? match[3]?.trim()
  }
  return undefined
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw malformed(cause)
  }
}

function malformed(cause?: unknown) {
  return s3Error('MalformedPOSTRequest', undefined, undefined, cause)
}

/** A stream that can be read up to a mark. Holds what has come and is not yet taken. */
class BufferedInput {
  /** Bytes taken so far. */
  consumed = 0
  readonly #source: AsyncIterator<Uint8Array>
  #buffer: Buffer = Buffer.alloc(0)
  #searched = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Reads one more chunk; `false` at the end. */
  async fill(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done === true) return false
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    return true
  }

  async take(length: number, code: string): Promise<Buffer> {
    while (this.#buffer.length < length) if (!(await this.fill())) throw s3Error(code)
    return this.#consume(length, 0)
  }

  /** What comes before `mark`, which is taken too. */
  async until(mark: Buffer, limit: number, code: string): Promise<Buffer> {
    this.#searched = 0
    for (;;) {
      // Only what is new is searched, so that a body that trickles in is not searched again and again.
      const found = this.#buffer.indexOf(mark, this.#searched)
      if (found >= 0 && found <= limit) return this.#consume(found, mark.length)
      if (found >= 0 || this.#buffer.length > limit + mark.length) throw s3Error(code)
      this.#searched = Math.max(0, this.#buffer.length - mark.length + 1)
      if (!(await this.fill())) throw malformed()
    }
  }

  /** All that certainly stands before `mark`; `found` when the mark itself has come and was taken. */
  pieceBefore(mark: Buffer): { readonly piece: Uint8Array; readonly found: boolean } {
    const found = this.#buffer.indexOf(mark)
    if (found >= 0) return { piece: this.#consume(found, mark.length), found: true }
    return { piece: this.#consume(Math.max(0, this.#buffer.length - mark.length + 1), 0), found: false }
  }

  #consume(length: number, skip: number): Buffer {
    const taken = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length + skip)
    this.consumed += length + skip
    return taken
  }
}
