import { describe, expect, it } from 'vitest'
import { slogValue } from './go-text.ts'

describe('a value in a log line', () => {
  it.each([
    ['plain/path-1', 'plain/path-1'],
    ['', '""'],
    ['two words', '"two words"'],
    ['a=b', '"a=b"'],
    ['line\nend', '"line\\nend"'],
    ['ü€', 'ü€'],
    ['\u202eecived', '"\\u202eecived"'],
    ['a\u200bb', '"a\\u200bb"'],
    ['\u3000', '"\u3000"'],
    ['\u{e0041}', '"\\U000e0041"'],
    ['\ud800', '"\\ud800"'],
  ])('of %j is written as %s', (text, expected) => {
    expect(slogValue(text)).toBe(expected)
  })
})
