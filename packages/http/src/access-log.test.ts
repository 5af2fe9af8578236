/**
 * The access log: its line, and that secrets do not reach it.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AccessEntry, createAccessLog, redactTarget } from './access-log.ts'
import { createRequestIds } from './request-ids.ts'

const entry: AccessEntry = {
  requestId: '00112233445566FF',
  operation: 'PutObject',
  method: 'PUT',
  target: '/bucket/name?partNumber=1',
  status: 200,
  bytesIn: 4096,
  bytesOut: 0,
  durationMs: 1.23456,
  remoteAddress: '127.0.0.1',
}

function logged(value: AccessEntry): {
  readonly text: string
  readonly line: Record<string, unknown> & { readonly target?: unknown }
} {
  let text = ''
  const stream = {
    write(part: string): void {
      text += part
    },
  }
  createAccessLog(stream).write(value)
  return { text, line: JSON.parse(text) }
}

describe('createAccessLog', () => {
  it('writes one JSON line with the time and the fields that apply', () => {
    const { text, line } = logged({ ...entry, keyId: 'my-key', encryption: 'aws:kms', accessKeyId: 'AK', ttfbMs: 0.5 })
    expect(text.endsWith('}\n')).toBe(true)
    expect(text.trimEnd()).not.toContain('\n')
    const { time, ...rest } = line
    expect(new Date(String(time)).toISOString()).toBe(time)
    expect(rest).toEqual({
      level: 'info',
      ...entry,
      durationMs: 1.235,
      ttfbMs: 0.5,
      keyId: 'my-key',
      encryption: 'aws:kms',
      accessKeyId: 'AK',
    })
  })

  it('carries nothing over that is not one of its fields', () => {
    const sloppy = { ...entry, headers: { authorization: 'SECRET' }, secretKey: 'SECRET' }
    expect(logged(sloppy).text).not.toContain('SECRET')
  })

  it('keeps a line a line whatever the target holds', () => {
    const { text, line } = logged({ ...entry, target: '/a\n{"forged":true}\u2028' })
    expect(text.indexOf('\n')).toBe(text.length - 1)
    expect(line.target).toBe('/a\n{"forged":true}\u2028')
  })
})

describe('redactTarget', () => {
  it.each([
    ['/b/k?X-Amz-Signature=abc&X-Amz-Date=1', '/b/k?X-Amz-Signature=REDACTED&X-Amz-Date=1'],
    ['/b/k?x-amz-security-TOKEN=abc', '/b/k?x-amz-security-TOKEN=REDACTED'],
    ['/b/k?X-Amz-%53ignature=abc', '/b/k?X-Amz-%53ignature=REDACTED'],
    ['/b/k?X-Amz-Credential=AK%2F2026', '/b/k?X-Amz-Credential=REDACTED'],
    ['/b/k?x-amz-server-side-encryption-customer-key=abc', '/b/k?x-amz-server-side-encryption-customer-key=REDACTED'],
    ['/b/k?Signature=a&AWSAccessKeyId=AK', '/b/k?Signature=REDACTED&AWSAccessKeyId=AK'],
    ['/b/k?%ff=abc', '/b/k?%ff=REDACTED'],
    ['/b/k?Signature=a=b=c', '/b/k?Signature=REDACTED'],
    ['/b?list-type=2&prefix=a%2Fb&max-keys=10', '/b?list-type=2&prefix=a%2Fb&max-keys=10'],
    ['/b/k?uploads', '/b/k?uploads'],
    ['/b/Signature=abc', '/b/Signature=abc'],
  ])('turns %s into %s', (target, expected) => {
    expect(redactTarget(target)).toBe(expected)
  })

  it('cuts a long target after redaction', () => {
    expect(redactTarget(`/${'a'.repeat(5_000)}`)).toHaveLength(2_049)
  })

  it('never shows the value of a secret parameter, wherever it stands and however it is written', () => {
    const secretNames = fc.constantFrom('X-Amz-Signature', 'x-amz-security-token', 'Signature', 'SECRET', 'id_token')
    const encode = (name: string, mask: readonly boolean[]): string =>
      [...name].map((c, at) => (mask[at] === true ? `%${c.charCodeAt(0).toString(16)}` : c)).join('')
    const others = fc.array(fc.constantFrom('a=b', 'uploads', 'prefix=x', '', '=', 'c=d=e'))
    fc.assert(
      fc.property(secretNames, fc.array(fc.boolean()), others, others, (name, mask, before, after) => {
        const target = `/b?${[...before, `${encode(name, mask)}=hunter2`, ...after].join('&')}`
        expect(redactTarget(target)).not.toContain('hunter2')
      }),
    )
  })
})

describe('createRequestIds', () => {
  it('makes sixteen upper-case hexadecimal digits, all different', () => {
    const ids = createRequestIds()
    const made = Array.from({ length: 5_000 }, () => ids.next())
    expect(new Set(made).size).toBe(5_000)
    for (const id of made) expect(id).toMatch(/^[0-9A-F]{16}$/)
    expect(ids.hostId).toMatch(/^[0-9a-f]{64}$/)
  })

  it('uses the randomness it is given', () => {
    const ids = createRequestIds((size) => new Uint8Array(size).map((_, at) => at))
    expect([ids.next(), ids.next()]).toEqual(['0001020304050607', '08090A0B0C0D0E0F'])
  })
})
