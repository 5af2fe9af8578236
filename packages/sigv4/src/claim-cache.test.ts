/**
 * Claims that are remembered: the same answer as reading them anew.
 *
 * @module
 */

import { describe, expect, it } from 'vitest'
import { type ParsedAuthorization, parseAuthorization } from './authorization.ts'
import { ClaimCache } from './claim-cache.ts'

const scope = '20130524/us-east-1/s3/aws4_request'
const start = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=host;x-amz-date`
const signature = 'a'.repeat(64)
const otherSignature = 'b'.repeat(64)

function parse(authorization: string, claims?: ClaimCache): ParsedAuthorization | undefined {
  const headers = { authorization, 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  return parseAuthorization({ method: 'GET', rawPath: '/', rawQuery: '', headers }, new Map(), {
    regions: ['us-east-1'],
    now: () => Date.UTC(2013, 4, 24),
    ...(claims === undefined ? {} : { claims }),
  })
}

describe('ClaimCache', () => {
  it('gives what reading gives, with the signature of each request', () => {
    const claims = new ClaimCache()
    for (const given of [signature, otherSignature, signature]) {
      const header = `${start}, Signature=${given}`
      expect(parse(header, claims)).toEqual(parse(header))
    }
    expect(claims.size).toBe(1)
  })

  it('keeps claims apart that differ in any character', () => {
    const claims = new ClaimCache()
    parse(`${start}, Signature=${signature}`, claims)
    const other = `${start.replace('AKIDEXAMPLE', 'AKIDEXAMPLF')};x-amz-meta-a, Signature=${signature}`
    expect(parse(other, claims)).toMatchObject({
      accessKeyId: 'AKIDEXAMPLF',
      signedHeaders: ['host', 'x-amz-date', 'x-amz-meta-a'],
    })
  })

  it.each([
    ['a signature that is not one', `${start}, Signature=${signature}x`],
    ['two signatures', `${start}, Signature=${signature}, Signature=${signature}`],
    ['a field beyond the three', `${start}, Signature=${signature}, More=1`],
    ['a missing field', `${start.slice(0, start.indexOf(','))}, Signature=${signature}`],
  ])('refuses %s as before, however often it comes', (_, header) => {
    const claims = new ClaimCache()
    parse(`${start}, Signature=${signature}`, claims)
    const refusal = (use?: ClaimCache) => {
      try {
        return parse(header, use)
      } catch (error) {
        return String(error)
      }
    }
    expect(refusal()).toMatch(/Error/)
    expect([refusal(claims), refusal(claims)]).toEqual([refusal(), refusal()])
  })

  it('reads fields in another order, and does not remember them', () => {
    const claims = new ClaimCache()
    const header = `AWS4-HMAC-SHA256 Signature=${signature}, ${start.slice('AWS4-HMAC-SHA256 '.length)}`
    expect(parse(header, claims)).toEqual(parse(header))
    expect(claims.size).toBe(0)
  })

  it('forgets the oldest of very many, and remembers no long ones', () => {
    const claims = new ClaimCache()
    for (let i = 0; i < 1_100; i += 1)
      parse(`${start.replace('AKIDEXAMPLE', `AKID${i}`)}, Signature=${signature}`, claims)
    expect(claims.size).toBe(1_024)
    const long = new ClaimCache()
    parse(`${start};${'x'.repeat(600)}, Signature=${signature}`, long)
    expect(long.size).toBe(0)
  })
})
