/**
 * The admin channel of a running server, spoken to directly: a process of the command line for each call takes long.
 *
 * @module
 */

import { request } from 'node:http'
import { join } from 'node:path'

/** What one call came to: a result, or the code of its error. Undefined: the server was gone before it answered. */
export interface AdminAnswer {
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: string; readonly message: string }
}

/** Calls a method of the server whose metadata directory is `metadata` in `data`. */
export async function adminCall(data: string, method: string, ...args: unknown[]): Promise<AdminAnswer | undefined> {
  const text = await post(join(data, 'metadata/admin.sock'), `/v1/${method}`, JSON.stringify(args)).catch(() => '')
  const lines = text.split('\n').filter((line) => line !== '')
  for (const line of lines) {
    const message: AdminAnswer = JSON.parse(line)
    if ('result' in message || 'error' in message) return message
  }
  return undefined
}

function post(socketPath: string, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request({ socketPath, path, method: 'POST', headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece: string) => {
        text += piece
      })
      answer.on('error', reject)
      answer.on('close', () => resolve(text))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
