import { describe, expect, it } from 'vitest'
import { decodeBase64 } from './base64.ts'

const decoded = (text: string): string | undefined => decodeBase64(Buffer.from(text, 'latin1'))?.toString('hex')

describe('decodeBase64', () => {
  it('gives back bytes of every value and every length up to some groups', () => {
    for (let length = 0; length <= 260; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, at) => (at * 7 + length) % 256))
      expect(decoded(bytes.toString('base64'))).toBe(bytes.toString('hex'))
    }
  })

  it('reads a part of what it is given, and nothing beside it', () => {
    const text = Buffer.from('!YWJj!YWI=!')
    expect(decodeBase64(text, 1, 5)?.toString()).toBe('abc')
    expect(decodeBase64(text, 6, 10)?.toString()).toBe('ab')
    expect(decodeBase64(text, 1, 6)).toBeUndefined()
  })

  it('passes over line ends, wherever they are', () => {
    expect(decoded('\r\nYW\nJj\r')).toBe('616263')
    expect(decoded('YQ\n=\r=\n')).toBe('61')
    expect(decoded('\r\n\r\n')).toBe('')
  })

  it('does not mind bits behind the last byte', () => {
    expect(decoded('YR==')).toBe('61')
    expect(decoded('YWJ=')).toBe('6162')
  })

  it.each([
    'Y',
    'YW',
    'YWJ',
    'YQ=',
    '=',
    '==',
    '====',
    'Y===',
    'YQ==YQ==',
    '=YWJj',
    'YW=j',
    'YWJj=',
    'YW Jj',
    'YW-_',
    'YWJ\0',
    'YWJ\xe4',
  ])('takes no %j', (text) => {
    expect(decoded(text)).toBeUndefined()
  })
})
