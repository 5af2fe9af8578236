import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openValue, sealedValueKeyId, sealValue, valueOverheadBytes } from './sealed-value.ts'
import { codeOf } from './testdata.fixture.ts'

const key = randomBytes(32)
const aad = Buffer.from('keyring')
const secret = Buffer.from('a small secret')

describe('a sealed value', () => {
  it('opens with its key and its associated data only', () => {
    const sealed = sealValue(key, 0xffff_ffff, secret, aad)
    expect(sealed.length).toBe(secret.length + valueOverheadBytes)
    expect(sealedValueKeyId(sealed)).toBe(0xffff_ffff)
    expect(openValue(key, sealed, aad).equals(secret)).toBe(true)
    expect(codeOf(() => openValue(randomBytes(32), sealed, aad))).toBe('not-authentic')
    expect(codeOf(() => openValue(key, sealed, Buffer.from('keyrinG')))).toBe('not-authentic')
  })

  it('is new every time', () => {
    expect(sealValue(key, 1, secret, aad).equals(sealValue(key, 1, secret, aad))).toBe(false)
  })

  it('shows every flipped bit, those of the key id too, and every cut', () => {
    const sealed = sealValue(key, 1, secret, aad)
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(codeOf(() => openValue(key, changed, aad))).toBe('not-authentic')
    }
    for (let size = 0; size < sealed.length; size += 1) {
      expect(codeOf(() => openValue(key, sealed.subarray(0, size), aad))).toBe('not-authentic')
    }
    expect(codeOf(() => sealedValueKeyId(Buffer.alloc(10)))).toBe('not-authentic')
    expect(codeOf(() => sealedValueKeyId(Buffer.alloc(100)))).toBe('not-authentic')
  })

  it('needs a 32-bit key id and a key of 32 bytes', () => {
    expect(codeOf(() => sealValue(key, 2 ** 32, secret, aad))).toBe('invalid-argument')
    expect(codeOf(() => sealValue(key, -1, secret, aad))).toBe('invalid-argument')
    expect(codeOf(() => sealValue(randomBytes(31), 1, secret, aad))).toBe('invalid-argument')
    expect(codeOf(() => openValue(randomBytes(31), sealValue(key, 1, secret, aad), aad))).toBe('invalid-argument')
  })
})
