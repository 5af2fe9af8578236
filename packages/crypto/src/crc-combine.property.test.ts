import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { checksumOf, loadChecksums } from './checksums.ts'
import { type CrcAlgorithm, combineCrc } from './crc-combine.ts'

describe.each(['CRC32', 'CRC32C', 'CRC64NVME'] satisfies CrcAlgorithm[])('combined %s', (algorithm) => {
  beforeAll(loadChecksums)
  const crc = (bytes: Uint8Array) => checksumOf(algorithm, bytes)

  it('is that of the parts one after the other', () => {
    const bytes = fc.uint8Array({ maxLength: 3000 })
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const whole = crc(Buffer.concat([a, b]))
        expect(combineCrc(algorithm, crc(a), crc(b), b.length).equals(whole)).toBe(true)
      }),
    )
  })

  it('does not depend on how parts are grouped, at lengths no test could sum', () => {
    const crcs = fc.uint8Array({ minLength: crc(Buffer.alloc(0)).length, maxLength: crc(Buffer.alloc(0)).length })
    const lengths = fc.integer({ min: 0, max: 2 ** 43 })
    fc.assert(
      fc.property(crcs, crcs, crcs, lengths, lengths, (a, b, c, lengthB, lengthC) => {
        const left = combineCrc(algorithm, combineCrc(algorithm, a, b, lengthB), c, lengthC)
        const right = combineCrc(algorithm, a, combineCrc(algorithm, b, c, lengthC), lengthB + lengthC)
        expect(left.equals(right)).toBe(true)
      }),
    )
  })

  it('sums up 8 MiB from parts of 1 MiB', () => {
    const part = Buffer.alloc(2 ** 20, 0x5a)
    let combined = crc(Buffer.alloc(0))
    for (let i = 0; i < 8; i += 1) combined = combineCrc(algorithm, combined, crc(part), part.length)
    expect(combined.equals(crc(Buffer.alloc(2 ** 23, 0x5a)))).toBe(true)
  })
})
