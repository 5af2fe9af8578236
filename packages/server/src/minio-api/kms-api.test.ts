import { expect, it } from 'vitest'
import { isAdminRequest } from './kms-api.ts'

const url = '/minio/kms/v1/status'
const isAdmin = (authorization: string, at = url) => isAdminRequest({ url: at, headers: { authorization } })
const rest = 'SignedHeaders=host, Signature=00'

it('knows the requests of admin clients by their empty region', () => {
  const scope = (region: string) => `AWS4-HMAC-SHA256 Credential=KEY/20261123/${region}/s3/aws4_request, ${rest}`
  expect(isAdmin(scope(''))).toBe(true)
  expect(isAdmin(`AWS4-HMAC-SHA256 ${rest}, Credential=KEY/20261123//s3/aws4_request`)).toBe(true)
  expect(isAdmin(scope('us-east-1'))).toBe(false)
  expect(isAdmin(scope(''), '/bucket/minio/kms/v1/status')).toBe(false)
  expect(isAdmin('AWS4-HMAC-SHA256 Credential=a b/20261123//s3/aws4_request')).toBe(false)
  expect(isAdmin('')).toBe(false)
})

it('does so in linear time, whatever somebody sends who has no key', () => {
  // In quadratic time this length would take an hour.
  expect(isAdmin(`AWS4-HMAC-SHA256 ${'Credential='.repeat(200_000)}`)).toBe(false)
})
