import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { examples, scope, secret } from './aws-examples.fixture.ts'
import {
  checkPostPolicy,
  checkPostSize,
  parsePostPolicy,
  parsePostSignature,
  parsePostSignatureV2,
  signPostPolicy,
  verifyPostSignature,
  verifyPostSignatureV2,
} from './post-policy.ts'
import { deriveSigningKey } from './signing-key.ts'

const signingKey = deriveSigningKey(secret, scope)
const options = { regions: ['us-east-1'] }
const before = Date.UTC(2015, 0, 1)

function policyOf(conditions: unknown, expiration: unknown = '2015-12-30T12:00:00.000Z'): string {
  return Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64')
}

function fieldsOf(fields: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(fields))
}

const policy = policyOf([{ bucket: 'b' }, ['starts-with', '$key', 'user/']])
const form = {
  policy,
  'x-amz-algorithm': 'AWS4-HMAC-SHA256',
  'x-amz-credential': `${examples.accessKeyId}/20130524/us-east-1/s3/aws4_request`,
  'x-amz-date': '20130524T000000Z',
  'x-amz-signature': signPostPolicy(policy, signingKey),
}

describe('parsePostSignatureV2', () => {
  const signature = createHmac('sha1', secret).update(policy).digest('base64')
  const old = { awsaccesskeyid: examples.accessKeyId, policy, signature }

  it('reads a signed form whose signature then verifies', () => {
    const parsed = parsePostSignatureV2(fieldsOf(old))
    if (parsed === undefined) throw new Error('another version')
    expect(parsed.accessKeyId).toBe(examples.accessKeyId)
    verifyPostSignatureV2(parsed, secret)
    for (const wrong of [
      { ...parsed, policy: policyOf([]) },
      { ...parsed, signature: '' },
      { ...parsed, signature: 'x' },
    ]) {
      expect(() => verifyPostSignatureV2(wrong, secret)).toThrow(
        expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
      )
    }
  })

  it('leaves anonymous forms and those of version 4 alone', () => {
    expect(parsePostSignatureV2(fieldsOf({ key: 'a' }))).toBeUndefined()
    expect(parsePostSignatureV2(fieldsOf({ ...form, awsaccesskeyid: 'x' }))).toBeUndefined()
  })

  it.each([
    ['AWSAccessKeyId', { policy, signature }],
    ['signature', { awsaccesskeyid: 'x', policy }],
    ['policy', { awsaccesskeyid: 'x', signature }],
  ])('wants the field %s', (name, fields) => {
    expect(() => parsePostSignatureV2(fieldsOf(fields))).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', fields: { ArgumentName: name, ArgumentValue: '' } }),
    )
  })
})

describe('parsePostSignature', () => {
  it('reads a signed form whose signature then verifies', () => {
    const parsed = parsePostSignature(fieldsOf(form), options)
    if (parsed === undefined) throw new Error('anonymous')
    expect(parsed).toMatchObject({ accessKeyId: examples.accessKeyId, scope })
    verifyPostSignature(parsed, signingKey)
    expect(() => verifyPostSignature({ ...parsed, policy: policyOf([]) }, signingKey)).toThrow(
      expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
    )
  })

  it('sees an anonymous form', () => {
    expect(parsePostSignature(fieldsOf({ key: 'a', acl: 'private' }), options)).toBeUndefined()
  })

  it.each(['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'])(
    'wants the field %s',
    (name) => {
      const fields = fieldsOf(form)
      fields.delete(name)
      expect(() => parsePostSignature(fields, options)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument', fields: { ArgumentName: name, ArgumentValue: '' } }),
      )
    },
  )

  it('refuses Signature Version 2', () => {
    const fields = fieldsOf({ awsaccesskeyid: 'a', signature: 'b', policy })
    expect(() => parsePostSignature(fields, options)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })
})

describe('parsePostPolicy', () => {
  it.each([
    ['text that is not base64 JSON', 'e30x', 'Invalid Policy: Invalid JSON.'],
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('base64'), 'Invalid Policy: Invalid JSON.'],
    ['a list', Buffer.from('[]').toString('base64'), 'Invalid Policy: Invalid JSON.'],
    ['no expiration', policyOf([], null), 'Invalid Policy: Policy missing expiration.'],
    ['a loose date', policyOf([], '2015'), "Invalid Policy: Invalid 'expiration' value."],
    ['no conditions', policyOf(undefined), 'Invalid Policy: Policy missing conditions.'],
    ['an unknown operator', policyOf([['ends-with', '$key', 'a']]), 'Invalid Policy: Invalid Condition.'],
    ['a field without $', policyOf([['eq', 'key', 'a']]), 'Invalid Policy: Invalid Condition.'],
    [
      'a negative range',
      policyOf([['content-length-range', -1, 5]]),
      'Invalid Policy: Invalid Condition: content-length-range.',
    ],
    ['a number as value', policyOf([{ key: 1 }]), 'Invalid Policy: Invalid Simple-Condition: value must be a string.'],
    [
      'an empty condition',
      policyOf([{}]),
      'Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    ],
    [
      'two in one',
      policyOf([{ key: 'a', acl: 'b' }]),
      'Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(() => parsePostPolicy(text)).toThrow(expect.objectContaining({ code: 'InvalidPolicyDocument', message }))
  })
})

describe('checkPostPolicy', () => {
  const check = (conditions: unknown, fields: Readonly<Record<string, string>>, nowMs = before) =>
    checkPostPolicy(parsePostPolicy(policyOf(conditions)), fieldsOf({ bucket: 'b', ...fields }), nowMs)
  const conditions = [
    { Bucket: 'b' },
    ['starts-with', '$key', 'user/'],
    ['EQ', '$acl', 'private'],
    ['starts-with', '$Content-Type', 'image/'],
    ['starts-with', '$x-amz-meta-tag', ''],
  ]
  const fields = { key: 'user/a', acl: 'private', 'content-type': 'image/png, image/gif', 'x-amz-meta-tag': 'x' }

  it('passes a form that keeps every condition', () => {
    check(conditions, { ...fields, 'x-ignore-a': '1', policy: 'p', 'x-amz-signature': 's', file: '' })
  })

  it.each<[string, Readonly<Record<string, string>>]>([
    ['another prefix', { key: 'other/a' }],
    ['another value', { acl: 'public-read' }],
    ['a content type outside', { 'content-type': 'image/png,text/html' }],
    ['another bucket', { bucket: 'c' }],
  ])('refuses %s', (_, change) => {
    expect(() => check(conditions, { ...fields, ...change })).toThrow(
      /^Invalid according to Policy: Policy Condition failed: \[/,
    )
  })

  it.each([
    'success_action_status',
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-key',
    'tagging',
  ])('refuses a field that no condition covers: %s', (name) => {
    expect(() => check(conditions, { ...fields, [name]: '1' })).toThrow(
      `Invalid according to Policy: Extra input fields: ${name}`,
    )
  })

  it('refuses a policy that names no bucket: it would be good for all of them', () => {
    expect(() => check(conditions.slice(1), fields)).toThrow('Invalid according to Policy: Extra input fields: bucket')
  })

  it('refuses an expired policy', () => {
    expect(() => check(conditions, fields, Date.UTC(2015, 11, 30, 12))).toThrow(
      'Invalid according to Policy: Policy expired.',
    )
  })
})

describe('checkPostSize', () => {
  const ranged = parsePostPolicy(
    policyOf([
      ['content-length-range', 5, '10'],
      ['content-length-range', 0, 8],
    ]),
  )

  it('wants the file within all ranges', () => {
    for (const size of [5, 8]) checkPostSize(ranged, size)
    expect(() => checkPostSize(ranged, 4)).toThrow(expect.objectContaining({ code: 'EntityTooSmall' }))
    expect(() => checkPostSize(ranged, 9)).toThrow(
      expect.objectContaining({ code: 'EntityTooLarge', fields: { ProposedSize: '9', MaxSizeAllowed: '8' } }),
    )
  })
})
