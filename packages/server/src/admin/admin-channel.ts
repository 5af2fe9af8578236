/**
 * The server's end of the admin channel. Whoever may open the socket (mode 0600) may do everything: there is no other check.
 *
 * @module
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Admin, AdminError } from '@strongroom/cli'
import type { FsckProgress } from '@strongroom/maintenance'
import { type AdminLine, type AdminMethod, adminMethods, isAdminMethod } from './admin-methods.ts'

const maxRequestBytes = 65_536

/** Answers calls on behalf of `admin`. `onError` is told of faults of ours, with their cause. */
export function adminChannel(admin: Admin, onError: (error: unknown) => void): RequestListener {
  return (request, response) => {
    answerCall(admin, request, response).catch((error: unknown) => {
      onError(error)
      response.destroy()
    })
    async function answerCall(target: Admin, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
      const write = (line: AdminLine): void => {
        outgoing.write(`${JSON.stringify(line)}\n`)
      }
      outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' })
      try {
        const [method, args] = parseCall(incoming, await readText(incoming))
        const result = await call(target, method, args, (progress) => write({ progress }))
        write({ result: result ?? null })
      } catch (error) {
        if (!(error instanceof AdminError)) onError(error)
        write({ error: describe(error) })
      }
      outgoing.end()
    }
  }
}

const describe = (error: unknown) =>
  error instanceof AdminError
    ? { code: error.code, message: error.message }
    : ({ code: 'internal', message: 'the server failed: its log says why' } as const)

async function readText(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of incoming) {
    length += piece.length
    if (length > maxRequestBytes) throw new AdminError('invalid', 'the call is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function parseCall(incoming: IncomingMessage, text: string): [AdminMethod, unknown[]] {
  const method = /^\/v1\/([A-Za-z]+)$/.exec(incoming.url ?? '')?.[1] ?? ''
  if (incoming.method !== 'POST' || !isAdminMethod(method)) {
    throw new AdminError(
      'invalid',
      `the server does not know the call ${JSON.stringify(method)}: it may be of another version`,
    )
  }
  let args: unknown
  try {
    args = JSON.parse(text)
  } catch (error) {
    throw new AdminError('invalid', 'the call is not JSON', { cause: error })
  }
  const parsed = adminMethods[method].safeParse(args)
  if (!parsed.success) throw new AdminError('invalid', `the call ${method} has wrong arguments`)
  return [method, parsed.data]
}

async function call(
  admin: Admin,
  method: AdminMethod,
  args: unknown[],
  onProgress: (progress: FsckProgress) => void,
): Promise<unknown> {
  const given = method === 'fsck' ? [...args, onProgress] : args
  return await Reflect.apply(admin[method], admin, given)
}
