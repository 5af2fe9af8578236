import { describe, expect, it } from 'vitest'
import { parseAuthorization } from './authorization.ts'
import { examples, exampleTimeMs, now, scope, secret, signOptions } from './aws-examples.fixture.ts'
import type { SignableRequest } from './canonical-request.ts'
import { parseQuery } from './query-string.ts'
import { presign, signRequest } from './sign.ts'
import { deriveSigningKey } from './signing-key.ts'
import { SigV4Error } from './sigv4-error.ts'
import { verifySignature } from './verify.ts'

const regions = ['us-east-1']
const signingKey = deriveSigningKey(secret, scope)

function verify(request: SignableRequest, time = now): void {
  const parsed = parseAuthorization(request, parseQuery(request.rawQuery), { regions, now: time })
  if (parsed === undefined) throw new Error('anonymous')
  verifySignature(parsed, request, signingKey)
}

function failure(run: () => unknown): SigV4Error {
  try {
    run()
  } catch (error) {
    if (error instanceof SigV4Error) return error
    throw error
  }
  throw new Error('did not fail')
}

const get: SignableRequest = {
  method: 'GET',
  rawPath: '/bucket/a',
  rawQuery: '',
  headers: { host: 'localhost' },
}

function signed(request: SignableRequest): SignableRequest {
  return { ...request, headers: signRequest(request, signOptions).headers }
}

function presigned(request: SignableRequest, expiresSeconds = 60): SignableRequest {
  return { ...request, rawQuery: presign(request, { ...signOptions, expiresSeconds }) }
}

describe('published examples', () => {
  for (const example of examples.requests) {
    it(`signs and verifies "${example.name}" as Amazon documents it`, () => {
      const payloadHash = String(example.headers['x-amz-content-sha256'])
      const result = signRequest(example, { ...signOptions, payloadHash })
      expect(result.signature).toBe(example.signature)
      verify({ ...example, headers: result.headers })
    })
  }

  it('presigns and verifies the documented URL', () => {
    const { host, rawPath, expiresSeconds, signature } = examples.presigned
    const request = { method: 'GET', rawPath, rawQuery: '', headers: { host } }
    const rawQuery = presign(request, { ...signOptions, expiresSeconds })
    expect(rawQuery).toContain(`X-Amz-Signature=${signature}`)
    verify({ ...request, rawQuery })
  })
})

describe('verifySignature', () => {
  it('refuses every altered part of a signed request', () => {
    const request = signed({ ...get, rawQuery: 'a=1', headers: { host: 'localhost', 'x-amz-meta-a': '1' } })
    verify(request)
    const altered: SignableRequest[] = [
      { ...request, method: 'PUT' },
      { ...request, rawPath: '/bucket/b' },
      { ...request, rawQuery: 'a=2' },
      { ...request, rawQuery: '' },
      { ...request, headers: { ...request.headers, 'x-amz-meta-a': '2' } },
      { ...request, headers: { ...request.headers, host: 'other' } },
      { ...request, headers: { ...request.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      { ...request, headers: { ...request.headers, 'x-amz-date': '20130524T000001Z' } },
    ]
    for (const one of altered) expect(failure(() => verify(one)).code).toBe('SignatureDoesNotMatch')
  })

  it('refuses x-amz headers that were not signed and lists them', () => {
    const request = presigned(get)
    const headers = {
      ...get.headers,
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-meta-a': '1',
      range: 'bytes=0-1',
    }
    const error = failure(() => verify({ ...request, headers }))
    expect(error).toMatchObject({
      code: 'AccessDenied',
      message: 'There were headers present in the request which were not signed',
      fields: { HeadersNotSigned: 'x-amz-server-side-encryption, x-amz-meta-a' },
    })
  })

  it('refuses an unsigned x-amz header on a header-signed request', () => {
    const request = signed(get)
    const headers = { ...request.headers, 'x-amz-acl': 'public-read' }
    expect(failure(() => verify({ ...request, headers })).fields.HeadersNotSigned).toBe('x-amz-acl')
  })

  it('takes unsigned headers that the signature binds otherwise or that mean nothing', () => {
    verify({ ...presigned(get), headers: { ...get.headers, 'x-amz-user-agent': 'sdk', 'content-type': 'text/plain' } })
  })

  it('binds an unsigned content hash of a presigned request through the canonical request', () => {
    const headers = { ...get.headers, 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }
    expect(failure(() => verify({ ...presigned(get), headers })).code).toBe('SignatureDoesNotMatch')
    verify({ ...presigned(get), headers: { ...get.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })
  })

  it('refuses a signature that does not cover the host', () => {
    const request = signed(get)
    const authorization = String(request.headers.authorization).replace('host;', '')
    const error = failure(() => verify({ ...request, headers: { ...request.headers, authorization } }))
    expect(error.fields.HeadersNotSigned).toBe('host')
  })

  it('refuses a signed header that was not sent, even one signed as empty', () => {
    const request = signed({ ...get, headers: { ...get.headers, 'x-amz-tagging': '' } })
    verify(request)
    const { 'x-amz-tagging': _, ...headers } = request.headers
    expect(failure(() => verify({ ...request, headers })).code).toBe('SignatureDoesNotMatch')
  })

  it('does not take what every object has for a header', () => {
    const request = signed(get)
    for (const name of ['constructor', 'toString', '__proto__'].map((text) => text.toLowerCase())) {
      const authorization = String(request.headers.authorization).replace('host;', `${name};host;`)
      const headers = { ...request.headers, authorization }
      expect(failure(() => verify({ ...request, headers })).code).toBe('SignatureDoesNotMatch')
    }
  })

  it('shows the string to sign but neither key nor expected signature', () => {
    const request = { ...signed(get), method: 'DELETE' }
    const error = failure(() => verify(request))
    expect(Object.keys(error.fields)).toEqual(['AWSAccessKeyId', 'StringToSign'])
  })

  it('joins repeated headers by a comma and collapses white space', () => {
    const headers = { host: 'localhost', 'x-amz-meta-a': ['  one   two ', 'three'] }
    const request = signed({ ...get, headers })
    expect(request.headers['x-amz-meta-a']).toBe('  one   two ,three')
    verify({ ...request, headers: { ...request.headers, 'x-amz-meta-a': 'one two ,three' } })
  })

  it('does not take the last byte of a letter for white space', () => {
    const value = Buffer.from('voilà').toString('latin1')
    const request = signed({ ...get, headers: { host: 'localhost', 'x-amz-meta-a': value } })
    const cut = { ...request.headers, 'x-amz-meta-a': value.slice(0, -1) }
    expect(failure(() => verify({ ...request, headers: cut })).code).toBe('SignatureDoesNotMatch')
  })
})

describe('parseAuthorization', () => {
  const parse = (request: SignableRequest, time = now) =>
    parseAuthorization(request, parseQuery(request.rawQuery), { regions, now: time })
  const header = (authorization: string) =>
    failure(() => parse({ ...get, headers: { ...signed(get).headers, authorization } }))
  const good = String(signed(get).headers.authorization)

  it('finds no claim in an anonymous request', () => {
    expect(parse({ ...get, rawQuery: 'prefix=a' })).toBeUndefined()
  })

  it.each([
    ['Basic dXNlcjpwYXNz', 'InvalidArgument', 'Unsupported Authorization Type'],
    ['', 'InvalidArgument', 'Unsupported Authorization Type'],
    [
      'AWS AKID:c2ln',
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ],
    [
      'AWS4-HMAC-SHA256',
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    ],
    [
      good.replace('Signature=', 'Sig='),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    ],
    [
      `${good}, Signature=00`,
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    ],
    [
      good.replace('/20130524/us-east-1', ''),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    ],
    [
      good.replace('us-east-1', 'eu-west-1'),
      'AuthorizationHeaderMalformed',
      "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
    ],
    [
      good.replace('/s3/', '/sts/'),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; incorrect service "sts". This endpoint belongs to "s3".',
    ],
    [
      good.replace('aws4_request', 'aws5_request'),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; incorrect terminal "aws5_request". This endpoint uses "aws4_request".',
    ],
    [
      good.replace('/20130524/', '/2013-5-4/'),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; incorrect date format "2013-5-4". This date in the credential must be in the format "yyyyMMdd".',
    ],
    [
      good.replace('/20130524/', '/20130523/'),
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; Invalid credential date "20130523". This date is not the same as X-Amz-Date: "20130524".',
    ],
    [
      good.replace(/Signature=.*/, 'Signature=zz'),
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ],
  ])('answers %s as Amazon S3 does', (authorization, code, message) => {
    expect(header(authorization)).toMatchObject({ code, message })
  })

  it('names the right region in a field of its own', () => {
    expect(header(good.replace('us-east-1', 'eu-west-1')).fields).toEqual({ Region: 'us-east-1' })
  })

  it('never echoes what follows an unknown authorization scheme', () => {
    expect(JSON.stringify(header('Basic dXNlcjpwYXNz').fields)).not.toContain('dXNlcjpwYXNz')
  })

  it('accepts the empty region when it is listed', () => {
    const request = { ...get, headers: signRequest(get, { ...signOptions, region: '' }).headers }
    const parsed = parseAuthorization(request, new Map(), { regions: ['us-east-1', ''], now })
    expect(parsed?.scope.region).toBe('')
  })

  it('refuses clocks more than fifteen minutes off, in both directions', () => {
    const request = signed(get)
    for (const offset of [-900_000, 900_000]) expect(parse(request, () => exampleTimeMs + offset)).toBeDefined()
    for (const offset of [-900_001, 900_001]) {
      const error = failure(() => parse(request, () => exampleTimeMs + offset))
      expect(error).toMatchObject({ code: 'RequestTimeTooSkewed', fields: { MaxAllowedSkewMilliseconds: '900000' } })
    }
  })

  it('takes the Date header where x-amz-date is missing', () => {
    const { 'x-amz-date': _, ...headers } = signed(get).headers
    const dated = { ...get, headers: { ...headers, date: 'Fri, 24 May 2013 00:00:00 GMT' } }
    expect(parse(dated)?.timestamp).toBe('20130524T000000Z')
    expect(failure(() => parse({ ...get, headers })).message).toBe(
      'AWS authentication requires a valid Date or x-amz-date header',
    )
    const loose = { ...get, headers: { ...headers, date: '2013' } }
    expect(failure(() => parse(loose)).code).toBe('AccessDenied')
  })

  it('wants a content hash in a header-signed request', () => {
    const { 'x-amz-content-sha256': _, ...headers } = signed(get).headers
    expect(failure(() => parse({ ...get, headers }))).toMatchObject({
      code: 'InvalidRequest',
      message: 'Missing required header for this request: x-amz-content-sha256',
    })
  })

  it('refuses two ways of signing at once', () => {
    const both = { ...presigned(get), headers: signed(get).headers }
    expect(failure(() => parse(both)).code).toBe('InvalidArgument')
  })

  it('refuses a presigned URL of Signature Version 2', () => {
    const request = { ...get, rawQuery: 'AWSAccessKeyId=a&Signature=b&Expires=1' }
    expect(failure(() => parse(request)).code).toBe('InvalidRequest')
  })

  const query = (change: (rawQuery: string) => string) =>
    failure(() => parse({ ...get, rawQuery: change(presigned(get).rawQuery) }))
  it.each<[string, (rawQuery: string) => string, string]>([
    [
      'a missing parameter',
      (q) => q.replace('X-Amz-Date=', 'X-Amz-Dat='),
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    ],
    [
      'another algorithm',
      (q) => q.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1'),
      'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
    ],
    [
      'a bad date',
      (q) => q.replace('T000000Z', 'T240000Z'),
      "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    ],
    ['a word for a life', (q) => q.replace('Expires=60', 'Expires=x'), 'X-Amz-Expires should be a number'],
    ['a negative life', (q) => q.replace('Expires=60', 'Expires=-1'), 'X-Amz-Expires must be non-negative'],
    [
      'more than a week',
      (q) => q.replace('Expires=60', 'Expires=604801'),
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    ],
    [
      'another region',
      (q) => q.replace('us-east-1', 'x'),
      "Error parsing the X-Amz-Credential parameter; the region 'x' is wrong; expecting 'us-east-1'",
    ],
  ])('answers %s in a presigned query as Amazon S3 does', (_, change, message) => {
    expect(query(change)).toMatchObject({ code: 'AuthorizationQueryParametersError', message })
  })

  it('knows when a presigned URL has expired or is not valid yet', () => {
    const request = presigned(get)
    expect(parse(request, () => exampleTimeMs + 60_000)).toBeDefined()
    const expired = failure(() => parse(request, () => exampleTimeMs + 60_001))
    expect(expired).toMatchObject({
      code: 'AccessDenied',
      message: 'Request has expired',
      fields: { 'X-Amz-Expires': '60', Expires: '2013-05-24T00:01:00Z', ServerTime: '2013-05-24T00:01:00Z' },
    })
    expect(failure(() => parse(request, () => exampleTimeMs - 900_001)).message).toBe('Request is not valid yet')
  })
})
