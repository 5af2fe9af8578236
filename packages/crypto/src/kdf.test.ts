import { describe, expect, it } from 'vitest'
import { argon2id, deriveKey, hkdfSha256, hmacSha256, wasmArgon2idBytes } from './kdf.ts'
import { equalSecrets, zero } from './secrets.ts'
import { codeOf, hex } from './testdata.fixture.ts'

describe('hkdfSha256', () => {
  it('is that of RFC 5869 (test case 1)', () => {
    const derived = hkdfSha256(
      Buffer.alloc(22, 0x0b),
      hex('000102030405060708090a0b0c'),
      hex('f0f1f2f3f4f5f6f7f8f9'),
      42,
    )
    expect(derived.toString('hex')).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })
})

describe('hmacSha256', () => {
  it('is that of RFC 4231 (test case 2), in one part or several', () => {
    const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
    expect(hmacSha256(Buffer.from('Jefe'), 'what do ya want for nothing?').toString('hex')).toBe(expected)
    const parts = [Buffer.from('what do ya want'), ' for nothing?']
    expect(hmacSha256(Buffer.from('Jefe'), ...parts).toString('hex')).toBe(expected)
  })
})

describe('deriveKey', () => {
  const key = Buffer.alloc(32, 1)

  it('keeps labels and contexts apart', () => {
    const derived = [
      deriveKey(key, 'a'),
      deriveKey(key, 'ab'),
      deriveKey(key, 'a', Buffer.from('b')),
      deriveKey(key, 'a', Buffer.from('\0b')),
    ]
    expect(new Set(derived.map((bytes) => bytes.toString('hex'))).size).toBe(4)
  })

  it('takes no label that could be read as label and context', () => {
    expect(codeOf(() => deriveKey(key, 'a\0b'))).toBe('invalid-argument')
    expect(codeOf(() => deriveKey(key, ''))).toBe('invalid-argument')
    expect(codeOf(() => deriveKey(key.subarray(1), 'a'))).toBe('invalid-argument')
  })
})

describe('argon2id', () => {
  const salt = Buffer.from('somesalt')
  const password = Buffer.from('password')
  const small = { salt, passes: 2, memoryKib: 256 }

  it.each([
    [1, '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe'],
    [2, '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037'],
  ])(
    'gives the bytes of the reference implementation with %d lanes, whichever code runs',
    async (parallelism, expected) => {
      const parameters = { ...small, parallelism }
      expect((await argon2id(password, parameters)).toString('hex')).toBe(expected)
      const wasm = await wasmArgon2idBytes(password, { ...parameters, sizeBytes: 32 })
      expect(wasm.toString('hex')).toBe(expected)
    },
  )

  it.each([
    { ...small, parallelism: 0 },
    { ...small, parallelism: 64 },
    { ...small, parallelism: 1, passes: 65 },
    { ...small, parallelism: 1, memoryKib: 2 ** 31 },
    { ...small, parallelism: 1, memoryKib: 7 },
    { ...small, parallelism: 1, sizeBytes: 8 },
    { ...small, parallelism: 1, salt: Buffer.alloc(7) },
    { ...small, parallelism: 1.5 },
  ])('refuses parameters that are out of bounds: %j', async (parameters) => {
    await expect(argon2id(password, parameters)).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('secrets', () => {
  it('are equal or not', () => {
    expect(equalSecrets(Buffer.from('abc'), Buffer.from('abc'))).toBe(true)
    expect(equalSecrets(Buffer.from('abc'), Buffer.from('abd'))).toBe(false)
    expect(equalSecrets(Buffer.from('abc'), Buffer.from('abcd'))).toBe(false)
    expect(equalSecrets(Buffer.alloc(0), Buffer.alloc(0))).toBe(true)
  })

  it('are gone when wiped', () => {
    const a = Buffer.from('abc')
    const b = Uint8Array.of(1, 2)
    zero(a, undefined, b)
    expect([...a, ...b]).toEqual([0, 0, 0, 0, 0])
  })
})
