import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64 } from './base64.ts'
import { parseEnvelope } from './ciphertext-envelope.ts'
import { ciphertextOverhead, decryptWithKey, encryptWithKey } from './key-cipher.ts'
import { parseKeyMarker } from './key-marker.ts'
import { decodeKeyringBody } from './keyring-body.ts'
import { KmsError } from './kms-error.ts'
import { formatStoredKey, maxStoredKeyBytes, parseStoredKey, type StoredKey } from './stored-key.ts'
import { formatTimestamp, normalTimestamp, parseTimestamp } from './timestamp.ts'

const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
const algorithm = fc.constantFrom('AES256', 'ChaCha20')
const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 })
const nanos = fc.integer({ min: 0, max: 999_999_999 })

const storedKey: fc.Arbitrary<StoredKey> = fc.record(
  {
    algorithm,
    key: secret,
    hmacKey: secret,
    createdAt: fc.record({ seconds, nanos, offsetMinutes: fc.constant(0) }),
    createdBy: fc.string({ unit: 'binary', maxLength: 100 }),
    mark: fc.record({
      version: fc.integer({ min: 2, max: 999_999_999 }),
      family: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    }),
  },
  { requiredKeys: ['algorithm', 'key', 'hmacKey', 'createdAt', 'createdBy'] },
)

/** Runs a reader; only its one error may come out. */
function survives(read: () => unknown, codes: readonly string[]): void {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(KmsError)
    expect(codes).toContain((error as KmsError).code)
  }
}

describe('stored keys', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(storedKey, (key) => {
        expect(parseStoredKey(formatStoredKey(key))).toEqual(key)
      }),
    )
  })

  it('are refused with one error when they are anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => survives(() => parseStoredKey(bytes), ['invalid-key'])),
    )
    fc.assert(fc.property(fc.json(), (text) => survives(() => parseStoredKey(Buffer.from(text)), ['invalid-key'])))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (message) =>
        survives(() => parseStoredKey(Buffer.from(Buffer.from(message).toString('base64'))), ['invalid-key']),
      ),
    )
  })

  it('never come back as another key when one byte of the text is lost', () => {
    fc.assert(
      fc.property(storedKey, fc.nat(), (key, at) => {
        const text = Buffer.from(formatStoredKey(key))
        const index = at % text.length
        const cut = Buffer.concat([text.subarray(0, index), text.subarray(index + 1)])
        expect(() => parseStoredKey(cut)).toThrow(KmsError)
      }),
    )
  })

  it('are not even looked at when they are too long', () => {
    expect(() => parseStoredKey(Buffer.alloc(maxStoredKeyBytes + 1, 0x20))).toThrow(KmsError)
    expect(() => parseStoredKey(Buffer.alloc(maxStoredKeyBytes, '['))).toThrow(KmsError)
    expect(() => parseStoredKey(Buffer.alloc(maxStoredKeyBytes, 'W'))).toThrow(KmsError)
  })
})

describe('ciphertexts', () => {
  const anyBytes = fc.uint8Array({ maxLength: 200 })

  it('open with the key and context they were made with, 44 bytes longer than the plaintext', () => {
    fc.assert(
      fc.property(
        algorithm,
        secret,
        anyBytes,
        anyBytes,
        fc.uint8Array({ minLength: 28, maxLength: 28 }),
        (name, key, plaintext, context, random) => {
          const ciphertext = encryptWithKey({ algorithm: name, key }, plaintext, context, () => random)
          expect(ciphertext.length).toBe(plaintext.length + ciphertextOverhead)
          const opened = decryptWithKey({ algorithm: name, key }, ciphertext, context)
          expect(Buffer.from(opened)).toEqual(Buffer.from(plaintext))
        },
      ),
    )
  })

  it('fail with one error when they are anything else', () => {
    const key = { algorithm: 'AES256', key: new Uint8Array(32) } as const
    const first = fc.constantFrom(0x95, 0x7b, 0x00)
    fc.assert(
      fc.property(first, anyBytes, (byte, rest) =>
        survives(() => decryptWithKey(key, Buffer.concat([Buffer.of(byte), rest]), rest), ['not-authentic']),
      ),
    )
    fc.assert(
      fc.property(fc.json(), (text) =>
        survives(() => decryptWithKey(key, Buffer.from(text), Buffer.of()), ['not-authentic']),
      ),
    )
  })

  it('are read in linear time when they claim to be long', () => {
    const bomb = Buffer.concat([Buffer.from('95dbffffffff', 'hex'), Buffer.alloc(1_000_000)])
    expect(parseEnvelope(bomb)).toBeUndefined()
    expect(parseEnvelope(Buffer.alloc(1_000_000, '{'))).toBeUndefined()
    expect(parseEnvelope(Buffer.from('{"a":'.repeat(100_000)))).toBeUndefined()
  })
})

describe('base64, times, markers and keyrings', () => {
  it('decodes what Node encodes, with line ends anywhere, and nothing that is not base64', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (bytes, at) => {
        const text = Buffer.from(bytes).toString('base64')
        const index = at % (text.length + 1)
        expect(decodeBase64(Buffer.from(`${text.slice(0, index)}\r\n${text.slice(index)}`))).toEqual(Buffer.from(bytes))
        for (const stranger of [' ', '-', '=', '.', '\0']) {
          expect(decodeBase64(Buffer.from(`${text.slice(0, index)}${stranger}${text.slice(index)}`))).toBeUndefined()
        }
      }),
    )
  })

  it('reads times as it writes them, in any zone', () => {
    fc.assert(
      fc.property(seconds, nanos, fc.integer({ min: -1_439, max: 1_439 }), (at, fraction, offset) => {
        // Not so near to the ends that the zone leaves the four-digit years.
        fc.pre(at > -62_135_000_000 && at < 253_402_000_000)
        const time = normalTimestamp(BigInt(at), fraction, offset)
        expect(time && parseTimestamp(formatTimestamp(time))).toEqual(time)
      }),
    )
  })

  it.each([
    'yesterday',
    '2024-02-30T00:00:00Z',
    '2024-01-01T24:00:00Z',
    '2024-01-01 00:00:00Z',
    '2024-01-01T00:00:00',
    '',
  ])('takes %j for no time', (text) => {
    expect(parseTimestamp(text)).toBeUndefined()
  })

  it('survives any marker and any keyring body', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseKeyMarker(bytes)))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) =>
        survives(() => decodeKeyringBody(bytes), ['invalid-key', 'unsupported']),
      ),
    )
  })
})
