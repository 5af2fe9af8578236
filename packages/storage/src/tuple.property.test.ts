/**
 * Laws of tuple keys: order is kept, nothing is lost, no two tuples share a key.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { startsWith } from './bytes.ts'
import { byteString, defineTuple, descending, fixedBytes, prefixEnd, text, uint64 } from './tuple.ts'

const key = defineTuple(7, text(), byteString(), uint64(), descending(), fixedBytes(4), text())

/** Strings with many NULs, 0x01 and 0xFF-like characters: what an escape can get wrong. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.array(fc.constantFrom('\0', '\u0001', 'a', 'ÿ', '/'), { maxLength: 6 }).map((units) => units.join('')),
)
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.array(fc.constantFrom(0, 1, 254, 255), { maxLength: 6 }).map((bytes) => Uint8Array.from(bytes)),
)
const anyInteger = fc.oneof(fc.maxSafeNat(), fc.nat(3), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1))
const anyTuple = fc.tuple(
  anyText,
  anyBytes,
  anyInteger,
  anyInteger,
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  anyText,
)
type AnyTuple = [string, Uint8Array, number, number, Uint8Array, string]

function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function compareTuples(a: AnyTuple, b: AnyTuple): number {
  return (
    compareText(a[0], b[0]) ||
    Buffer.compare(a[1], b[1]) ||
    Math.sign(a[2] - b[2]) ||
    Math.sign(b[3] - a[3]) ||
    Buffer.compare(a[4], b[4]) ||
    compareText(a[5], b[5])
  )
}

/** Two tuples that often share their first elements. */
const twoTuples = fc
  .tuple(anyTuple, anyTuple, fc.nat(6))
  .map(([a, b, shared]): [AnyTuple, AnyTuple] => [a, [...a.slice(0, shared), ...b.slice(shared)] as AnyTuple])

test('keys compare as their tuples do, and only equal tuples have equal keys', () => {
  fc.assert(
    fc.property(twoTuples, ([a, b]) => {
      expect(Buffer.compare(key.encode(...a), key.encode(...b))).toBe(compareTuples(a, b))
    }),
    { numRuns: 2000 },
  )
})

test('decoding a key gives back the tuple', () => {
  fc.assert(
    fc.property(anyTuple, (tuple) => {
      const decoded = key.decode(key.encode(...tuple))
      expect(decoded.map(plain)).toEqual(tuple.map(plain))
    }),
    { numRuns: 1000 },
  )
})

test('exactly the keys with the same first values begin with a prefix and lie before its end', () => {
  fc.assert(
    fc.property(twoTuples, fc.integer({ min: 1, max: 5 }), ([a, b], count) => {
      const prefix = (key.prefix as (...values: unknown[]) => Uint8Array)(...a.slice(0, count))
      const sameFirst = a.slice(0, count).every((value, i) => Buffer.compare(asBytes(value), asBytes(b[i])) === 0)
      const other = key.encode(...b)
      expect(startsWith(other, prefix)).toBe(sameFirst)
      expect(Buffer.compare(prefix, other) <= 0 && Buffer.compare(other, prefixEnd(prefix)) < 0).toBe(sameFirst)
    }),
    { numRuns: 2000 },
  )
})

test('any bytes are either refused as corrupt or are the one key of what they decode to', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    anyTuple.chain((tuple) =>
      fc.tuple(fc.nat(60), fc.nat(255)).map(([at, byte]) => {
        const mutated = Buffer.from(key.encode(...tuple))
        mutated[at % mutated.length] = byte
        return mutated
      }),
    ),
  )
  fc.assert(
    fc.property(bytes, (candidate) => {
      try {
        expect(Buffer.compare(key.encode(...key.decode(candidate)), candidate)).toBe(0)
      } catch (error) {
        expect(error).toMatchObject({ code: 'corrupt' })
      }
    }),
    { numRuns: 2000 },
  )
})

function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? [...value] : value
}

function asBytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(String(value))
}
