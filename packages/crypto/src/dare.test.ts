import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openBytes, sealBytes } from './dare.ts'
import { LegacyDareOpener } from './dare-legacy.ts'
import { DareOpener } from './dare-opener.ts'
import { DareSealer } from './dare-sealer.ts'
import { openedSize, packageCount, planRange, sealedSize } from './dare-sizes.ts'
import { codeOf, plaintextP } from './testdata.fixture.ts'

const key = randomBytes(32)
const nonce = randomBytes(12)
const full = 65_568

describe('sizes', () => {
  it.each([
    [0, 0],
    [1, 33],
    [65_535, 65_567],
    [65_536, 65_568],
    [65_537, 65_601],
    [5 * 2 ** 20, 5_245_440],
    [5 * 2 ** 40, 5 * 2 ** 40 + 32 * 83_886_080],
  ])('seals %d bytes into %d and back', (opened, sealed) => {
    expect(sealedSize(opened)).toBe(sealed)
    expect(openedSize(sealed)).toBe(opened)
  })

  it.each([1, 16, 32, 65_569, 65_600, -1, 0.5, Number.NaN, 2 ** 53])(
    'knows that no stream has %d sealed bytes',
    (size) => {
      expect(codeOf(() => openedSize(size))).toBe('invalid-size')
    },
  )

  it('refuses a stream of more than 2^32 packages', () => {
    expect(packageCount(2 ** 48)).toBe(2 ** 32)
    expect(codeOf(() => sealedSize(2 ** 48 + 1))).toBe('invalid-size')
  })

  it('refuses a range that is not inside the stream', () => {
    expect(codeOf(() => planRange(10, 11, 0))).toBe('invalid-size')
    expect(codeOf(() => planRange(10, 5, 6))).toBe('invalid-size')
    expect(codeOf(() => planRange(10, -1, 2))).toBe('invalid-size')
  })
})

describe('a sealed stream', () => {
  const plaintext = plaintextP(3 * 65_536 + 5)
  const sealed = sealBytes(key, nonce, plaintext)
  const packages = [0, 1, 2, 3].map((i) => sealed.subarray(i * full, (i + 1) * full))

  function openAll(bytes: Buffer, plaintextSizeBytes = plaintext.length): Buffer {
    const opener = new DareOpener(key, { nonce, plaintextSizeBytes })
    const out = opener.open(bytes)
    opener.final()
    return Buffer.concat(out)
  }

  it('opens again', () => {
    expect(openAll(sealed).equals(plaintext)).toBe(true)
    expect(openBytes(key, nonce, sealed, plaintext.length).equals(plaintext)).toBe(true)
  })

  const [a, b, c, d] = packages as [Buffer, Buffer, Buffer, Buffer]
  it.each([
    ['two packages swapped', [a, c, b, d]],
    ['a package repeated', [a, b, b, c, d]],
    ['a package left out', [a, c, d]],
    ['a package twice in another place', [a, b, a, d]],
    ['the last package cut off', [a, b, c]],
    ['all packages cut off', []],
    ['data after the last package', [a, b, c, d, d]],
    ['one byte after the last package', [a, b, c, d, Buffer.alloc(1)]],
    ['the last byte cut off', [a, b, c, d.subarray(0, -1)]],
    ['a header alone at the end', [a, b, c, d.subarray(0, 16)]],
    ['the last package first', [d, a, b, c]],
  ])('is refused with %s', (_, changed) => {
    expect(codeOf(() => openAll(Buffer.concat(changed)))).toBe('not-authentic')
  })

  it('is refused with a record that says another size', () => {
    for (const size of [0, 1, 65_536, 2 * 65_536, plaintext.length - 1, plaintext.length + 1, 4 * 65_536]) {
      expect(codeOf(() => openAll(sealed, size))).toBe('not-authentic')
    }
  })

  it('is refused when it was cut at a package border, before the package that claims to be the last is released', () => {
    const opener = new DareOpener(key, { nonce, plaintextSizeBytes: 2 * 65_536 })
    expect(Buffer.concat(opener.open(a)).equals(plaintext.subarray(0, 65_536))).toBe(true)
    expect(codeOf(() => opener.open(b))).toBe('not-authentic')
  })

  it('releases nothing of a package before its tag has come', () => {
    const opener = new DareOpener(key, { nonce, plaintextSizeBytes: plaintext.length })
    expect(opener.open(a.subarray(0, full - 1))).toEqual([])
    expect(Buffer.concat(opener.open(a.subarray(full - 1))).length).toBe(65_536)
  })

  it('releases nothing of a package whose tag is wrong', () => {
    const changed = Buffer.concat([a, b])
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    const opener = new DareOpener(key, { nonce, plaintextSizeBytes: plaintext.length })
    const released: Buffer[] = []
    expect(codeOf(() => released.push(...opener.open(changed.subarray(0, full + 100))))).toBe('nothing was thrown')
    expect(codeOf(() => released.push(...opener.open(changed.subarray(full + 100))))).toBe('not-authentic')
    expect(Buffer.concat(released).length).toBe(65_536)
    expect(codeOf(() => opener.open(c))).toBe('not-authentic')
    expect(codeOf(() => opener.final())).toBe('not-authentic')
  })

  it('is refused under another key, nonce or cipher', () => {
    const size = plaintext.length
    expect(codeOf(() => openBytes(randomBytes(32), nonce, sealed, size))).toBe('not-authentic')
    expect(codeOf(() => openBytes(key, randomBytes(12), sealed, size))).toBe('not-authentic')
    expect(codeOf(() => openBytes(key, nonce, sealed, size, 'ChaCha20-Poly1305'))).toBe('not-authentic')
  })

  it('ignores the bit of the final flag in the nonce that it is given', () => {
    const flagged = Buffer.from(nonce)
    flagged.writeUInt8(flagged.readUInt8(0) ^ 0x80, 0)
    expect(sealBytes(key, flagged, plaintext).equals(sealed)).toBe(true)
    expect(openBytes(key, flagged, sealed, plaintext.length).equals(plaintext)).toBe(true)
  })

  it('can be sealed and opened with ChaCha20-Poly1305', () => {
    const sealer = new DareSealer(key, nonce, { cipher: 'ChaCha20-Poly1305' })
    const stream = Buffer.concat([...sealer.seal(plaintext), ...sealer.final()])
    expect(stream[1]).toBe(1)
    const opened = openBytes(key, nonce, stream, plaintext.length, 'ChaCha20-Poly1305')
    expect(opened.equals(plaintext)).toBe(true)
    const legacy = new LegacyDareOpener(key, { plaintextSizeBytes: plaintext.length })
    expect(Buffer.concat([...stream].flatMap((byte) => legacy.open(Buffer.of(byte)))).equals(plaintext)).toBe(true)
    legacy.final()
  })
})

describe('keys of streams', () => {
  it('may be wiped by the caller as soon as the stream was begun', () => {
    const borrowed = Buffer.from(key)
    const sealer = new DareSealer(borrowed, nonce)
    borrowed.fill(0)
    const sealed = Buffer.concat([...sealer.seal(Buffer.from('hello')), ...sealer.final()])
    expect(sealed.equals(sealBytes(key, nonce, Buffer.from('hello')))).toBe(true)
  })

  it('are of no use after the end', () => {
    const sealer = new DareSealer(key, nonce)
    sealer.final()
    expect(codeOf(() => sealer.seal(Buffer.of(1)))).toBe('invalid-argument')
    expect(codeOf(() => sealer.final())).toBe('invalid-argument')
    const opener = new DareOpener(key, { nonce, plaintextSizeBytes: 0 })
    opener.final()
    expect(codeOf(() => opener.open(Buffer.of(1)))).toBe('invalid-argument')
    const given = new DareOpener(key, { nonce, plaintextSizeBytes: 5 })
    given.destroy()
    expect(codeOf(() => given.final())).toBe('not-authentic')
    expect(codeOf(() => given.open(Buffer.of(1)))).toBe('not-authentic')
  })

  it('do not leave an opener that takes streams sealed under the zeros they were wiped with', () => {
    const underZeros = sealBytes(Buffer.alloc(32), nonce, Buffer.from('planted'))
    const destroyed = new DareOpener(key, { nonce, plaintextSizeBytes: 7 })
    destroyed.destroy()
    expect(codeOf(() => destroyed.open(underZeros))).toBe('not-authentic')
    const failed = new DareOpener(key, { nonce, plaintextSizeBytes: 7 })
    expect(codeOf(() => failed.open(underZeros))).toBe('not-authentic')
    expect(codeOf(() => failed.open(underZeros))).toBe('not-authentic')
    const empty = new DareOpener(key, { nonce, plaintextSizeBytes: 0 })
    empty.destroy()
    expect(codeOf(() => empty.final())).toBe('not-authentic')
  })

  it('have 32 bytes, and nonces 12', () => {
    expect(codeOf(() => sealBytes(randomBytes(31), nonce, Buffer.of(1)))).toBe('invalid-argument')
    expect(codeOf(() => new DareSealer(key, randomBytes(11)))).toBe('invalid-argument')
    expect(codeOf(() => new DareOpener(key, { nonce: randomBytes(16), plaintextSizeBytes: 1 }))).toBe(
      'invalid-argument',
    )
  })
})
