/**
 * Changes valid inputs at random, reproducibly: the same seed and number give the same input.
 *
 * @module
 */

/** Whole numbers from 0 up to, not including, `end`. */
export type Choose = (end: number) => number

/** Of the case with this number in the run with this seed (mulberry32). */
export function chooserOf(seed: number, number: number): Choose {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }
}

/** What breaks parsers: ends, escapes, numbers at borders, bytes that are no UTF-8. */
const fragments = [
  ...[
    '\0',
    '\r\n',
    '\n',
    '\r\n\r\n',
    ' ',
    '\t',
    ',',
    ';',
    ':',
    '=',
    '&',
    '?',
    '/',
    '..',
    '%',
    '%2',
    '%00',
    '%ff',
    '%2F',
    '+',
  ],
  ...[
    '<',
    '>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '&#0;',
    '&#x110000;',
    '&lol;',
    '<?xml?>',
    '</a>',
  ],
  ...[
    '0',
    '-1',
    '1e9',
    '0x10',
    '9007199254740993',
    '18446744073709551616',
    'NaN',
    'true',
    'null',
    '{',
    '}',
    '[',
    '"',
    '\\',
    '\\u0000',
  ],
  ...['__proto__', 'constructor', 'x-amz-', 'AWS4-HMAC-SHA256', 'chunk-signature=', 'Transfer-Encoding: chunked\r\n'],
  ...['Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Host: a\r\n', '\ud800', '\u{1f600}', 'é'],
].map((text) => Buffer.from(text))
fragments.push(
  Buffer.from([0xff]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xef, 0xbb, 0xbf]),
)

const longest = 128 * 1024

type Mutation = (bytes: Buffer, choose: Choose, other: Buffer) => Buffer

const splice = (bytes: Buffer, from: number, to: number, by: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)])

function rangeOf(bytes: Buffer, choose: Choose): readonly [from: number, to: number] {
  const from = choose(bytes.length + 1)
  return [from, from + choose(Math.min(bytes.length - from, 64) + 1)]
}

const mutations: readonly Mutation[] = [
  (bytes, choose) => {
    const at = choose(bytes.length)
    return splice(bytes, at, at + 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << choose(8))]))
  },
  (bytes, choose) => splice(bytes, ...rangeOf(bytes, choose), Buffer.alloc(0)),
  (bytes, choose) => {
    const at = choose(bytes.length + 1)
    return splice(bytes, at, at, fragments[choose(fragments.length)] ?? Buffer.alloc(0))
  },
  (bytes, choose) => splice(bytes, ...rangeOf(bytes, choose), fragments[choose(fragments.length)] ?? Buffer.alloc(0)),
  (bytes, choose) => bytes.subarray(0, choose(bytes.length + 1)),
  (bytes, choose) => {
    const [from, to] = rangeOf(bytes, choose)
    const at = choose(bytes.length + 1)
    return splice(bytes, at, at, bytes.subarray(from, to))
  },
  (bytes, choose) => {
    const [from, to] = rangeOf(bytes, choose)
    const piece = bytes.subarray(from, to)
    const times = piece.length === 0 ? 0 : Math.floor((choose(8) === 0 ? longest : 512) / piece.length)
    return splice(bytes, to, to, Buffer.concat(new Array<Uint8Array>(times).fill(piece)))
  },
  (bytes, choose, other) =>
    Buffer.concat([bytes.subarray(0, choose(bytes.length + 1)), other.subarray(choose(other.length + 1))]),
]

/** One of the seeds with one to four changes; rarely none. */
export function mutate(seeds: readonly Buffer[], choose: Choose): Buffer {
  const pick = (): Buffer => seeds[choose(seeds.length)] ?? Buffer.alloc(0)
  let bytes = pick()
  for (let count = choose(5); count > 0; count--) {
    const mutation = mutations[choose(mutations.length)]
    if (mutation !== undefined) bytes = mutation(bytes, choose, pick())
  }
  return bytes.length > 2 * longest ? bytes.subarray(0, 2 * longest) : bytes
}
