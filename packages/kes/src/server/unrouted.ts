/**
 * Answers to requests that no route gets: redirects, unknown paths, and what is no request for us (kes-protocol 2.1).
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Target } from '../protocol/request-path.ts'

const plainText = 'text/plain; charset=utf-8'
const htmlEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
}

/** Answers as Go's multiplexer and server do. */
export function answerUnrouted(
  target: Exclude<Target, { kind: 'route' }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (target.kind === 'redirect') {
    redirect(target.location, request, response)
  } else if (target.kind === 'unknown') {
    send(response, 404, { 'Content-Type': plainText, 'X-Content-Type-Options': 'nosniff' }, '404 page not found\n')
  } else if (request.url === '*' && request.method === 'OPTIONS') {
    send(response, 200, {}, '')
  } else {
    send(response, 400, { 'Content-Type': plainText, Connection: 'close' }, '400 Bad Request')
  }
}

function redirect(location: string, { method }: IncomingMessage, response: ServerResponse): void {
  if (method !== 'GET' && method !== 'HEAD') {
    send(response, 307, { Location: location }, '')
    return
  }
  const html = location.replace(/[&<>"']/g, (character) => htmlEscapes[character] ?? '')
  const body = `<a href="${html}">Temporary Redirect</a>.\n\n`
  send(response, 307, { 'Content-Type': 'text/html; charset=utf-8', Location: location }, body)
}

function send(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: string): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
