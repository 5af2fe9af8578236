import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { openLegacyBytes } from './dare-legacy.ts'
import { deriveKek, sealKey, unsealKey } from './key-seal.ts'
import { deriveMinioKek, minioEtagKey, unsealMinioKey } from './minio-keys.ts'
import { base64, codeOf, hex } from './testdata.fixture.ts'

describe('a sealed key', () => {
  const kek = randomBytes(32)
  const key = randomBytes(32)

  it('opens under the key that sealed it and no other', () => {
    const sealed = sealKey(kek, key)
    expect(sealed.length).toBe(64)
    expect(unsealKey(kek, sealed).equals(key)).toBe(true)
    expect(codeOf(() => unsealKey(randomBytes(32), sealed))).toBe('not-authentic')
  })

  it('is new every time', () => {
    expect(sealKey(kek, key).equals(sealKey(kek, key))).toBe(false)
  })

  it('shows every flipped bit', () => {
    const sealed = sealKey(kek, key)
    for (let bit = 0; bit < 512; bit += 1) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(codeOf(() => unsealKey(kek, changed))).toBe('not-authentic')
    }
  })

  it.each([0, 16, 63, 65, 128])('is not %d bytes long', (size) => {
    const sealed = Buffer.concat([sealKey(kek, key), sealKey(kek, key)]).subarray(0, size)
    expect(codeOf(() => unsealKey(kek, sealed))).toBe('not-authentic')
  })

  it('holds 32 bytes', () => {
    expect(codeOf(() => sealKey(kek, randomBytes(16)))).toBe('invalid-argument')
    expect(codeOf(() => sealKey(randomBytes(16), key))).toBe('invalid-argument')
  })
})

describe('a key-encryption key', () => {
  const dataKey = randomBytes(32)
  const binding = { iv: randomBytes(32), domain: 'SSE-KMS', digest: randomBytes(32) }

  it('depends on everything it is derived from', () => {
    const changes = [
      deriveKek(dataKey, binding),
      deriveKek(randomBytes(32), binding),
      deriveKek(dataKey, { ...binding, iv: randomBytes(32) }),
      deriveKek(dataKey, { ...binding, domain: 'SSE-S3' }),
      deriveKek(dataKey, { ...binding, digest: randomBytes(32) }),
    ]
    expect(new Set(changes.map((kek) => kek.toString('hex'))).size).toBe(changes.length)
  })

  it('takes nothing of another length, for then two bindings could look alike', () => {
    expect(codeOf(() => deriveKek(dataKey.subarray(1), binding))).toBe('invalid-argument')
    expect(codeOf(() => deriveKek(dataKey, { ...binding, iv: randomBytes(31) }))).toBe('invalid-argument')
    expect(codeOf(() => deriveKek(dataKey, { ...binding, digest: randomBytes(33) }))).toBe('invalid-argument')
    for (const domain of ['', 'a b', 'é', 'x'.repeat(65), 'a\n']) {
      expect(codeOf(() => deriveKek(dataKey, { ...binding, domain }))).toBe('invalid-argument')
    }
  })
})

describe('the check vectors of the specification (appendix A)', () => {
  const customerKey = base64('MzJieXRlc2xvbmdzZWNyZXRrZXltdXN0cHJvdmlkZWQ=')
  const iv = base64('coVfGS3I/CTrqexX5vUN+PQPoP9aUFiPYYrSzqTWfBA=')
  const seal = { sealAlgorithm: 'DAREv2-HMAC-SHA256', iv, domain: 'SSE-C', path: 'bucket/object' } as const

  it('holds for the MD5 of a customer key', () => {
    expect(createHash('md5').update(customerKey).digest('base64')).toBe('7PpPLAK26ONlVUGOWlusfg==')
  })

  it('holds for a KEK and a sealed key', () => {
    const kek = deriveMinioKek(customerKey, seal)
    expect(kek.toString('hex')).toBe('c47eac1a2b655726a2c73d565ff522df75dae4e8a7def866335649694b2b14ed')
    const sealed = base64('IAAfAMBdYor5tf/UlVaQvwYlw5yKbPBeQqfygqsfHqhu1wHD9KDAP4bw38AhL12prFTS23JbbR9Re5Qv26ZnlQ==')
    const objectKey = 'd4bef6fb18079e63828e8ab5953d9ae6d765d410d70e098d5c3d309731668f4e'
    expect(unsealMinioKey(kek, sealed).toString('hex')).toBe(objectKey)
    expect(unsealKey(kek, sealed).toString('hex')).toBe(objectKey)
  })

  it('holds for a sealed ETag', () => {
    const stored = hex(
      '20000f00f27834c9a2654927546df57f9e998187496394d4ee80f3d9978f85f3c7d81f72600cdbe03d80dc5a13d69354',
    )
    const etag = openLegacyBytes(minioEtagKey(Buffer.alloc(32)), stored, { plaintextSizeBytes: 16 })
    expect(etag.toString('hex')).toBe('8ad3fe6b84bf38489e95c701c84355b6')
  })
})
