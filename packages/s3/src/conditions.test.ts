import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  parseCopySourceConditions,
  parseDeleteConditions,
  parseEtags,
  parseIfRange,
  parseReadConditions,
  parseWriteConditions,
} from './conditions.ts'
import { failure, mayRefuse } from './failure.fixture.ts'
import { formatHttpDate, parseHttpDate } from './http-date.ts'

const timeMs = Date.UTC(1994, 10, 6, 8, 49, 37)

describe('HTTP dates', () => {
  it.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
    'reads %s',
    (text) => {
      expect(parseHttpDate(text)).toBe(timeMs)
    },
  )

  it('writes the first form, and reads back what it writes', () => {
    expect(formatHttpDate(timeMs)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        expect(parseHttpDate(formatHttpDate(seconds * 1000))).toBe(seconds * 1000)
      }),
    )
  })

  it('reads two-digit years as the last and this century', () => {
    expect(parseHttpDate('Friday, 01-Jan-21 00:00:00 GMT')).toBe(Date.UTC(2021, 0, 1))
  })

  it.each([
    '',
    '1994',
    '1994-11-06T08:49:37Z',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    'Sun, 06 Abc 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 CET',
    `Sun, 06 Nov 1994 08:49:37 GMT${' '.repeat(50)}`,
  ])('takes "%s" for no date', (text) => {
    expect(parseHttpDate(text)).toBeUndefined()
  })
})

describe('entity tags', () => {
  it('are read with and without quotes, weak ones too', () => {
    expect(parseEtags('*', 'If-Match')).toBe('*')
    expect(parseEtags('"a"', 'If-Match')).toEqual(['a'])
    expect(parseEtags('a-2', 'If-Match')).toEqual(['a-2'])
    expect(parseEtags(' "a" , W/"b",c ,, ""', 'If-Match')).toEqual(['a', 'b', 'c'])
  })

  it('must be there, and not too many', () => {
    expect(failure(() => parseEtags('', 'If-Match')).code).toBe('InvalidArgument')
    expect(failure(() => parseEtags('a,'.repeat(101), 'If-Match')).code).toBe('InvalidArgument')
    fc.assert(fc.property(fc.string(), (text) => mayRefuse(() => parseEtags(text, 'If-Match'))))
  })
})

describe('conditions', () => {
  it('of reads are those that were sent; dates that are none are ignored', () => {
    expect(parseReadConditions({ range: 'bytes=0-1' })).toBeUndefined()
    expect(
      parseReadConditions({
        'if-match': '"a"',
        'if-none-match': '*',
        'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT',
        'if-unmodified-since': 'yesterday',
      }),
    ).toEqual({ ifMatch: ['a'], ifNoneMatch: '*', ifModifiedSinceMs: timeMs })
  })

  it('of ranges are one strong entity tag or one date, and nothing without a range', () => {
    const ifRange = (text: string) => parseIfRange({ range: 'bytes=0-1', 'if-range': text })
    expect(ifRange('"a"')).toEqual({ etag: 'a' })
    expect(ifRange('a')).toEqual({ etag: 'a' })
    expect(ifRange(' Sun, 06 Nov 1994 08:49:37 GMT ')).toEqual({ lastModifiedMs: timeMs })
    for (const text of ['W/"a"', 'yesterday', '*', '"a", "b"', '']) expect(ifRange(text)).not.toEqual({ etag: 'a' })
    expect(parseIfRange({ 'if-range': '"a"' })).toBeUndefined()
    expect(parseIfRange({ range: 'bytes=0-1' })).toBeUndefined()
  })

  it('of copy sources have names of their own', () => {
    expect(parseCopySourceConditions({ 'if-match': '"a"' })).toBeUndefined()
    expect(parseCopySourceConditions({ 'x-amz-copy-source-if-none-match': '"a"' })).toEqual({ ifNoneMatch: ['a'] })
    expect(
      parseCopySourceConditions({ 'x-amz-copy-source-if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }),
    ).toEqual({ ifUnmodifiedSinceMs: timeMs })
  })

  it('of writes are If-Match with tags or a star, or If-None-Match with a star; with tags where Ceph answers', () => {
    expect(parseWriteConditions({})).toBeUndefined()
    expect(parseWriteConditions({ 'if-none-match': ' * ' })).toEqual({ ifNoneMatch: '*' })
    expect(parseWriteConditions({ 'if-match': '"a"' })).toEqual({ ifMatch: ['a'] })
    expect(parseWriteConditions({ 'if-none-match': '"a", b' }, 'ceph')).toEqual({ ifNoneMatch: ['a', 'b'] })
    expect(failure(() => parseWriteConditions({ 'if-none-match': '"a"' }))).toMatchObject({
      code: 'NotImplemented',
      fields: { Header: 'If-None-Match' },
    })
    expect(failure(() => parseWriteConditions({ 'if-none-match': '' })).code).toBe('InvalidArgument')
    expect(failure(() => parseWriteConditions({ 'if-none-match': '*', 'if-match': '"a"' })).code).toBe('NotImplemented')
  })

  it('of deletes are If-Match, and where Ceph answers size and time', () => {
    expect(parseDeleteConditions({})).toBeUndefined()
    expect(parseDeleteConditions({ 'if-match': '*' })).toEqual({ ifMatch: '*' })
    const sized = { 'x-amz-if-match-size': '1', 'x-amz-if-match-last-modified-time': 'Sun, 06 Nov 1994 08:49:37 GMT' }
    expect(failure(() => parseDeleteConditions(sized)).code).toBe('NotImplemented')
    expect(failure(() => parseDeleteConditions({ 'x-amz-if-match-size': '1' })).code).toBe('NotImplemented')
    expect(parseDeleteConditions(sized, 'ceph')).toEqual({ ifSizeBytes: 1, ifLastModifiedMs: timeMs })
    expect(parseDeleteConditions({ 'x-amz-if-match-last-modified-time': '1994-11-06T08:49:37Z' }, 'ceph')).toEqual({
      ifLastModifiedMs: timeMs,
    })
  })

  it.each(['', '-1', '1.5', '1e3', '99999999999999999'])('of deletes: "%s" is no size', (size) => {
    expect(failure(() => parseDeleteConditions({ 'x-amz-if-match-size': size }, 'ceph')).code).toBe('InvalidArgument')
  })

  it.each(['', 'yesterday', '1994-13-06T08:49:37Z', '1994'])('of deletes: "%s" is no time', (time) => {
    const headers = { 'x-amz-if-match-last-modified-time': time }
    expect(failure(() => parseDeleteConditions(headers, 'ceph')).code).toBe('InvalidArgument')
  })
})
