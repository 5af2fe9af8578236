/**
 * A TLS server for tests that answers as it is told to, in the place of a KES server.
 *
 * @module
 */

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

const pki = join(import.meta.dirname, '../../testdata/config/pki')
const [cert, key] = await Promise.all(['server.crt', 'server.key'].map((name) => readFile(join(pki, name), 'utf8')))

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Answer = (request: SeenRequest, response: ServerResponse) => void

/** A TLS server on loopback that answers as it is told and remembers what it was asked. */
export interface CannedKes {
  readonly url: string
  readonly requests: SeenRequest[]
  answer: Answer
  close(): Promise<void>
}

/** PEM of the certificate that clients must trust. */
export const serverCertificate = cert ?? ''

export const json =
  (value: unknown, status = 200): Answer =>
  (_, response) => {
    const body = `${JSON.stringify(value)}\n`
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  }

export const refusal = (status: number, message: string): Answer => json({ message }, status)

export async function startCannedKes(answer: Answer, port = 0): Promise<CannedKes> {
  const requests: SeenRequest[] = []
  const server = createServer({ cert: cert ?? '', key: key ?? '' }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const seen = { method, path: url, headers, body: Buffer.concat(chunks).toString() }
      requests.push(seen)
      kes.answer(seen, response)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  const kes: CannedKes = {
    url: `https://127.0.0.1:${address.port}`,
    requests,
    answer,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return kes
}
