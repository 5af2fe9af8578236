import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CanonicalDigest } from './canonical-digest.ts'
import { codeOf } from './testdata.fixture.ts'

type Field =
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'uint'; readonly value: number }
  | { readonly kind: 'optional'; readonly value: string | undefined }
  | { readonly kind: 'list'; readonly value: readonly string[] }

/** Short values over few letters, so that different lists come close to each other. */
const letters = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\u0001'), maxLength: 3 })
const fields: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant('bytes' as const), value: letters.map((text) => Buffer.from(text)) }),
  fc.record({ kind: fc.constant('text' as const), value: letters }),
  fc.record({ kind: fc.constant('uint' as const), value: fc.oneof(fc.nat(3), fc.maxSafeNat()) }),
  fc.record({ kind: fc.constant('optional' as const), value: fc.option(letters, { nil: undefined }) }),
  fc.record({ kind: fc.constant('list' as const), value: fc.array(letters, { maxLength: 3 }) }),
)
const lists = fc.array(fields, { maxLength: 4 })

function digestOf(label: string, list: readonly Field[]): string {
  const digest = new CanonicalDigest(label)
  for (const field of list) {
    if (field.kind === 'bytes') digest.bytes(field.value)
    else if (field.kind === 'text') digest.text(field.value)
    else if (field.kind === 'uint') digest.uint(field.value)
    else if (field.kind === 'optional') digest.optional(field.value, (d, text) => d.text(text))
    else digest.list(field.value, (d, text) => d.text(text))
  }
  return digest.digest().toString('hex')
}

/** An encoding of another make, of which equality is the equality of lists. */
function plain(list: readonly Field[]): string {
  return JSON.stringify(
    list.map(({ kind, value }) => [kind, value instanceof Uint8Array ? [...value] : (value ?? null)]),
  )
}

describe('a canonical digest', () => {
  it('differs exactly where the fields differ', () => {
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        expect(digestOf('x', a) === digestOf('x', b)).toBe(plain(a) === plain(b))
      }),
      { numRuns: 1000 },
    )
  })

  it('never takes what was moved from one field to the next for the same', () => {
    fc.assert(
      fc.property(letters, letters, letters, (a, b, c) => {
        fc.pre(b !== '')
        const text = (...values: string[]) =>
          digestOf(
            'x',
            values.map((value) => ({ kind: 'text', value })),
          )
        expect(text(a + b, c)).not.toBe(text(a, b + c))
        expect(text(a, b)).not.toBe(text(a + b))
        expect(digestOf('x', [{ kind: 'list', value: [a, b] }])).not.toBe(
          digestOf('x', [
            { kind: 'list', value: [a] },
            { kind: 'text', value: b },
          ]),
        )
      }),
    )
  })

  it('differs by its label', () => {
    expect(digestOf('object v1', [])).not.toBe(digestOf('object v2', []))
  })

  it('does not depend on where its buffer happened to end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 6 }), (sizes) => {
        const values = sizes.map((size) => Buffer.alloc(size, size))
        const inOne = new CanonicalDigest('x')
        for (const value of values) inOne.bytes(value)
        const shifted = new CanonicalDigest('x')
        for (const value of values) shifted.bytes(new Uint8Array(value))
        const shorter = new CanonicalDigest('x')
        for (const value of values) shorter.bytes(value.length === 0 ? Buffer.of(1) : value.subarray(1))
        const digest = inOne.digest().toString('hex')
        expect(shifted.digest().toString('hex')).toBe(digest)
        expect(shorter.digest().toString('hex')).not.toBe(digest)
      }),
    )
  })

  it('takes only what has one form', () => {
    expect(codeOf(() => new CanonicalDigest('x').text('\ud800'))).toBe('invalid-argument')
    expect(codeOf(() => new CanonicalDigest('x').uint(-1))).toBe('invalid-argument')
    expect(codeOf(() => new CanonicalDigest('x').uint(2 ** 53))).toBe('invalid-argument')
    expect(codeOf(() => new CanonicalDigest('x').uint(0.5))).toBe('invalid-argument')
  })

  it('is taken once', () => {
    const digest = new CanonicalDigest('x')
    digest.digest()
    expect(codeOf(() => digest.text('more'))).toBe('invalid-argument')
    expect(codeOf(() => digest.digest())).toBe('invalid-argument')
  })
})
