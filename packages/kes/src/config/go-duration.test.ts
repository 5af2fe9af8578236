import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatGoDuration, parseGoDuration } from './go-duration.ts'
import { formatLogLevel, parseLogLevel } from './log-level.ts'

describe('a Go duration', () => {
  it.each([
    ['5m0s', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['-1s', -1000],
    ['+20s', 20_000],
    ['0', 0],
    ['0s', 0],
    ['.5s', 500],
    ['1.s', 1000],
    ['300ms', 300],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['2562047h47m16s', 9_223_372_036_000],
  ])('is read: %s', (text, milliseconds) => {
    expect(parseGoDuration(text)).toBe(milliseconds)
  })

  it.each(['', 's', '5', '300', 'abc', '1 s', '1d', '.s', '--1s', '1s2', '9999999999h', '1e3s', `${'1s'.repeat(60)}`])(
    'is not: %j',
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined()
    },
  )

  it('is read back from what is written', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (microseconds) => {
        const milliseconds = microseconds / 1000
        expect(parseGoDuration(formatGoDuration(milliseconds))).toBeCloseTo(milliseconds, 6)
      }),
    )
  })

  it.each([
    [300_000, '5m0s'],
    [5_400_000, '1h30m0s'],
    [1500, '1.5s'],
    [0, '0s'],
    [0.0015, '1.5µs'],
    [-250, '-250ms'],
  ])('is written: %d ms', (milliseconds, text) => {
    expect(formatGoDuration(milliseconds)).toBe(text)
  })

  it('takes linear time for hostile text', () => {
    for (const text of ['1'.repeat(1e6), 'a'.repeat(1e6), '.'.repeat(1e6)]) {
      expect(parseGoDuration(text)).toBeUndefined()
    }
  })
})

describe('a log level', () => {
  it.each([
    ['', 0],
    ['debug', -4],
    ['Warn', 4],
    ['ERROR+4', 12],
    ['on', 0],
    ['OFF', 9],
    ['-4', -4],
    ['8', 8],
  ])('is read: %j', (text, level) => {
    expect(parseLogLevel(text)).toBe(level)
  })

  it.each(['loud', 'DEBUG-1', 'error + 4', 'WARNING', 'INFO+', '1.5'])('is not: %j', (text) => {
    expect(parseLogLevel(text)).toBeUndefined()
  })

  it('is read back from what is written', () => {
    for (let level = -4; level < 20; level++) expect(parseLogLevel(formatLogLevel(level))).toBe(level)
  })
})
