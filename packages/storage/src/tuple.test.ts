/**
 * Exact bytes and limits of tuple keys.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import { maxKeyBytes } from './metadata/contract.ts'
import { byteString, defineTuple, descending, fixedBytes, prefixEnd, text, uint64 } from './tuple.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('encodes as documented: these bytes are frozen', () => {
  const key = defineTuple(0x21, text(), byteString(), uint64(), descending(), fixedBytes(2), text())
  const encoded = key.encode('a\0b', Buffer.from([0, 1]), 258, 1, Buffer.from([0, 9]), '\0é/')
  expect(hex(encoded)).toBe(
    ['21', '6100ff62' + '0001', '00ff01' + '0001', '0000000000000102', 'fffffffffffffffe', '0009', '00c3a92f'].join(''),
  )
})

test('a name in last place stays raw, so that its prefixes are prefixes of keys', () => {
  const key = defineTuple(3, fixedBytes(1), text())
  expect(hex(key.encode(Buffer.from([5]), 'a/b'))).toBe('0305612f62')
  expect(hex(key.prefix(Buffer.from([5])))).toBe('0305')
  expect(hex(key.encode(Buffer.from([5]), ''))).toBe('0305')
})

test('a name of 1,024 NUL bytes fits twice over in a key, escaped', () => {
  const key = defineTuple(4, fixedBytes(16), text(), descending())
  const name = '\0'.repeat(1024)
  const encoded = key.encode(Buffer.alloc(16), name, 1)
  expect(encoded.length).toBe(1 + 16 + 2048 + 2 + 8)
  expect(encoded.length).toBeLessThan(maxKeyBytes)
  expect(key.decode(encoded)[1]).toBe(name)
})

test('newer comes first with a descending element', () => {
  const key = defineTuple(4, descending())
  expect(Buffer.compare(key.encode(2 ** 53 - 1), key.encode(0))).toBe(-1)
})

test('refuses values that have no encoding of their own', () => {
  const invalid = expect.objectContaining({ code: 'invalid' })
  expect(() => defineTuple(1, uint64()).encode(-1)).toThrow(invalid)
  expect(() => defineTuple(1, uint64()).encode(1.5)).toThrow(invalid)
  expect(() => defineTuple(1, descending()).encode(2 ** 53)).toThrow(invalid)
  expect(() => defineTuple(1, fixedBytes(4)).encode(new Uint8Array(5))).toThrow(invalid)
  for (const lone of ['\ud800', 'a\udc00', '\ud800\ud800\udc00', '\udc00\ud800']) {
    expect(() => defineTuple(1, text()).encode(lone)).toThrow(invalid)
  }
  expect(() => defineTuple(255, text())).toThrow(invalid)
  expect(() => prefixEnd(Buffer.from([0xff, 0xff]))).toThrow(invalid)
})

test('refuses keys of other tables, cut ones and ones with bytes behind them', () => {
  const corrupt = expect.objectContaining({ code: 'corrupt' })
  const key = defineTuple(1, text(), uint64())
  const encoded = key.encode('a\0b', 7)
  for (let length = 0; length < encoded.length; length++) {
    expect(() => key.decode(encoded.subarray(0, length))).toThrow(corrupt)
  }
  expect(() => key.decode(Buffer.concat([encoded, Buffer.from([0])]))).toThrow(corrupt)
  expect(() => defineTuple(2, text(), uint64()).decode(encoded)).toThrow(corrupt)
  expect(() => defineTuple(1, text()).decode(Buffer.from([1, 0xc3]))).toThrow(corrupt)
})

test('the end of a prefix is the smallest key greater than all that begin with it', () => {
  expect(hex(prefixEnd(Buffer.from('0161ff', 'hex')))).toBe('0162')
  expect(hex(prefixEnd(Buffer.from('01ffff', 'hex')))).toBe('02')
})
