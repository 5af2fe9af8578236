import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { RecordSealer, recordOverheadBytes } from './record-seal.ts'
import { codeOf } from './testdata.fixture.ts'

const place = Buffer.from('object/7/photo.jpg')
const body = Buffer.from('{"etag":"d41d8cd98f00b204e9800998ecf8427e"}')
const oldKey = randomBytes(32)
const newKey = randomBytes(32)

function sealerOf(currentKeyId = 1, keys = new Map([[1, oldKey]])): RecordSealer {
  return new RecordSealer({ currentKeyId, keys })
}

describe('a sealed record', () => {
  it('opens at its place, in this process and in another', () => {
    const sealer = sealerOf()
    const sealed = sealer.seal(place, body)
    expect(sealed.length).toBe(body.length + recordOverheadBytes)
    expect(sealed.includes('d41d8cd9')).toBe(false)
    expect(sealer.open(place, sealed).equals(body)).toBe(true)
    expect(sealerOf().open(place, new Uint8Array(sealed)).equals(body)).toBe(true)
  })

  it('may be empty', () => {
    const sealer = sealerOf()
    expect(sealer.open(place, sealer.seal(place, Buffer.alloc(0))).length).toBe(0)
  })

  it('does not open at another place', () => {
    const sealer = sealerOf()
    const sealed = sealer.seal(place, body)
    expect(codeOf(() => sealer.open(Buffer.from('object/7/photo.jpeg'), sealed))).toBe('not-authentic')
    expect(codeOf(() => sealer.open(Buffer.alloc(0), sealed))).toBe('not-authentic')
  })

  it('shows every flipped bit', () => {
    const sealer = sealerOf()
    const sealed = sealer.seal(place, body)
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(codeOf(() => sealer.open(place, changed))).toBe('not-authentic')
    }
  })

  it('shows every cut', () => {
    const sealer = sealerOf()
    const sealed = sealer.seal(place, body)
    for (let size = 0; size < sealed.length; size += 1) {
      expect(codeOf(() => sealer.open(place, sealed.subarray(0, size)))).toBe('not-authentic')
    }
    expect(codeOf(() => sealer.open(place, Buffer.concat([sealed, Buffer.alloc(1)])))).toBe('not-authentic')
  })

  it('opens after the metadata key was changed, as long as the keyring has the old one', () => {
    const sealed = sealerOf().seal(place, body)
    const both = new Map([
      [1, oldKey],
      [2, newKey],
    ])
    const changed = sealerOf(2, both)
    expect(changed.open(place, sealed).equals(body)).toBe(true)
    expect(changed.seal(place, body).readUInt32BE(1)).toBe(2)
    expect(codeOf(() => sealerOf(2, new Map([[2, newKey]])).open(place, sealed))).toBe('not-authentic')
  })

  it('never has the nonce of another one under the same key', () => {
    const sealer = sealerOf()
    const heads = Array.from({ length: 1000 }, () => sealer.seal(place, body).toString('hex', 1, 33))
    heads.push(...Array.from({ length: 10 }, () => sealerOf().seal(place, body).toString('hex', 1, 33)))
    expect(new Set(heads).size).toBe(heads.length)
  })

  it('opens among records of more processes than keys are kept for', () => {
    const sealed = Array.from({ length: 1100 }, () => sealerOf().seal(place, body))
    const reader = sealerOf()
    for (const record of [...sealed, ...sealed]) expect(reader.open(place, record).equals(body)).toBe(true)
  })
})

describe('a record sealer', () => {
  it('does nothing after it was closed', () => {
    const sealer = sealerOf()
    const sealed = sealer.seal(place, body)
    sealer.close()
    expect(codeOf(() => sealer.seal(place, body))).toBe('invalid-argument')
    expect(codeOf(() => sealer.open(place, sealed))).toBe('invalid-argument')
  })

  it('copies the keys it was given', () => {
    const key = randomBytes(32)
    const sealer = sealerOf(1, new Map([[1, key]]))
    const copy = Buffer.from(key)
    key.fill(0)
    const sealed = sealer.seal(place, body)
    expect(
      sealerOf(1, new Map([[1, copy]]))
        .open(place, sealed)
        .equals(body),
    ).toBe(true)
  })

  it('needs its current key, of 32 bytes, under a 32-bit id', () => {
    expect(codeOf(() => sealerOf(2))).toBe('invalid-argument')
    expect(codeOf(() => sealerOf(1, new Map([[1, randomBytes(16)]])))).toBe('invalid-argument')
    expect(codeOf(() => sealerOf(-1, new Map([[-1, oldKey]])))).toBe('invalid-argument')
    expect(codeOf(() => sealerOf(2 ** 32, new Map([[2 ** 32, oldKey]])))).toBe('invalid-argument')
  })
})
