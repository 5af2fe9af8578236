/**
 * The JSON bodies of requests, read as Go's `encoding/json` reads them (kes-protocol 2.3): field names in any case, unknown
 * fields skipped, the last of several counts, `null` is absent, bytes as base64 or as an array of numbers, and only the
 * first JSON value looked at. A hand-written scanner, because `JSON.parse` hides duplicates and refuses what follows the
 * value. Linear in the length of the body; nesting is counted, not recursed into.
 *
 * @module
 */
import { asBuffer } from '@strongroom/crypto'
import { decodeBase64 } from '@strongroom/kms'

/** Which part of `BodyFields` a JSON field goes to. `main` and `context` are bytes, `text` is a string, `ignored` must be one. */
export type FieldSlot = 'main' | 'context' | 'text' | 'ignored'

/** The fields of one route's body by lower-case name. */
export type BodyShape = ReadonlyMap<string, FieldSlot>

/** What a body held. The bytes are the caller's to zero. */
export interface BodyFields {
  /** `plaintext`, `ciphertext`, `message` or `key`; empty where absent. */
  main: Uint8Array
  context: Uint8Array
  /** `cipher`, `key_version`, `due`. */
  text: string
}

/** The routes' bodies. */
export const bodyShapes = {
  generate: new Map<string, FieldSlot>([
    ['context', 'context'],
    ['version', 'ignored'],
  ]),
  encrypt: new Map<string, FieldSlot>([
    ['plaintext', 'main'],
    ['context', 'context'],
    ['version', 'ignored'],
  ]),
  decrypt: new Map<string, FieldSlot>([
    ['ciphertext', 'main'],
    ['context', 'context'],
    ['version', 'ignored'],
    // Ours: KES skips what it does not know.
    ['key_version', 'text'],
  ]),
  hmac: new Map<string, FieldSlot>([
    ['message', 'main'],
    ['version', 'ignored'],
  ]),
  import: new Map<string, FieldSlot>([
    ['key', 'main'],
    ['cipher', 'text'],
  ]),
  /** Ours. */
  schedule: new Map<string, FieldSlot>([['due', 'text']]),
} as const satisfies Record<string, BodyShape>

/** Go's limit. */
const maxDepth = 10_000

const nothing = new Uint8Array(0)

/** Kinds of bytes inside a string. */
const stringBytes = new Uint8Array(256)
const endsString = 1
const escapes = 2
const forbidden = 3
stringBytes.fill(forbidden, 0, 0x20)
stringBytes[0x22] = endsString
stringBytes[0x5c] = escapes

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/**
 * Reads a body.
 *
 * @returns `undefined` when it is not one: no JSON, not an object, or a field of the wrong type
 */
export function readBodyFields(body: Uint8Array, shape: BodyShape): BodyFields | undefined {
  const fields: BodyFields = { main: nothing, context: nothing, text: '' }
  if (new Scanner(body, shape, fields).read()) return fields
  zeroBodyFields(fields)
  return undefined
}

/** Overwrites what may be secret of a body that was read. A context is not: audit reads it when the work is done. */
export function zeroBodyFields(fields: BodyFields): void {
  fields.main.fill(0)
}

/** Every method that returns a boolean says whether what it looked for was there; after a `false` the position means nothing. */
class Scanner {
  readonly #bytes: Buffer
  readonly #shape: BodyShape
  readonly #fields: BodyFields
  #at = 0
  /** Of the last string: where it lies without its quotes, and whether it has escapes. */
  #start = 0
  #end = 0
  #hasEscapes = false

  constructor(body: Uint8Array, shape: BodyShape, fields: BodyFields) {
    this.#bytes = asBuffer(body)
    this.#shape = shape
    this.#fields = fields
  }

  read(): boolean {
    this.#space()
    const byte = this.#bytes[this.#at]
    if (byte === 0x6e) return this.#literal('null')
    if (byte !== 0x7b) return false
    this.#at++
    this.#space()
    if (this.#take(0x7d)) return true
    for (;;) {
      if (!this.#name()) return false
      const slot = this.#slot()
      this.#space()
      if (!(slot === undefined ? this.#skip() : this.#field(slot))) return false
      this.#space()
      if (this.#take(0x7d)) return true
      if (!this.#take(0x2c)) return false
      this.#space()
    }
  }

  #slot(): FieldSlot | undefined {
    if (this.#hasEscapes) return this.#shape.get(fold(this.#string()))
    const name = this.#bytes.toString('latin1', this.#start, this.#end)
    return this.#shape.get(name) ?? this.#shape.get(fold(this.#string()))
  }

  #field(slot: FieldSlot): boolean {
    const byte = this.#bytes[this.#at]
    if (slot === 'text' || slot === 'ignored') {
      // Go leaves a string as it is when it meets null.
      if (byte === 0x6e) return this.#literal('null')
      if (!this.#readString()) return false
      if (slot === 'text') this.#fields.text = this.#string()
      return true
    }
    const value = this.#byteField(byte)
    if (value === undefined) return false
    if (slot === 'main') this.#fields.main.fill(0)
    this.#fields[slot] = value
    return true
  }

  #byteField(byte: number | undefined): Uint8Array | undefined {
    if (byte === 0x6e) return this.#literal('null') ? nothing : undefined
    if (byte === 0x5b) return this.#byteArray()
    if (!this.#readString()) return undefined
    if (!this.#hasEscapes) return decodeBase64(this.#bytes, this.#start, this.#end)
    return decodeBase64(Buffer.from(this.#string(), 'utf8'))
  }

  #byteArray(): Uint8Array | undefined {
    const values: number[] = []
    this.#at++
    this.#space()
    if (this.#take(0x5d)) return nothing
    for (;;) {
      this.#space()
      if (this.#bytes[this.#at] === 0x6e) {
        if (!this.#literal('null')) return undefined
        values.push(0)
      } else {
        const value = this.#smallNumber()
        if (value === undefined) return undefined
        values.push(value)
      }
      this.#space()
      if (this.#take(0x5d)) return Uint8Array.from(values)
      if (!this.#take(0x2c)) return undefined
    }
  }

  /** 0 to 255 in plain digits, as Go wants it for a byte. */
  #smallNumber(): number | undefined {
    const start = this.#at
    if (!this.#number() || this.#at - start > 3) return undefined
    let value = 0
    for (let at = start; at < this.#at; at++) {
      const digit = (this.#bytes[at] ?? 0) - 0x30
      if (digit < 0 || digit > 9) return undefined
      value = value * 10 + digit
    }
    return value <= 255 ? value : undefined
  }

  /** Any value. */
  #skip(): boolean {
    const open: number[] = []
    for (;;) {
      this.#space()
      const byte = this.#bytes[this.#at]
      if (byte === 0x7b || byte === 0x5b) {
        // One level is the body's own object, one is this.
        if (open.length + 2 > maxDepth) return false
        const closing = byte + 2
        this.#at++
        this.#space()
        if (!this.#take(closing)) {
          open.push(closing)
          if (byte === 0x7b && !this.#name()) return false
          continue
        }
      } else if (!this.#scalar(byte)) return false
      for (;;) {
        const closing = open.at(-1)
        if (closing === undefined) return true
        this.#space()
        if (this.#take(closing)) open.pop()
        else if (this.#take(0x2c)) break
        else return false
      }
      if (open.at(-1) === 0x7d) {
        this.#space()
        if (!this.#name()) return false
      }
    }
  }

  #scalar(byte: number | undefined): boolean {
    if (byte === 0x22) return this.#readString()
    if (byte === 0x74) return this.#literal('true')
    if (byte === 0x66) return this.#literal('false')
    if (byte === 0x6e) return this.#literal('null')
    return this.#number()
  }

  /** `-? (0 | [1-9] digits) (. digits)? ([eE] [+-]? digits)?` */
  #number(): boolean {
    this.#take(0x2d)
    if (!this.#take(0x30) && !this.#digits()) return false
    if (this.#take(0x2e) && !this.#digits()) return false
    if (this.#take(0x65) || this.#take(0x45)) {
      if (!this.#take(0x2b)) this.#take(0x2d)
      return this.#digits()
    }
    return true
  }

  #digits(): boolean {
    const start = this.#at
    for (;;) {
      const byte = this.#bytes[this.#at] ?? 0
      if (byte < 0x30 || byte > 0x39) return this.#at > start
      this.#at++
    }
  }

  /** A field's name with its colon. */
  #name(): boolean {
    if (!this.#readString()) return false
    this.#space()
    return this.#take(0x3a)
  }

  #readString(): boolean {
    if (!this.#take(0x22)) return false
    const bytes = this.#bytes
    this.#start = this.#at
    this.#hasEscapes = false
    for (let at = this.#at; at < bytes.length; at++) {
      const kind = stringBytes[bytes[at] ?? 0]
      if (kind === 0) continue
      if (kind === endsString) {
        this.#end = at
        this.#at = at + 1
        return true
      }
      if (kind === forbidden) return false
      this.#hasEscapes = true
      const length = this.#escapeLength(at)
      if (length === 0) return false
      at += length - 1
    }
    return false
  }

  /** 2 or 6; 0 when it is none. */
  #escapeLength(at: number): number {
    const letter = String.fromCharCode(this.#bytes[at + 1] ?? 0)
    if (letter !== 'u') return shortEscapes[letter] === undefined ? 0 : 2
    for (let digit = at + 2; digit < at + 6; digit++) if (!isHexDigit(this.#bytes[digit])) return 0
    return 6
  }

  /** The last string. Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, as in Go. */
  #string(): string {
    const raw = this.#bytes.toString('utf8', this.#start, this.#end)
    if (!this.#hasEscapes) return raw
    const text = raw.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_all, code: string | undefined, letter: string) =>
      code === undefined ? (shortEscapes[letter] ?? '') : String.fromCharCode(Number.parseInt(code, 16)),
    )
    return Buffer.from(text, 'utf8').toString('utf8')
  }

  #literal(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#bytes[this.#at + i] !== text.charCodeAt(i)) return false
    this.#at += text.length
    return true
  }

  #take(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false
    this.#at++
    return true
  }

  #space(): void {
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.#at++
    }
  }
}

/** Go folds names by Unicode's simple folding: two letters beyond ASCII fold to letters of our names, `K` (Kelvin) and `ſ`. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's')
}

function isHexDigit(byte = 0): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}
