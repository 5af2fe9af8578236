/**
 * The load generator's reader of chunked answers.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkedBody } from './chunked-body.ts'

const answer = Buffer.from(
  '5\r\nhello\r\n10;name=value\r\n0123456789abcdef\r\n0\r\nx-trailer: 1\r\n\r\nHTTP/1.1 200 OK',
)
const rest = 'HTTP/1.1 200 OK'

describe('a chunked body', () => {
  it('counts its content and leaves what follows it, wherever it was cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: answer.length }), { maxLength: 8 }), (cuts) => {
        const borders = [0, ...cuts.sort((a, b) => a - b), answer.length]
        const body = new ChunkedBody()
        let left = ''
        for (let at = 0; at + 1 < borders.length; at += 1) {
          const piece = answer.subarray(borders[at], borders[at + 1])
          const taken = body.isDone ? 0 : body.take(piece)
          left += piece.toString('latin1', taken)
        }
        expect([body.isDone, body.bytes, left]).toEqual([true, 21, rest])
      }),
    )
  })

  it('refuses a chunk without a size', () => {
    expect(() => new ChunkedBody().take(Buffer.from('\r\n'))).toThrow('without a size')
  })
})
