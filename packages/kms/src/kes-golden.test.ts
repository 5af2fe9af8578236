/**
 * What real KES wrote and answered: stored keys, ciphertexts, HMACs, verdicts. See ../testdata/README.md.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decryptWithKey, encryptWithKey, hmacWithKey } from './key-cipher.ts'
import { KmsError } from './kms-error.ts'
import { formatStoredKey, parseStoredKey, type StoredKey } from './stored-key.ts'
import { formatTimestamp } from './timestamp.ts'

function golden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../testdata/${file}`, import.meta.url), 'utf8')) as T
}

interface GoldenKey {
  readonly name: string
  readonly algorithm: string
  readonly key: string
  readonly hmacKey: string
  readonly createdAt: { readonly seconds: number; readonly nanos: number }
  readonly createdBy: string
  readonly stored: string
  readonly describe: string
}
interface GoldenCiphertexts {
  readonly ciphertexts: readonly {
    readonly key: string
    readonly op: string
    readonly context: string | null
    readonly plaintext: string
    readonly ciphertext: string
  }[]
  readonly hmacs: readonly { readonly key: string; readonly message: string | null; readonly hmac: string }[]
}
interface DecryptCase {
  readonly name: string
  readonly key: string
  readonly context: string | null
  readonly ciphertext: string
  readonly status: number
  readonly plaintext: string | null
}
interface StoredValue {
  readonly name: string
  readonly stored: string
  readonly describe: { readonly status: number; readonly body: string } | null
  readonly hmac?: { readonly status: number; readonly body: string }
  readonly decrypts?: readonly string[]
}

const keys = golden<readonly GoldenKey[]>('keys.json')
const { ciphertexts, hmacs } = golden<GoldenCiphertexts>('ciphertexts.json')
const decryptCases = golden<readonly DecryptCase[]>('decrypt-cases.json')
const storedValues = golden<readonly StoredValue[]>('stored-values.json')

const bytes = (base64: string | null): Buffer => Buffer.from(base64 ?? '', 'base64')
const base64 = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString('base64')
const text = (value: string): Buffer => Buffer.from(value, 'utf8')

function storedKeyOf(name: string): StoredKey {
  const found = keys.find((key) => key.name === name)
  if (found === undefined) throw new Error(`no golden key ${name}`)
  return parseStoredKey(text(found.stored))
}

/** The answer of KES to `describe`, as its Go encoder prints it. */
function describeBody(name: string, stored: StoredKey): string {
  const body = {
    name,
    algorithm: stored.algorithm,
    created_at: formatTimestamp(stored.createdAt),
    ...(stored.createdBy === '' ? {} : { created_by: stored.createdBy }),
  }
  const escaped = JSON.stringify(body).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)
  return `${escaped.replaceAll('\\u003cname\\u003e', '<name>')}\n`
}

describe('stored keys of real KES', () => {
  it.each(keys)('reads $name and writes it back byte for byte', (key) => {
    const stored = parseStoredKey(text(key.stored))
    expect(stored.algorithm).toBe(key.algorithm)
    expect(base64(stored.key)).toBe(key.key)
    expect(base64(stored.hmacKey)).toBe(key.hmacKey)
    expect(stored.createdAt).toEqual({ ...key.createdAt, offsetMinutes: 0 })
    expect(stored.createdBy).toBe(key.createdBy)
    expect(Buffer.from(formatStoredKey(stored)).toString()).toBe(key.stored)
    expect(describeBody(key.name, stored)).toBe(key.describe)
  })

  it.each(storedValues)('has the verdict of KES on "$name"', ({ stored: value, describe: answer, hmac, decrypts }) => {
    // Where KES crashes (`describe: null`: a missing message, an empty value) the value is refused like any broken one.
    if (answer?.status !== 200) {
      expect(() => parseStoredKey(text(value))).toThrow(expect.objectContaining({ code: 'invalid-key' }))
      return
    }
    const stored = parseStoredKey(text(value))
    expect(describeBody('<name>', stored)).toBe(answer.body)
    expect([stored.algorithm]).toEqual(decrypts)
    expect(stored.hmacKey === undefined ? 409 : 200).toBe(hmac?.status)
    if (stored.hmacKey !== undefined) {
      expect(`{"hmac":"${base64(hmacWithKey(stored.hmacKey, text('Hello World')))}"}\n`).toBe(hmac?.body)
    }
  })
})

describe('ciphertexts of real KES', () => {
  it.each(keys)('opens every ciphertext made under $name', ({ name }) => {
    const stored = storedKeyOf(name)
    const mine = ciphertexts.filter(({ key }) => key === name)
    expect(mine.length).toBeGreaterThan(0)
    for (const { ciphertext, context, plaintext } of mine) {
      expect(base64(decryptWithKey(stored, bytes(ciphertext), bytes(context)))).toBe(plaintext)
    }
  })

  it.each(keys)('writes under $name what KES wrote, given its iv and nonce', ({ name }) => {
    const stored = storedKeyOf(name)
    for (const { ciphertext, context, plaintext } of ciphertexts.filter(({ key }) => key === name)) {
      const trailer = bytes(ciphertext).subarray(-28)
      const written = encryptWithKey(stored, bytes(plaintext), bytes(context), () => trailer)
      expect(base64(written)).toBe(ciphertext)
    }
  })

  it('makes the HMACs of KES', () => {
    expect(hmacs.length).toBeGreaterThan(0)
    for (const { key, message, hmac } of hmacs) {
      const { hmacKey } = storedKeyOf(key)
      expect(hmacKey && base64(hmacWithKey(hmacKey, bytes(message)))).toBe(hmac)
    }
  })
})

/**
 * Where we open and KES does not: the envelope says which cipher sealed it, and KES believes the key alone
 * (kes-protocol 6.3, "algorithm-mismatch trap"). Both keys of these cases have the same bytes.
 */
const opensHereOnly = new Set([
  'msgpack AES256 under the other algorithm',
  'JSON AES256 under the other algorithm',
  'msgpack ChaCha20 under the other algorithm',
  'JSON ChaCha20 under the other algorithm',
])

describe('verdicts of real KES on ciphertexts', () => {
  it.each(decryptCases)('$name', ({ name, key, ciphertext, context, status, plaintext }) => {
    const open = (): string => base64(decryptWithKey(storedKeyOf(key), bytes(ciphertext), bytes(context)))
    if (opensHereOnly.has(name)) {
      expect(status).toBe(400)
      expect(open()).toBe('QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=')
    } else if (status === 200) {
      expect(open()).toBe(plaintext ?? '')
    } else {
      expect(open).toThrow(KmsError)
      expect(open).toThrow(expect.objectContaining({ code: 'not-authentic' }))
    }
  })
})
