import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type AeadCipher, aeadOpen, aeadSeal, hchacha20 } from './aead.ts'
import { codeOf, hex } from './testdata.fixture.ts'

const key = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x80 + i))

describe('aeadSeal', () => {
  it('is AES-256-GCM as NIST has it (test case 14)', () => {
    const zeros = Buffer.alloc(32)
    const sealed = aeadSeal('AES-256-GCM', zeros, Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(16))
    expect(sealed.toString('hex')).toBe('cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919')
  })

  it('is ChaCha20-Poly1305 as RFC 8439 has it (2.8.2), on every runtime', () => {
    const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    const aad = hex('50515253c0c1c2c3c4c5c6c7')
    const nonce = hex('070000004041424344454647')
    const sealed = aeadSeal('ChaCha20-Poly1305', key, nonce, aad, Buffer.from(text))
    expect(sealed.subarray(0, 16).toString('hex')).toBe('d31a8d34648e60db7b86afbc53ef7ec2')
    expect(sealed.subarray(-16).toString('hex')).toBe('1ae10b594f09e26a7e902ecbd0600691')
    expect(aeadOpen('ChaCha20-Poly1305', key, nonce, aad, sealed).toString()).toBe(text)
  })
})

describe.each(['AES-256-GCM', 'ChaCha20-Poly1305'] satisfies AeadCipher[])('aeadOpen with %s', (cipher) => {
  const nonce = randomBytes(12)
  const aad = Buffer.from('context')

  it.each([0, 1, 15, 16, 17, 1000])('opens %d bytes again', (size) => {
    const plaintext = randomBytes(size)
    const sealed = aeadSeal(cipher, key, nonce, aad, plaintext)
    expect(sealed.length).toBe(size + 16)
    expect(aeadOpen(cipher, key, nonce, aad, sealed).equals(plaintext)).toBe(true)
  })

  it('has one answer to everything that is wrong', () => {
    const sealed = aeadSeal(cipher, key, nonce, aad, Buffer.from('secret'))
    const flipped = Buffer.from(sealed)
    flipped.writeUInt8(flipped.readUInt8(0) ^ 1, 0)
    const attempts = [
      () => aeadOpen(cipher, randomBytes(32), nonce, aad, sealed),
      () => aeadOpen(cipher, key, randomBytes(12), aad, sealed),
      () => aeadOpen(cipher, key, nonce, Buffer.from('contexT'), sealed),
      () => aeadOpen(cipher, key, nonce, aad, flipped),
      () => aeadOpen(cipher, key, nonce, aad, sealed.subarray(0, -1)),
      () => aeadOpen(cipher, key, nonce, aad, sealed.subarray(0, 15)),
      () => aeadOpen(cipher, key, nonce, aad, Buffer.alloc(0)),
    ]
    for (const attempt of attempts) expect(codeOf(attempt)).toBe('not-authentic')
  })

  it('takes no key or nonce of another length', () => {
    expect(codeOf(() => aeadSeal(cipher, randomBytes(16), nonce, aad, aad))).toBe('invalid-argument')
    expect(codeOf(() => aeadSeal(cipher, key, randomBytes(16), aad, aad))).toBe('invalid-argument')
    expect(codeOf(() => aeadOpen(cipher, randomBytes(33), nonce, aad, aad))).toBe('invalid-argument')
  })
})

describe('hchacha20', () => {
  it('is that of draft-irtf-cfrg-xchacha (2.2.1)', () => {
    const counting = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
    const derived = hchacha20(counting, hex('000000090000004a0000000031415927'))
    expect(derived.toString('hex')).toBe('82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc')
  })

  it('takes 32 bytes and 16', () => {
    expect(codeOf(() => hchacha20(randomBytes(31), randomBytes(16)))).toBe('invalid-argument')
    expect(codeOf(() => hchacha20(randomBytes(32), randomBytes(12)))).toBe('invalid-argument')
  })
})
