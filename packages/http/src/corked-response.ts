/**
 * A response whose head and last piece leave together. Bun writes them one by one, which for a small answer means two TLS
 * records, two system calls and fewer requests per second; Node corks by itself and is not harmed.
 *
 * @module
 */

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

  override end(chunk?: unknown, encoding?: unknown, callback?: () => void): this {
    // Without a last piece there is one write, and a cork would only add a copy (ADR 8, amendment).
    const socket = chunk === undefined ? null : this.socket
    socket?.cork()
    try {
      Reflect.apply(super.end, this, [chunk, encoding, callback])
    } finally {
      socket?.uncork()
    }
    return this
  }
}
