/**
 * The command line's end of the admin channel: an `Admin` over the Unix socket of a running server.
 *
 * @module
 */
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import {
  type AccountReport,
  type Admin,
  AdminError,
  type Connection,
  type DeleteKeyOptions,
  type FsckOptions,
  type InstanceStatus,
  type KeyReport,
  type KeyUsageReport,
  type NewAccount,
  type RootKeyReport,
} from '@strongroom/cli'
import type { FsckProgress, FsckReport } from '@strongroom/maintenance'
import { systemErrorCode } from '../durable-file.ts'
import { socketName, throughShortPath } from '../instance-lock.ts'
import type { AdminLine, AdminMethod } from './admin-methods.ts'

/** `undefined` if no process listens in the metadata directory. */
export async function connectAdmin(metadataDirectory: string): Promise<Admin | undefined> {
  const client = new AdminClient(metadataDirectory)
  try {
    await client.status()
    return client
  } catch (error) {
    const code = error instanceof AdminError ? systemErrorCode(error.cause) : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return undefined
    throw error
  }
}

class AdminClient implements Admin {
  readonly #metadataDirectory: string

  constructor(metadataDirectory: string) {
    this.#metadataDirectory = metadataDirectory
  }

  status = (): Promise<InstanceStatus> => this.#call('status', [])
  connection = (): Promise<Connection> => this.#call('connection', [])
  createKey = (name: string): Promise<KeyReport> => this.#call('createKey', [name])
  importKey = (name: string, material: string): Promise<KeyReport> => this.#call('importKey', [name, material])
  listKeys = (pattern: string): Promise<readonly KeyReport[]> => this.#call('listKeys', [pattern])
  describeKey = (name: string): Promise<KeyReport> => this.#call('describeKey', [name])
  rotateKey = (name: string): Promise<KeyReport> => this.#call('rotateKey', [name])
  lockKey = (name: string): Promise<KeyReport> => this.#call('lockKey', [name])
  unlockKey = (name: string): Promise<KeyReport> => this.#call('unlockKey', [name])
  grantKey = (name: string, account: string): Promise<KeyReport> => this.#call('grantKey', [name, account])
  revokeKey = (name: string, account: string): Promise<KeyReport> => this.#call('revokeKey', [name, account])
  keyUsage = (name: string): Promise<KeyUsageReport> => this.#call('keyUsage', [name])
  scheduleKeyDeletion = (name: string, options: DeleteKeyOptions & { readonly days?: number }): Promise<KeyReport> =>
    this.#call('scheduleKeyDeletion', [name, options])
  cancelKeyDeletion = (name: string): Promise<KeyReport> => this.#call('cancelKeyDeletion', [name])
  deleteKey = (name: string, options: DeleteKeyOptions): Promise<KeyUsageReport> =>
    this.#call('deleteKey', [name, options])
  createAccount = (name: string): Promise<NewAccount> => this.#call('createAccount', [name])
  deleteAccount = (nameOrId: string): Promise<AccountReport> => this.#call('deleteAccount', [nameOrId])
  listAccounts = (): Promise<readonly AccountReport[]> => this.#call('listAccounts', [])
  fsck = (options: FsckOptions, onProgress: (progress: FsckProgress) => void): Promise<FsckReport> =>
    this.#call('fsck', [options], onProgress)
  rotateRootKey = (options: Parameters<Admin['rotateRootKey']>[0]): Promise<RootKeyReport> =>
    this.#call('rotateRootKey', [options])
  close = async (): Promise<void> => {}

  async #call<T>(
    method: AdminMethod,
    args: readonly unknown[],
    onProgress?: (progress: FsckProgress) => void,
  ): Promise<T> {
    return await throughShortPath(this.#metadataDirectory, async (directory) => {
      const answer = await post(join(directory, socketName), `/v1/${method}`, JSON.stringify(args))
      // What comes was made by the same release's server, from the types of `Admin`.
      return (await readAnswer(answer, onProgress)) as T
    })
  }
}

const post = (socketPath: string, path: string, body: string): Promise<IncomingMessage> =>
  new Promise((done, failed) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    request({ socketPath, path, method: 'POST', headers }, done)
      .once('error', (error) => {
        failed(
          new AdminError('unavailable', `the server does not answer (${systemErrorCode(error)})`, { cause: error }),
        )
      })
      .end(body)
  })

async function readAnswer(answer: IncomingMessage, onProgress?: (progress: FsckProgress) => void): Promise<unknown> {
  if (answer.statusCode !== 200) {
    answer.resume()
    throw new AdminError('unavailable', 'the server is starting or stopping: try again')
  }
  answer.setEncoding('utf8')
  let rest = ''
  for await (const piece of answer) {
    const lines = `${rest}${piece}`.split('\n')
    rest = lines.pop() ?? ''
    for (const text of lines) {
      const line: AdminLine = JSON.parse(text)
      if ('progress' in line) onProgress?.(line.progress)
      else if ('error' in line) throw new AdminError(line.error.code, line.error.message)
      else return line.result
    }
  }
  throw new AdminError('unavailable', 'the server stopped before it answered')
}
