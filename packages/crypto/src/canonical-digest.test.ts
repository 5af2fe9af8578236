import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { CanonicalDigest } from './canonical-digest.ts'

/** The encoding, as docs/formats/key-sealing.md has it. */
function field(type: number, figure: number, content: string = ''): Buffer {
  const head = Buffer.alloc(9)
  head[0] = type
  head.writeBigUInt64BE(BigInt(figure), 1)
  return Buffer.concat([head, Buffer.from(content)])
}

const sha256 = (...pieces: readonly Buffer[]) => createHash('sha256').update(Buffer.concat(pieces)).digest()
const text = (value: string) => field(2, Buffer.byteLength(value), value)

describe('canonical digests', () => {
  it('keeps two apart that are collected at the same time', () => {
    const one = new CanonicalDigest('one').text('a')
    const two = new CanonicalDigest('two').text('b')
    one.uint(1)
    two.uint(2)
    expect(one.digest()).toEqual(sha256(text('one'), text('a'), field(3, 1)))
    expect(two.digest()).toEqual(sha256(text('two'), text('b'), field(3, 2)))
  })

  it('goes on to collect properly after another one was dropped half-way', () => {
    const dropped = new CanonicalDigest('dropped')
    expect(() => dropped.text('\ud800')).toThrow('well-formed')
    expect(new CanonicalDigest('next').digest()).toEqual(sha256(text('next')))
  })

  it.each([2029, 2030, 2031, 2039, 2040, 2048, 5000])('digests a text of %i characters', (length) => {
    for (const value of ['x'.repeat(length), 'é'.repeat(length / 2)]) {
      expect(new CanonicalDigest('l').text(value).text('end').digest()).toEqual(
        sha256(text('l'), text(value), text('end')),
      )
    }
  })

  it('takes no more fields once the digest was taken', () => {
    const digest = new CanonicalDigest('l')
    digest.digest()
    expect(() => digest.text('more')).toThrow('taken')
    expect(() => digest.digest()).toThrow('taken')
  })
})
