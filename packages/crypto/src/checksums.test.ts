import { beforeAll, describe, expect, it, vi } from 'vitest'
import { checksumAlgorithms, checksumOf, checksumSizeBytes, createChecksum, loadChecksums } from './checksums.ts'
import { combineCrc } from './crc-combine.ts'
import { codeOf, cut, hex, plaintextP } from './testdata.fixture.ts'

/** Of the ASCII digits 1 to 9: the check values that CRC catalogues and the hash standards print. */
const checkValues = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  MD5: '25f9e794323b453885f5181f1b624d0b',
} as const

describe('before loading', () => {
  it('says what is missing', async () => {
    // As they are at the start of a process, whatever other files have loaded in this one.
    vi.resetModules()
    const { checksumOf, createChecksum } = await import('./checksums.ts')
    const { codeOf } = await import('./testdata.fixture.ts')
    expect(codeOf(() => createChecksum('CRC32C'))).toBe('invalid-argument')
    expect(codeOf(() => checksumOf('CRC64NVME', Buffer.alloc(1)))).toBe('invalid-argument')
    expect(createChecksum('CRC32').digest().toString('hex')).toBe('00000000')
  })
})

describe.each(checksumAlgorithms)('%s', (algorithm) => {
  beforeAll(loadChecksums)

  it('has its check value', () => {
    const checksum = createChecksum(algorithm)
    checksum.update(Buffer.from('1234'))
    checksum.update(Buffer.alloc(0))
    checksum.update(Buffer.from('56789'))
    expect(checksum.digest().toString('hex')).toBe(checkValues[algorithm])
    expect(checksumOf(algorithm, Buffer.from('123456789')).toString('hex')).toBe(checkValues[algorithm])
  })

  it('has its size', () => {
    expect(createChecksum(algorithm).digest().length).toBe(checksumSizeBytes[algorithm])
  })

  it('is the same for streams that take turns as for each alone', () => {
    const bodies = [plaintextP(200_000), plaintextP(150_001).reverse(), Buffer.alloc(0)]
    const chunks = bodies.map((body, i) => cut(body, [1000 + i, 17, 70_000]))
    const checksums = bodies.map(() => createChecksum(algorithm))
    for (let turn = 0; turn < 300; turn += 1) {
      checksums.forEach((checksum, i) => {
        const chunk = chunks[i]?.[turn]
        if (chunk) checksum.update(chunk)
      })
    }
    checksums.forEach((checksum, i) => {
      expect(checksum.digest()).toEqual(checksumOf(algorithm, bodies[i] ?? Buffer.alloc(0)))
    })
  })
})

describe('combineCrc', () => {
  beforeAll(loadChecksums)

  it('takes only CRCs of the right size and possible lengths', () => {
    expect(codeOf(() => combineCrc('CRC32', hex('00'), hex('00000000'), 1))).toBe('invalid-argument')
    expect(codeOf(() => combineCrc('CRC64NVME', hex('00000000'), hex('00000000'), 1))).toBe('invalid-argument')
    expect(codeOf(() => combineCrc('CRC32', hex('00000000'), hex('00000000'), -1))).toBe('invalid-argument')
    expect(codeOf(() => combineCrc('CRC32', hex('00000000'), hex('00000000'), 0.5))).toBe('invalid-argument')
  })
})
