import { describe, expect, it } from 'vitest'
import { withHoistedHeaders } from './hoisted-headers.ts'
import { parseQuery } from './query-string.ts'

describe('withHoistedHeaders', () => {
  it('adds x-amz headers from the query, whatever their spelling, but not those of the signature', () => {
    const query = parseQuery(
      'X-Amz-Algorithm=a&X-Amz-Date=d&X-Amz-Signature=s&X-Amz-Security-Token=t&X-Amz-Server-Side-Encryption=aws:kms&x-amz-meta-a=1&x-id=PutObject&prefix=p',
    )
    expect(withHoistedHeaders({ host: 'h' }, query)).toEqual({
      host: 'h',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-meta-a': '1',
    })
  })

  it('lets a real header win', () => {
    const merged = withHoistedHeaders({ 'x-amz-acl': 'private' }, parseQuery('x-amz-acl=public-read'))
    expect(merged).toEqual({ 'x-amz-acl': 'private' })
  })

  it('gives values as the bytes that a header would carry', () => {
    const merged = withHoistedHeaders({}, parseQuery('x-amz-meta-a=%C3%BC%F0%9F%98%80'))
    expect(merged).toEqual({ 'x-amz-meta-a': Buffer.from('ü😀').toString('latin1') })
  })

  it('refuses what no header could carry', () => {
    for (const value of ['a%0d%0ab', '%00', '%7f']) {
      const run = () => withHoistedHeaders({}, parseQuery(`x-amz-meta-a=${value}`))
      expect(run).toThrow(
        expect.objectContaining({ code: 'InvalidArgument', fields: { ArgumentName: 'x-amz-meta-a' } }),
      )
    }
  })

  it('returns the very headers when there is nothing to add', () => {
    const headers = { host: 'h' }
    expect(withHoistedHeaders(headers, parseQuery('list-type=2&prefix=a'))).toBe(headers)
  })

  it.each(['x-amz-server-side-encryption-customer-key', 'X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key'])(
    'refuses a customer key in the query (%s) without repeating it',
    (name) => {
      const run = () => withHoistedHeaders({}, new Map([[name, 'c2VjcmV0']]))
      expect(run).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
      expect(run).not.toThrow(/c2VjcmV0/)
    },
  )
})
