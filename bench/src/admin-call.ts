/**
 * The admin channel of a server of the bench: a process of the command line for each call takes longer than the call.
 *
 * @module
 */
import { request } from 'node:http'
import { join } from 'node:path'

interface KeyUsageAnswer {
  readonly result?: { readonly total: { readonly objects: number }; readonly rows: readonly unknown[] }
  readonly error?: { readonly message: string }
}

/** `strongroom key usage`. @throws Error with what the server says */
export async function keyUsage(
  data: string,
  key: string,
): Promise<{ readonly objects: number; readonly rows: number }> {
  const text = await post(join(data, 'metadata/admin.sock'), '/v1/keyUsage', JSON.stringify([key]))
  const answer = JSON.parse(text) as KeyUsageAnswer
  if (answer.result === undefined) throw new Error(`key usage: ${answer.error?.message ?? text}`)
  return { objects: answer.result.total.objects, rows: answer.result.rows.length }
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
