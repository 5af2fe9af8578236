import { describe, expect, it } from 'vitest'
import { emptySha256 } from './canonical-request.ts'
import { PayloadCheck, parsePayloadMode } from './payload.ts'

describe('parsePayloadMode', () => {
  it('knows every form of x-amz-content-sha256', () => {
    expect(parsePayloadMode(undefined)).toEqual({ kind: 'unsigned' })
    expect(parsePayloadMode('UNSIGNED-PAYLOAD')).toEqual({ kind: 'unsigned' })
    expect(parsePayloadMode(emptySha256.toUpperCase())).toEqual({ kind: 'sha256', sha256Hex: emptySha256 })
    const chunked = (isSigned: boolean, hasTrailer: boolean) => ({ kind: 'aws-chunked', isSigned, hasTrailer })
    expect(parsePayloadMode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).toEqual(chunked(true, false))
    expect(parsePayloadMode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER')).toEqual(chunked(true, true))
    expect(parsePayloadMode('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toEqual(chunked(false, true))
  })

  it('does not pretend to know SigV4A', () => {
    for (const value of [
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
    ]) {
      expect(() => parsePayloadMode(value)).toThrow(expect.objectContaining({ code: 'NotImplemented' }))
    }
  })

  it.each(['', 'unsigned-payload', 'STREAMING', emptySha256.slice(1), `${emptySha256}0`])('refuses "%s"', (value) => {
    expect(() => parsePayloadMode(value)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        fields: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value },
      }),
    )
  })
})

describe('PayloadCheck', () => {
  it('returns the digest of a body that is what was signed', () => {
    expect(Buffer.from(new PayloadCheck(emptySha256).verify()).toString('hex')).toBe(emptySha256)
  })

  it('refuses any other body and names both digests', () => {
    const check = new PayloadCheck(emptySha256)
    check.update(Buffer.from('Welcome to Amazon S3.'))
    expect(() => check.verify()).toThrow(
      expect.objectContaining({
        code: 'XAmzContentSHA256Mismatch',
        fields: {
          ClientComputedContentSHA256: emptySha256,
          S3ComputedContentSHA256: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
        },
      }),
    )
  })
})
