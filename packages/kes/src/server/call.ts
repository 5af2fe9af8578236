/**
 * One request on its way through the server, and the answers it can get (kes-protocol 2.4).
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DirectResponse, WholeRequest } from '@strongroom/http'
import { quoteJson } from '../protocol/go-json.ts'
import type { Route } from '../protocol/routes.ts'
import type { Caller } from './caller.ts'
import type { Generation } from './generation.ts'

/** Longer answers are sent in chunks. */
const longestWithLength = 2_048

/** A request as a stream, or one that came whole. */
export type CallRequest = IncomingMessage | WholeRequest

/** What both kinds of responses can do. */
export interface CallResponse extends Pick<DirectResponse, 'destroyed' | 'headersSent' | 'shouldKeepAlive'> {
  setHeader(name: string, value: string): unknown
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown
  end(body?: string | Uint8Array, encoding?: BufferEncoding): unknown
  destroy(): unknown
}

/** What the server keeps of a request. */
export class Call {
  readonly request: CallRequest
  readonly response: ServerResponse | DirectResponse
  readonly route: Route
  readonly resource: string
  readonly path: string
  readonly generation: Generation
  readonly caller: Caller
  /** Monotonic milliseconds: when the headers were there. */
  readonly startedAt: number
  /** For audit. */
  keyVersion = 0
  context: Uint8Array | undefined
  /** KES's words for what was done; of an error its message. */
  message = ''
  /** 0 until there is an answer. */
  status = 0
  /** Where it is in the list of those that have a deadline; -1 = nowhere. */
  place = -1

  constructor(
    request: CallRequest,
    response: ServerResponse | DirectResponse,
    target: { readonly route: Route; readonly resource: string; readonly path: string },
    generation: Generation,
    caller: Caller,
    startedAt: number,
  ) {
    this.request = request
    this.response = response
    this.route = target.route
    this.resource = target.resource
    this.path = target.path
    this.generation = generation
    this.caller = caller
    this.startedAt = startedAt
  }

  /** As `json`, of text that is ASCII for sure. */
  ascii(text: string): void {
    this.status = 200
    const response: CallResponse = this.response
    if (text.length >= longestWithLength) sendText(response, 200, 'application/json', `${text}\n`)
    else if (!response.destroyed && !response.headersSent) {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length + 1 })
      response.end(`${text}\n`, 'latin1')
    }
  }

  /** 200 with JSON text, which needs no line end. */
  json(text: string): void {
    this.status = 200
    sendText(this.response, 200, 'application/json', `${text}\n`)
  }

  /** 200 without a body. */
  done(message: string): void {
    this.message = message
    this.status = 200
    const response: CallResponse = this.response
    response.writeHead(200, { 'Content-Length': 0 })
    response.end()
  }

  /** An error in KES's form. `reason` is for people and for our own client: a member that KES's SDK does not look at. */
  refuse(status: number, message: string, reason?: { readonly code: string; readonly text: string }): void {
    this.message = reason === undefined ? message : reason.text
    this.status = status
    const more = reason === undefined ? '' : `,"code":${quoteJson(reason.code)},"reason":${quoteJson(reason.text)}`
    sendText(this.response, status, 'application/json', `{"message":${quoteJson(message)}${more}\n}`)
  }
}

/** Sends a text that is there as a whole. Nothing happens when the connection is gone. */
export function sendText(response: CallResponse, status: number, contentType: string, text: string): void {
  if (response.destroyed || response.headersSent) return
  const length = Buffer.byteLength(text)
  response.writeHead(
    status,
    status === 200 && length > longestWithLength
      ? { 'Content-Type': contentType, 'Transfer-Encoding': 'chunked' }
      : { 'Content-Type': contentType, 'Content-Length': length },
  )
  response.end(text)
}
