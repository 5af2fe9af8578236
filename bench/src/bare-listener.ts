/**
 * What the runtime itself can do: `node:https` that answers at once, with as many header bytes as the server's answers have.
 * A program of its own: the bench starts it on the runtime that it measures, with the directory of the certificate.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'

const directory = process.argv[2] ?? ''
const body = Buffer.alloc(4096, 1)

const server = createServer(
  { cert: readFileSync(join(directory, 'public.crt')), key: readFileSync(join(directory, 'private.key')) },
  (request, response) => {
    response.writeHead(200, {
      server: 'Strongroom',
      'x-amz-request-id': '0123456789ABCDEF',
      'x-amz-id-2': '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
      etag: '"0123456789abcdef0123456789abcdef"',
      'last-modified': 'Mon, 23 Nov 2026 17:28:11 GMT',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'a-key-with-a-name',
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      'content-length': '4096',
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  },
)
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
})
// Ends with the bench, however that ends.
process.stdin.resume().once('end', () => process.exit(0))
