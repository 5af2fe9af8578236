import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBytes, sealBytes } from './dare.ts'
import { DareOpener } from './dare-opener.ts'
import { DareSealer } from './dare-sealer.ts'
import { openedSize, planRange, sealedSize } from './dare-sizes.ts'
import { codeOf, cut, plaintextP } from './testdata.fixture.ts'

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nonces = fc.uint8Array({ minLength: 12, maxLength: 12 })
/** Sizes around package borders as often as others. */
const sizes = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 3 }).chain((n) => fc.integer({ min: -2, max: 2 }).map((d) => Math.max(0, n * 65_536 + d))),
  fc.integer({ min: 0, max: 250_000 }),
)
const chunkSizes = fc.array(fc.oneof(fc.integer({ min: 500, max: 5000 }), fc.integer({ min: 0, max: 150_000 })), {
  minLength: 1,
  maxLength: 6,
})

describe('sealed streams', () => {
  it('do not depend on how they were cut into chunks', () => {
    fc.assert(
      fc.property(keys, nonces, sizes, chunkSizes, chunkSizes, (key, nonce, size, inChunks, outChunks) => {
        const plaintext = plaintextP(size)
        const sealer = new DareSealer(key, nonce)
        const pieces = cut(plaintext, inChunks).flatMap((chunk) => sealer.seal(chunk))
        const sealed = Buffer.concat([...pieces, ...sealer.final()])
        expect(sealed.length).toBe(sealedSize(size))
        expect(sealed.equals(sealBytes(key, nonce, plaintext))).toBe(true)
        const opener = new DareOpener(key, { nonce, plaintextSizeBytes: size })
        const opened = cut(sealed, outChunks).flatMap((chunk) => opener.open(chunk))
        opener.final()
        expect(Buffer.concat(opened).equals(plaintext)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('come out the same byte by byte, with small and large chunks mixed', () => {
    const plaintext = plaintextP(140_000)
    const key = plaintextP(32)
    const nonce = plaintextP(12)
    const sealer = new DareSealer(key, nonce)
    const chunks = cut(plaintext, [1, 1, 1, 4096, 1, 4095, 1, 9000, 2])
    const sealed = Buffer.concat([...chunks.flatMap((chunk) => sealer.seal(chunk)), ...sealer.final()])
    expect(sealed.equals(sealBytes(key, nonce, plaintext))).toBe(true)
  })

  it('show every flipped bit', () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7), (size, where, bit) => {
        fc.pre(size > 0)
        const key = plaintextP(32)
        const nonce = plaintextP(12)
        const sealed = sealBytes(key, nonce, plaintextP(size))
        const at = Math.min(sealed.length - 1, Math.floor(where * sealed.length))
        sealed.writeUInt8(sealed.readUInt8(at) ^ (1 << bit), at)
        expect(codeOf(() => openBytes(key, nonce, sealed, size))).toBe('not-authentic')
      }),
      { numRuns: 80 },
    )
    const short = sealBytes(plaintextP(32), plaintextP(12), plaintextP(5))
    for (let at = 0; at < short.length * 8; at += 1) {
      const changed = Buffer.from(short)
      changed.writeUInt8(changed.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3)
      expect(codeOf(() => openBytes(plaintextP(32), plaintextP(12), changed, 5))).toBe('not-authentic')
    }
  })

  it('show every cut and every extension', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: -70_000, max: 70_000 }), (size, change) => {
        fc.pre(change !== 0)
        const key = plaintextP(32)
        const nonce = plaintextP(12)
        const sealed = sealBytes(key, nonce, plaintextP(size))
        fc.pre(sealed.length + change >= 0)
        const changed = Buffer.concat([sealed, Buffer.alloc(Math.max(0, change))]).subarray(0, sealed.length + change)
        const opener = new DareOpener(key, { nonce, plaintextSizeBytes: size })
        expect(codeOf(() => [opener.open(changed), opener.final()])).toBe('not-authentic')
      }),
      { numRuns: 60 },
    )
  })

  it('open in ranges as their plaintext is sliced, whatever the chunks', () => {
    fc.assert(
      fc.property(
        sizes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        chunkSizes,
        (size, from, part, chunks) => {
          const key = plaintextP(32)
          const nonce = plaintextP(12)
          const plaintext = plaintextP(size)
          const sealed = sealBytes(key, nonce, plaintext)
          const offset = Math.floor(from * size)
          const length = Math.floor(part * (size - offset))
          const range = planRange(size, offset, length)
          const read = sealed.subarray(range.sealedOffset, range.sealedOffset + range.sealedLength)
          const opener = new DareOpener(key, { nonce, plaintextSizeBytes: size, range })
          const opened = cut(read, chunks).flatMap((chunk) => opener.open(chunk))
          opener.final()
          expect(Buffer.concat(opened).equals(plaintext.subarray(offset, offset + length))).toBe(true)
          // No package is read that holds nothing of the range.
          expect(range.packageCount * 65_536).toBeLessThan(length + 2 * 65_536)
        },
      ),
      { numRuns: 80 },
    )
  })

  it('have sizes that can be turned back, and no others', () => {
    fc.assert(
      fc.property(fc.oneof(sizes, fc.integer({ min: 0, max: 2 ** 48 })), (size) => {
        expect(openedSize(sealedSize(size))).toBe(size)
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400_000 }), (size) => {
        if (codeOf(() => openedSize(size)) === 'nothing was thrown') expect(sealedSize(openedSize(size))).toBe(size)
        else expect(size % 65_568).toSatisfy((rest: number) => rest >= 1 && rest <= 32)
      }),
    )
  })
})
