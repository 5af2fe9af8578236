import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asksForCustomerKey,
  checkKmsTransport,
  parseCopySourceKey,
  parseCustomerKey,
  parseEncryption,
  refuseEncryptionHeaders,
} from './encryption-headers.ts'
import { addEncryptionHeaders } from './encryption-response.ts'
import { failure, mayRefuse } from './failure.fixture.ts'

/** Any bytes, as `node:http` delivers them. */
const wireText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const sse = 'x-amz-server-side-encryption'
const kid = `${sse}-aws-kms-key-id`
const ctx = `${sse}-context`
const bk = `${sse}-bucket-key-enabled`
const secure = { secure: true, signed: true }

// Appendix A of the behaviour spec.
const encodedKey = 'MzJieXRlc2xvbmdzZWNyZXRrZXltdXN0cHJvdmlkZWQ='
const md5 = '7PpPLAK26ONlVUGOWlusfg=='

function customer(change: Readonly<Record<string, string | undefined>> = {}, prefix = 'x-amz-') {
  const base = `${prefix}server-side-encryption-customer-`
  const headers: Record<string, string | undefined> = {
    [`${base}algorithm`]: 'AES256',
    [`${base}key`]: encodedKey,
    [`${base}key-md5`]: md5,
  }
  for (const [name, value] of Object.entries(change)) headers[base + name] = value
  return headers
}

function context(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}

describe('parseEncryption', () => {
  it('reads each mode', () => {
    expect(parseEncryption({}, secure)).toEqual({ mode: 'default' })
    expect(parseEncryption({ [bk]: 'true' }, secure)).toEqual({ mode: 'default', bucketKeyEnabled: true })
    expect(parseEncryption({ [sse]: 'AES256' }, secure)).toEqual({ mode: 'sse-s3' })
    expect(parseEncryption({ [sse]: 'aws:kms' }, secure)).toEqual({ mode: 'sse-kms' })
    const all = { [sse]: 'aws:kms', [kid]: 'my-key', [ctx]: context({ a: 'b' }), [bk]: 'False' }
    expect(parseEncryption(all, secure)).toEqual({
      mode: 'sse-kms',
      keyId: 'my-key',
      context: new Map([['a', 'b']]),
      bucketKeyEnabled: false,
    })
    const key = Buffer.from('32byteslongsecretkeymustprovided')
    expect(parseEncryption(customer(), secure)).toEqual({
      mode: 'sse-c',
      customerKey: { key: new Uint8Array(key), md5 },
    })
  })

  it('takes an empty key id for the default key and an empty context for none', () => {
    expect(parseEncryption({ [sse]: 'aws:kms', [kid]: '', [ctx]: context({}) }, secure)).toEqual({ mode: 'sse-kms' })
  })

  it('gives the customer key a buffer of its own, to be zeroed', () => {
    const parsed = parseEncryption(customer(), secure)
    if (parsed.mode !== 'sse-c') throw new Error('mode')
    expect(parsed.customerKey.key.buffer.byteLength).toBe(32)
  })

  const rows: readonly (readonly [
    row: string,
    headers: Readonly<Record<string, string | undefined>>,
    code: string,
    message: string,
    fields: Readonly<Record<string, string>>,
  ])[] = [
    [
      '4',
      { [sse]: 'AES257' },
      'InvalidArgument',
      'The encryption method specified is not supported',
      { ArgumentName: sse, ArgumentValue: 'AES257' },
    ],
    [
      '4 (empty)',
      { [sse]: '' },
      'InvalidArgument',
      'The encryption method specified is not supported',
      { ArgumentName: sse, ArgumentValue: '' },
    ],
    [
      '4 (case)',
      { [sse]: 'AWS:KMS' },
      'InvalidArgument',
      'The encryption method specified is not supported',
      { ArgumentName: sse, ArgumentValue: 'AWS:KMS' },
    ],
    [
      '4 (with a key id)',
      { [sse]: 'aes:kms', [kid]: 'k' },
      'InvalidArgument',
      'The encryption method specified is not supported',
      { ArgumentName: sse, ArgumentValue: 'aes:kms' },
    ],
    ...[
      { [kid]: 'k' },
      { [ctx]: context({ a: 'b' }) },
      { [sse]: 'AES256', [kid]: 'k' },
      { [sse]: 'AES256', [ctx]: 'x' },
      { [sse]: 'AES256', [kid]: '' },
    ].map(
      (headers) =>
        [
          '6',
          headers,
          'InvalidArgument',
          'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
          { ArgumentName: sse },
        ] as const,
    ),
    [
      '6 (SSE-C)',
      customer() && { ...customer(), [kid]: 'k' },
      'InvalidArgument',
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      { ArgumentName: sse },
    ],
    ...['AES256', 'aws:kms', 'aes:kms', ''].map(
      (value) =>
        [
          `7 (${value})`,
          // The conflict is reported before the algorithm is looked at (1.4).
          { ...customer({ algorithm: 'AES128' }), [sse]: value },
          'InvalidArgument',
          'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
          { ArgumentName: sse, ArgumentValue: value },
        ] as const,
    ),
    [
      '8',
      customer({ algorithm: 'AES128' }),
      'InvalidEncryptionAlgorithmError',
      '',
      { ArgumentName: sse, ArgumentValue: 'AES128' },
    ],
    [
      '9',
      customer({ algorithm: undefined }),
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
      { ArgumentName: sse },
    ],
    [
      '10',
      customer({ key: undefined }),
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
      { ArgumentName: sse },
    ],
    [
      '11',
      customer({ 'key-md5': undefined }),
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.',
      { ArgumentName: sse },
    ],
    ...[
      '',
      'a',
      'AAAA',
      `${encodedKey}A`,
      encodedKey.slice(0, -1),
      `${'-'.repeat(43)}=`,
      Buffer.from(encodedKey).toString('base64'),
    ].map(
      (key) =>
        [
          '12',
          customer({ key }),
          'InvalidArgument',
          'The secret key was invalid for the specified algorithm.',
          { ArgumentName: sse },
        ] as const,
    ),
    [
      '13',
      customer({ 'key-md5': 'DWygnHRtgiJ77HCm+1rvHw==' }),
      'InvalidArgument',
      'The calculated MD5 hash of the key did not match the hash that was provided.',
      { ArgumentName: sse },
    ],
    ...['', '!', 'e30', context([]), context({ a: 1 }), Buffer.from('{}x').toString('base64')].map(
      (value) =>
        [
          '24',
          { [sse]: 'aws:kms', [ctx]: value },
          'InvalidArgument',
          "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
          { ArgumentName: ctx },
        ] as const,
    ),
  ]
  it.each(rows)('answers row %s as AWS does', (_, headers, code, message, fields) => {
    const error = failure(() => parseEncryption(headers, secure))
    expect([error.code, error.clientMessage ?? '', error.fields]).toEqual([code, message, fields])
  })

  it('answers row 1 before it reads a key, for the source as for the object', () => {
    for (const headers of [customer({ key: 'bad' }), customer({}, 'x-amz-copy-source-')]) {
      expect(failure(() => parseEncryption(headers, { secure: false, signed: true }))).toMatchObject({
        code: 'InvalidRequest',
        clientMessage:
          'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
      })
    }
  })

  it('answers rows 2 and 3: SSE-KMS needs TLS and a signature, SSE-S3 neither', () => {
    const headers = { [sse]: 'aws:kms' }
    expect(failure(() => parseEncryption(headers, { secure: false, signed: true })).clientMessage).toBe(
      'Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection.',
    )
    expect(failure(() => parseEncryption(headers, { secure: true, signed: false }))).toMatchObject({
      clientMessage:
        'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
      fields: { ArgumentName: 'Authorization' },
    })
    expect(failure(() => checkKmsTransport({ secure: false, signed: false })).code).toBe('InvalidArgument')
    expect(parseEncryption({ [sse]: 'AES256' }, { secure: false, signed: false })).toEqual({ mode: 'sse-s3' })
  })

  it('answers row 38: a key id with spaces around it is no key', () => {
    const error = failure(() => parseEncryption({ [sse]: 'aws:kms', [kid]: ' k' }, secure))
    expect(error).toMatchObject({ code: 'KMS.NotFoundException', clientMessage: "Invalid keyId ' k'" })
  })

  it('reads dual-layer encryption with key and context, and refuses a bucket key for it', () => {
    const dual = { [sse]: 'aws:kms:dsse', [kid]: 'k' }
    expect(parseEncryption(dual, secure)).toEqual({ mode: 'dsse-kms', keyId: 'k' })
    expect(parseEncryption({ ...dual, [bk]: 'false' }, secure)).toEqual({ mode: 'dsse-kms', keyId: 'k' })
    expect(failure(() => parseEncryption({ ...dual, [bk]: 'true' }, secure)).code).toBe('InvalidArgument')
    expect(failure(() => parseEncryption(dual, { secure: false, signed: true })).code).toBe('InvalidArgument')
  })

  it.each([encodedKey, 'a b', '0123456789abcdef0', 'kéy', '<x>'])('does not show back the odd method %j', (value) => {
    for (const headers of [{ [sse]: value }, { [sse]: value, ...customer() }]) {
      const error = failure(() => parseEncryption(headers, secure))
      expect(error).toMatchObject({ code: 'InvalidArgument', fields: { ArgumentName: sse } })
      expect(JSON.stringify([error.message, error.fields])).not.toContain(value)
    }
    const error = failure(() => refuseEncryptionHeaders({ [sse]: value }))
    expect(error.fields).toEqual({ ArgumentName: sse })
  })

  it('shows the key in no error, whatever is wrong', () => {
    const names = [...Object.keys(customer()), sse, kid, ctx, bk]
    const value = fc.constantFrom(undefined, '', 'AES256', 'aws:kms', encodedKey, md5, 'x')
    fc.assert(
      fc.property(fc.tuple(...names.map(() => value)), fc.boolean(), fc.boolean(), (values, isSecure, signed) => {
        const headers = Object.fromEntries(names.map((name, index) => [name, values[index]]))
        try {
          parseEncryption(headers, { secure: isSecure, signed })
        } catch (error) {
          expect(JSON.stringify([error, String(error)])).not.toContain(encodedKey)
        }
      }),
    )
  })

  it('throws nothing but S3Error', () => {
    const text = fc.option(wireText, { nil: undefined })
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        mayRefuse(() => parseEncryption({ [sse]: 'aws:kms', [kid]: a, [ctx]: b, [bk]: c }, secure))
        mayRefuse(() => parseEncryption(customer({ key: a, 'key-md5': b, algorithm: c ?? d }), secure))
      }),
    )
  })
})

describe('customer keys of reads, parts and copy sources', () => {
  it('are absent, or read like those of writes', () => {
    expect(parseCustomerKey({}, false)).toBeUndefined()
    expect(parseCustomerKey(customer(), true)?.md5).toBe(md5)
    expect(parseCopySourceKey(customer(), true)).toBeUndefined()
    expect(parseCopySourceKey(customer({}, 'x-amz-copy-source-'), true)?.md5).toBe(md5)
    expect(failure(() => parseCustomerKey(customer(), false)).code).toBe('InvalidRequest')
    const bad = customer({ algorithm: 'AES128' }, 'x-amz-copy-source-')
    expect(failure(() => parseCopySourceKey(bad, true))).toMatchObject({
      code: 'InvalidEncryptionAlgorithmError',
      fields: { ArgumentName: sse, ArgumentValue: 'AES128' },
    })
  })

  it('round-trip for any key', () => {
    for (let round = 0; round < 20; round++) {
      const key = randomBytes(32)
      const headers = customer({
        key: key.toString('base64'),
        'key-md5': createHash('md5').update(key).digest('base64'),
      })
      expect(parseCustomerKey(headers, true)?.key).toEqual(new Uint8Array(key))
    }
  })

  it('are noticed before they are read', () => {
    expect(asksForCustomerKey({})).toBe(false)
    expect(asksForCustomerKey({ [`${sse}-customer-key-md5`]: '' })).toBe(true)
    expect(asksForCustomerKey(customer({}, 'x-amz-copy-source-'))).toBe(false)
  })
})

describe('refuseEncryptionHeaders', () => {
  it.each([sse, kid, ctx])('refuses %s on reads (row 30)', (name) => {
    expect(failure(() => refuseEncryptionHeaders({ [name]: 'v' }))).toMatchObject({
      code: 'InvalidArgument',
      clientMessage: `${name} header is not supported for this operation.`,
      fields: { ArgumentName: name, ArgumentValue: 'v' },
    })
  })

  it('lets the bucket key header and customer keys pass', () => {
    expect(refuseEncryptionHeaders({ [bk]: 'true', ...customer() })).toBeUndefined()
  })
})

describe('addEncryptionHeaders', () => {
  function shown(
    ...[operation, info, compatibility]: Parameters<typeof addEncryptionHeaders> extends [unknown, ...infer Rest]
      ? Rest
      : never
  ) {
    const headers: Record<string, string> = {}
    addEncryptionHeaders(headers, operation, info, compatibility)
    return headers
  }
  const kms = { mode: 'sse-kms', keyId: 'arn:aws:kms:k', context: 'e30=', bucketKeyEnabled: true } as const

  it('shows the context where the request gave it and nowhere else', () => {
    const all = { [sse]: 'aws:kms', [kid]: 'arn:aws:kms:k', [bk]: 'true' }
    for (const operation of ['PutObject', 'CopyObject', 'CreateMultipartUpload', 'PostObject'] as const) {
      expect(shown(operation, kms)).toEqual({ ...all, [ctx]: 'e30=' })
    }
    for (const operation of [
      'GetObject',
      'HeadObject',
      'UploadPart',
      'UploadPartCopy',
      'CompleteMultipartUpload',
    ] as const) {
      expect(shown(operation, kms)).toEqual(all)
    }
  })

  it('shows the bucket key only where there is one', () => {
    expect(shown('GetObject', { mode: 'sse-kms', keyId: 'k', bucketKeyEnabled: false })).toEqual({
      [sse]: 'aws:kms',
      [kid]: 'k',
    })
  })

  it('shows algorithm and digest of a customer key, never the key, and on Complete only to Ceph clients', () => {
    const info = { mode: 'sse-c', customerKeyMd5: md5 } as const
    const both = { [`${sse}-customer-algorithm`]: 'AES256', [`${sse}-customer-key-md5`]: md5 }
    expect(shown('GetObject', info)).toEqual(both)
    expect(shown('CompleteMultipartUpload', info, 'aws')).toEqual({})
    expect(shown('CompleteMultipartUpload', info, 'ceph')).toEqual(both)
  })

  it('shows SSE-S3, and nothing of an object that is not encrypted', () => {
    expect(shown('HeadObject', { mode: 'sse-s3' })).toEqual({ [sse]: 'AES256' })
    expect(shown('HeadObject', { mode: 'none' })).toEqual({})
  })
})
