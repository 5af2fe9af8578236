import { SigV4Error } from '@strongroom/sigv4'
import { describe, expect, it } from 'vitest'
import { describeError, formatError } from './error-response.ts'
import { errorEntry, errorReference, errorTable } from './error-table.ts'
import { invalidArgument, S3Error } from './s3-error.ts'

const context = { requestId: 'ID', hostId: 'HOST', bucket: 'b', name: 'a<\r&' }

describe('the error table', () => {
  it('holds an error status and a text for every code', () => {
    for (const [code, { status, message }] of Object.entries(errorTable)) {
      expect([code, status >= 400 || code === 'NotModified', message.length > 0]).toEqual([code, true, true])
    }
  })

  it('does not answer for names that every object has', () => {
    for (const code of ['constructor', '__proto__', 'toString']) expect(errorEntry(code)).toBeUndefined()
  })

  it('has the KMS errors at 400, as AWS and not as MinIO', () => {
    const kms = Object.entries(errorTable).filter(([code]) => code.startsWith('KMS.'))
    expect(kms.length).toBeGreaterThan(3)
    for (const [, { status }] of kms) expect(status).toBe(400)
  })

  it('is listed by code for the reference page', () => {
    const rows = [...errorReference()]
    expect(rows.map(({ code }) => code)).toEqual(Object.keys(errorTable).sort())
    expect(rows.find(({ code }) => code === 'NoSuchKey')).toEqual({
      code: 'NoSuchKey',
      status: 404,
      message: 'The specified key does not exist.',
    })
  })
})

describe('describeError', () => {
  it('shows nothing of an error that it does not know', () => {
    for (const error of [
      new Error('secret'),
      'secret',
      undefined,
      Object.assign(new Error('secret'), { code: 'ENOENT' }),
    ]) {
      const response = describeError(error)
      expect(response).toMatchObject({ status: 500, code: 'InternalError', isUnexpected: true, fields: {} })
      expect(formatError(response, context)).not.toContain('secret')
    }
  })

  it('does not show an unlisted code either', () => {
    const error = Object.assign(new Error('secret'), {
      code: 'Weird',
      clientMessage: 'secret',
      fields: { a: 'secret' },
    })
    expect(JSON.stringify(describeError(error))).not.toContain('secret')
  })

  it('takes the errors of other packages', () => {
    const error = new SigV4Error('AccessDenied', 'Request has expired', { 'X-Amz-Expires': '60' })
    expect(describeError(error)).toMatchObject({
      status: 403,
      message: 'Request has expired',
      fields: { 'X-Amz-Expires': '60' },
      isUnexpected: false,
    })
  })

  it('tells clients when to come back from a 503', () => {
    for (const code of ['ServiceUnavailable', 'SlowDown'] as const) {
      expect(describeError(new S3Error(code)).headers).toEqual({ 'retry-after': '5' })
    }
    // Full storage does not get better by waiting.
    expect(describeError(new S3Error('XMinioStorageFull')).headers).toEqual({})
    expect(describeError(new S3Error('NoSuchKey')).headers).toEqual({})
  })
})

describe('formatError', () => {
  it('writes the document as AWS does', () => {
    expect(formatError(describeError(new S3Error('NoSuchKey')), context)).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>' +
        '<Key>a&lt;&#xD;&amp;</Key><RequestId>ID</RequestId><HostId>HOST</HostId></Error>',
    )
  })

  it('names the bucket where AWS does', () => {
    expect(formatError(describeError(new S3Error('NoSuchBucket')), context)).toContain('<BucketName>b</BucketName>')
  })

  it('puts fields after the text and leaves an absent value out', () => {
    const response = describeError(invalidArgument('No.', 'x-amz-server-side-encryption'))
    expect(formatError(response, context)).toContain(
      '<Message>No.</Message><ArgumentName>x-amz-server-side-encryption</ArgumentName><RequestId>',
    )
  })
})
