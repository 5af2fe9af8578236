import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, mayRefuse } from './failure.fixture.ts'
import { parseInteger, parseLimit, parseVersionId } from './query-parameters.ts'
import { checkRangeAndPart, formatContentRange, parseCopySourceRange, parsePartNumber, parseRange } from './range.ts'

describe('parseRange', () => {
  it.each([
    ['bytes=0-9', { first: 0, last: 9 }],
    ['bytes=5-', { first: 5 }],
    ['bytes=-5', { suffixLength: 5 }],
    ['bytes=-0', { suffixLength: 0 }],
    ['bytes=7-7', { first: 7, last: 7 }],
    ['Bytes = 0-9', undefined],
    ['BYTES=0-9', { first: 0, last: 9 }],
    ['bytes= 0 - 9 ', { first: 0, last: 9 }],
    ['bytes=0-99999999999999999999', { first: 0, last: Number.MAX_SAFE_INTEGER }],
  ])('reads %s', (header, range) => {
    expect(parseRange(header)).toEqual(range)
  })

  it.each([
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=9-0',
    'bytes=0-1,3-4',
    'lines=0-1',
    'bytes=a-b',
    'bytes=--1',
    'bytes=1',
    `bytes=0-${'9'.repeat(100)}`,
  ])('ignores "%s", as AWS does', (header) => {
    expect(parseRange(header)).toBeUndefined()
  })

  it('never fails', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseRange(`bytes=${text}`)))
  })

  it('is not combined with a part number', () => {
    expect(failure(() => checkRangeAndPart('bytes=0-1', '1')).code).toBe('InvalidRequest')
    checkRangeAndPart('bytes=0-1', undefined)
    checkRangeAndPart(undefined, '1')
  })
})

describe('parseCopySourceRange', () => {
  it('wants both ends', () => {
    expect(parseCopySourceRange(undefined)).toBeUndefined()
    expect(parseCopySourceRange('bytes=0-0')).toEqual({ first: 0, last: 0 })
  })

  it.each(['', 'bytes=0-', 'bytes=-5', 'bytes=2-1', '0-1', 'bytes=0-1,2-3', 'bytes=0-9999999999999999'])(
    'refuses "%s"',
    (header) => {
      expect(failure(() => parseCopySourceRange(header))).toMatchObject({
        code: 'InvalidArgument',
        fields: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header },
      })
    },
  )
})

describe('numbers', () => {
  it('of parts are 1 to 10,000', () => {
    expect(parsePartNumber('1')).toBe(1)
    expect(parsePartNumber('10000')).toBe(10_000)
    for (const text of ['0', '10001', '-1', '1.5', '', 'x', '1e3', ' 1']) {
      expect(failure(() => parsePartNumber(text)).clientMessage).toBe(
        'Part number must be an integer between 1 and 10000, inclusive',
      )
    }
  })

  it('of limits are capped, not refused', () => {
    expect(parseLimit(undefined, 'max-keys', 1000, 1000)).toBe(1000)
    expect(parseLimit('', 'max-keys', 1000, 1000)).toBe(1000)
    expect(parseLimit('0', 'max-keys', 1000, 1000)).toBe(0)
    expect(parseLimit('5000', 'max-keys', 1000, 1000)).toBe(1000)
    expect(failure(() => parseLimit('-1', 'max-keys', 1000, 1000)).clientMessage).toBe(
      'Argument max-keys must be an integer between 0 and 2147483647',
    )
    for (const text of ['x', '1.5', '2147483648', '99999999999999999999']) {
      expect(failure(() => parseInteger(text, 'max-keys')).clientMessage).toBe(
        'Provided max-keys not an integer or within integer range',
      )
    }
    fc.assert(fc.property(fc.string(), (text) => mayRefuse(() => parseInteger(text, 'max-keys'))))
  })
})

describe('other parameters', () => {
  it('a version id is not empty', () => {
    expect(parseVersionId(new Map([['versionId', 'null']]))).toBe('null')
    expect(parseVersionId(new Map())).toBeUndefined()
    expect(failure(() => parseVersionId(new Map([['versionId', '']]))).code).toBe('InvalidArgument')
  })

  it('a content range is inclusive', () => {
    expect(formatContentRange({ first: 0, last: 9 }, 100)).toBe('bytes 0-9/100')
  })
})
