import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatScope, formatTimestamp, isScopeDate, parseTimestamp } from './credential-scope.ts'

describe('timestamps', () => {
  it('are read back as they were written', () => {
    expect(formatTimestamp(Date.UTC(2013, 4, 24, 1, 2, 3, 999))).toBe('20130524T010203Z')
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        expect(parseTimestamp(formatTimestamp(seconds * 1000))).toBe(seconds * 1000)
      }),
    )
  })

  it('know leap years', () => {
    expect(parseTimestamp('20240229T000000Z')).toBe(Date.UTC(2024, 1, 29))
    expect(parseTimestamp('20000229T000000Z')).toBe(Date.UTC(2000, 1, 29))
    for (const day of ['20230229', '21000229', '20240230', '20240431', '20241301', '20240001', '20240100']) {
      expect(parseTimestamp(`${day}T000000Z`)).toBeUndefined()
    }
  })

  it.each([
    '',
    '20130524',
    '2013-05-24T00:00:00Z',
    '20130524T000000',
    '20130524t000000Z',
    '20130524T240000Z',
    '20130524T006000Z',
    '20130524T000060Z',
    '2013052 T000000Z',
    '-0130524T000000Z',
    '19690524T000000Z',
    '20130524T0000-1Z',
  ])('are nothing else: "%s"', (text) => {
    expect(parseTimestamp(text)).toBeUndefined()
  })
})

describe('scopes', () => {
  it('have a date of eight digits', () => {
    expect(formatScope({ date: '20130524', region: '', service: 's3' })).toBe('20130524//s3/aws4_request')
    expect(isScopeDate('20130524')).toBe(true)
    for (const text of ['2013052', '201305240', '2013-5-4', '2013052x']) expect(isScopeDate(text)).toBe(false)
  })
})
