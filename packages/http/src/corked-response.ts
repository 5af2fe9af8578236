/**
 * A response whose head and last piece leave together. Bun writes them one by one, which for a small answer means two TLS
 * records, two system calls and fewer requests per second; Node corks by itself and is not harmed.
 *
 * Heads are Latin-1 (RFC 9110 5.5 leaves bytes above 0x7f as they are): Node says so unless it joins the head with a piece that is
 * text, Bun never does. So no piece is text, and the socket takes text for Latin-1 (`request-pipeline.ts`).
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { type IncomingMessage, ServerResponse } from 'node:http'

/** `ServerResponse` with a corked `end`, and a last moment before its head. */
export class CorkedResponse extends ServerResponse<IncomingMessage> {
  /** Called before the head is made; implicit heads pass through `writeHead` too. */
  beforeHead: (() => void) | undefined

  override writeHead(...args: unknown[]): this {
    this.beforeHead?.()
    Reflect.apply(super.writeHead, this, args)
    return this
  }

  override write(chunk: unknown, encoding?: unknown, callback?: (error?: Error | null) => void): boolean {
    return Reflect.apply(super.write, this, [bytesOf(chunk, encoding), encoding, callback])
  }

  override end(chunk?: unknown, encoding?: unknown, callback?: () => void): this {
    // Without a last piece there is one write, and a cork would only add a copy (ADR 8, amendment).
    const socket = chunk === undefined ? null : this.socket
    socket?.cork()
    try {
      Reflect.apply(super.end, this, [bytesOf(chunk, encoding), encoding, callback])
    } finally {
      socket?.uncork()
    }
    return this
  }
}

function bytesOf(piece: unknown, encoding: unknown): unknown {
  if (typeof piece !== 'string') return piece
  return Buffer.from(piece, encoding === 'latin1' ? 'latin1' : 'utf8')
}
