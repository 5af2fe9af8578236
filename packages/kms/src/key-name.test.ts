import { describe, expect, it } from 'vitest'
import { entryShape, isReservedName, markerEntryName, versionEntryName } from './entry-name.ts'
import { isKeyName, parseKeyPattern } from './key-name.ts'

describe('key names', () => {
  it.each(['a', '_0', '__', '_-___-_', '0', 'a-b', 'A_z-9', 'x'.repeat(80)])('takes %j', (name) => {
    expect(isKeyName(name)).toBe(true)
  })

  it.each(['', '_', '-a', 'a-', '-', 'a.b', 'a/b', 'a b', 'ü', 'a*', 'a\0', '../a', 'x'.repeat(81)])(
    'refuses %j',
    (name) => {
      expect(isKeyName(name)).toBe(false)
    },
  )
})

describe('list patterns', () => {
  it.each([
    ['', '', true],
    ['*', '', true],
    ['_*', '_', true],
    ['a-*', 'a-', true],
    ['a', 'a', false],
    [`${'x'.repeat(79)}*`, 'x'.repeat(79), true],
  ])('takes %j', (pattern, text, isPrefix) => {
    expect(parseKeyPattern(pattern)).toEqual({ text, isPrefix })
  })

  it.each(['a-', '-*', '-', '_', 'a*b', '**', 'a.*', '.', `${'x'.repeat(80)}*`])('refuses %j', (pattern) => {
    expect(parseKeyPattern(pattern)).toBeUndefined()
  })
})

describe('entry names', () => {
  it('calls version 1 by the name of the key, as KES does', () => {
    expect(versionEntryName('k', 1)).toBe('k')
    expect(versionEntryName('k', 12)).toBe('k-v-12')
    expect(markerEntryName('k')).toBe('k-locked')
  })

  it('reads back the form of an entry', () => {
    expect(entryShape('k')).toEqual({ kind: 'key' })
    expect(entryShape('k-v-12')).toEqual({ kind: 'version', base: 'k', version: 12 })
    expect(entryShape('k-v-2-v-3')).toEqual({ kind: 'version', base: 'k-v-2', version: 3 })
    expect(entryShape('k-locked')).toEqual({ kind: 'marker', base: 'k' })
  })

  it.each(['k-v-1', 'k-v-0', 'k-v-02', 'k-v-', 'k-v-x', '-v-2', 'k-v-1234567890', '-locked', 'locked'])(
    'takes %j for no version and no marker',
    (entry) => {
      expect(entryShape(entry)).toEqual({ kind: 'key' })
    },
  )

  it('reserves every name that ends like a version or a marker', () => {
    for (const name of ['k-v-2', 'k-v-02', 'k-v-1', 'k-locked', 'k-v-12345678901'])
      expect(isReservedName(name)).toBe(true)
    for (const name of ['k', 'k-v', 'k-v-x', 'k-v-2x', 'locked', 'k-locked-x']) expect(isReservedName(name)).toBe(false)
  })
})
