/**
 * Searches bytes for thousands of secrets at once, each as it is, in hexadecimal and in base64 (of either alphabet, wherever
 * in a longer text it begins). One pass, whatever the number of secrets.
 *
 * @module
 */

/** Shorter ones are found by chance, or are words. */
export const shortestSecret = 12

/** Bytes of a long content that are searched for, at each of several places in it. */
export const windowBytes = 24

interface Needle {
  readonly bytes: Buffer
  readonly what: string
}

/**
 * Only one word in so many bytes is looked at. Of twelve bytes anywhere, four at such a place are always among them.
 */
const strideBytes = 8

const wordsPerStride = strideBytes / 4
/** Of the hash of a word. With a million words known, one in a hundred others looks like one of them. */
const hashBits = 26
/** Stands in for no anchor. */
const none = -1

/** What must not be found, by what it is. */
export class SecretSearch {
  readonly #needles: Needle[] = []
  /**
   * Anchors: words of a needle, each so many bytes after its beginning. The number of one is `strideBytes` times that of its
   * needle, and its offset. Here is the last one of each word, and of each the one before it of the same word. (As numbers,
   * because there are millions.)
   */
  readonly #byWord = new Map<number, number>()
  readonly #before: number[] = []
  /** A bit for each hash, whether a word of it is known: nearly every word of nearly every file is passed by it alone. */
  readonly #hashes = new Uint32Array(2 ** (hashBits - 5))
  readonly #known = new Set<string>()

  /** How many different secrets there are. */
  get size(): number {
    return this.#known.size
  }

  /** Takes a copy. What is too short, or is nothing but one byte as unwritten space is, is not taken: false. */
  add(what: string, secret: Uint8Array): boolean {
    if (secret.length < shortestSecret || isEmptySpace(secret)) return false
    const bytes = Buffer.from(secret)
    const identity = bytes.toString('latin1')
    if (this.#known.has(identity)) return true
    this.#known.add(identity)
    for (const [form, needle] of formsOf(bytes)) this.#addForm(form === '' ? what : `${what} ${form}`, needle)
    return true
  }

  #addForm(what: string, bytes: Buffer): void {
    const first = this.#needles.push({ bytes, what }) * strideBytes - strideBytes
    for (let offset = 0; offset < strideBytes; offset++) {
      const word = wordsOf(bytes.subarray(offset, offset + 4))[0] ?? 0
      const hash = hashOf(word)
      this.#hashes[hash >>> 5] = (this.#hashes[hash >>> 5] ?? 0) | (1 << (hash & 31))
      this.#before.push(this.#byWord.get(word) ?? none)
      this.#byWord.set(word, first + offset)
    }
  }

  /** What `content` holds, each once. */
  foundIn(content: Uint8Array): string[] {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    const words = wordsOf(bytes)
    const hashes = this.#hashes
    const found = new Set<string>()
    for (let at = 0; at < words.length; at += wordsPerStride) {
      const word = words[at] ?? 0
      const hash = hashOf(word)
      if (((hashes[hash >>> 5] ?? 0) & (1 << (hash & 31))) !== 0) this.#compareAt(bytes, at * 4, word, found)
    }
    return [...found]
  }

  #compareAt(bytes: Buffer, at: number, word: number, found: Set<string>): void {
    for (let anchor = this.#byWord.get(word) ?? none; anchor !== none; anchor = this.#before[anchor] ?? none) {
      const needle = this.#needles[Math.floor(anchor / strideBytes)]
      if (needle === undefined) throw new RangeError('an anchor of no needle')
      const start = at - (anchor % strideBytes)
      const end = start + needle.bytes.length
      if (start < 0 || end > bytes.length || bytes[start] !== needle.bytes[0]) continue
      if (bytes.compare(needle.bytes, 0, needle.bytes.length, start, end) === 0) found.add(needle.what)
    }
  }
}

const hashOf = (word: number): number => Math.imul(word, 0x9e3779b1) >>> (32 - hashBits)

/** Whole words, as this machine reads them. */
function wordsOf(bytes: Buffer): Uint32Array {
  const length = bytes.length >>> 2
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, length)
  return new Uint32Array(Uint8Array.from(bytes).buffer, 0, length)
}

function isEmptySpace(bytes: Uint8Array): boolean {
  const [first] = bytes
  return (first === 0 || first === 0x20 || first === 0xff) && bytes.every((byte) => byte === first)
}

function* formsOf(bytes: Buffer): Generator<readonly [form: string, needle: Buffer]> {
  yield ['', bytes]
  const hex = bytes.toString('hex')
  yield ['in hexadecimal', Buffer.from(hex)]
  if (hex !== hex.toUpperCase()) yield ['in hexadecimal', Buffer.from(hex.toUpperCase())]
  for (const before of [0, 1, 2]) {
    // Of the characters that hold bits of what stands before or after, nothing is known.
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
    const text = whole.toString('base64').slice(before === 0 ? 0 : before + 1, Math.floor((whole.length * 8) / 6))
    yield ['in base64', Buffer.from(text)]
    const urlText = text.replaceAll('+', '-').replaceAll('/', '_')
    if (urlText !== text) yield ['in base64', Buffer.from(urlText)]
  }
}
