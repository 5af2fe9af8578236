import { describe, expect, it } from 'vitest'
import { isAuthorised, type Principal } from './principal.ts'

const principal: Principal = { accountId: '111111111111', accessKeyId: 'SRAKX', isRootAccount: true }

describe('authorisation', () => {
  it('lets an account do everything with its own buckets', () => {
    expect(isAuthorised(principal, 's3:GetObject', { bucketOwner: '111111111111' })).toBe(true)
    expect(isAuthorised(principal, 's3:CreateBucket', {})).toBe(true)
  })

  it("lets no account near another's buckets, not even the first one", () => {
    expect(isAuthorised(principal, 's3:GetObject', { bucketOwner: '222222222222' })).toBe(false)
  })

  it('lets anonymous callers do nothing', () => {
    expect(isAuthorised(undefined, 's3:GetObject', { bucketOwner: '111111111111' })).toBe(false)
    expect(isAuthorised(undefined, 's3:ListAllMyBuckets', {})).toBe(false)
  })
})
