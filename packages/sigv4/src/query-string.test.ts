import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeUriText, parseQuery } from './query-string.ts'
import { SigV4Error } from './sigv4-error.ts'
import { canonicalPath, canonicalQuery, encodeUriComponent, encodeUriPath } from './uri-encoding.ts'

/** Any bytes, as `node:http` delivers them. */
const wireText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

describe('parseQuery', () => {
  it('reads names without values, empty values and repeated names', () => {
    expect([...parseQuery('uploads&a=&b=1&b=2&&c=x=y')]).toEqual([
      ['uploads', ''],
      ['a', ''],
      ['b', '1'],
      ['c', 'x=y'],
    ])
  })

  it.each([
    'X-Amz-Date=1&X-Amz-Date=1',
    'X-Amz-Signature=1&a=1&x-amz-signature=2',
    'x-amz-server-side-encryption=AES256&X-Amz-Server-Side-Encryption=aws:kms',
    'x-amz-acl=private&x-amz-ac%6C=public-read',
    'X-Amz-Signature=1&versionId=1&versionId=2',
    'versionId=1&versionId=2&X-Amz-Signature=1',
  ])('refuses %s, of which whoever holds the signature could choose the order', (raw) => {
    expect(() => parseQuery(raw)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  it('reads plus as a space and escapes as UTF-8', () => {
    expect(parseQuery('a+b=%C3%BC+%2B').get('a b')).toBe('ü +')
  })

  it('keeps a byte order mark', () => {
    expect(parseQuery('a=%EF%BB%BFx').get('a')).toBe('\uFEFFx')
  })

  it.each(['a=%', 'a=%1', 'a=%zz', 'a=%ff', 'a=%C3', 'a=\u00ff', 'a=%ED%A0%80'])('refuses %s', (raw) => {
    expect(() => parseQuery(raw)).toThrow(expect.objectContaining({ code: 'InvalidURI' }))
  })

  it('refuses more parameters than any client sends', () => {
    expect(() => parseQuery('a&'.repeat(1002))).toThrow(expect.objectContaining({ code: 'InvalidURI' }))
  })

  it('gives back any text that was encoded, and throws nothing but SigV4Error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeUriText(encodeUriComponent(text), { plusIsSpace: true })).toBe(text)
        expect(decodeUriText(encodeUriPath(text), { plusIsSpace: false })).toBe(text)
      }),
    )
    fc.assert(
      fc.property(wireText, (raw) => {
        try {
          parseQuery(raw)
        } catch (error) {
          expect(error).toBeInstanceOf(SigV4Error)
        }
      }),
    )
  })
})

describe('canonical forms', () => {
  it('are the same for every spelling of a path and leave dots and slashes alone', () => {
    for (const raw of ['/a b/..//ü+*', '/a%20b/..//%c3%bc%2b%2a', '/%61 b/..//%C3%BC+%2A']) {
      expect(canonicalPath(Buffer.from(raw).toString('latin1'))).toBe('/a%20b/..//%C3%BC%2B%2A')
    }
    expect(canonicalPath('')).toBe('/')
    expect(canonicalPath('/100%')).toBe('/100%25')
  })

  it('sort a query by encoded name, then value', () => {
    expect(canonicalQuery('b=2&a-b=1&a=2&a=1&A&%41=0')).toBe('A=&A=0&a=1&a=2&a-b=1&b=2')
    expect(canonicalQuery('X-Amz-Signature=1&a', 'X-Amz-Signature')).toBe('a=')
  })

  it('do not change when made canonical again', () => {
    fc.assert(
      fc.property(wireText, (raw) => {
        const once = canonicalPath(`/${raw}`)
        expect(canonicalPath(once)).toBe(once)
      }),
    )
  })
})
