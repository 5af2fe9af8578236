/**
 * One process per metadata directory: whoever listens on the Unix socket in it holds it. The socket is the admin channel
 * too. A socket whose process died refuses connections and is taken over.
 *
 * The socket is bound under a name of its own and then linked to the one that counts: a link appears complete (listening)
 * and never replaces another. Removing a dead one is the right of the process that holds the lock named after it, so two
 * that start at one moment cannot remove each other's.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { chmod, link, lstat, mkdtemp, readdir, rm, symlink, unlink } from 'node:fs/promises'
import { createServer, type RequestListener, request, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemErrorCode } from './durable-file.ts'
import { ServerError } from './server-error.ts'

export const socketName = 'admin.sock'

export interface InstanceLock {
  /** Answers requests on the admin channel from now on. */
  serve(listener: RequestListener): void
  /** Gives the directory free. */
  release(): Promise<void>
}

/** What the holder says of itself. */
export interface InstanceDescription {
  /** `server on https://127.0.0.1:9000`, `fsck`. */
  readonly purpose: string
  readonly pid: number
}

/**
 * Takes the metadata directory for this process. `describe` is asked whenever another process wants to know who holds it.
 *
 * @throws ServerError `already-running`, saying who holds it
 */
export async function lockInstance(metadataDirectory: string, describe: () => string): Promise<InstanceLock> {
  return await throughShortPath(metadataDirectory, async (directory) => {
    let serve: RequestListener | undefined
    const server = createServer((incoming, outgoing) => {
      if (incoming.url === '/v1/instance') {
        const description: InstanceDescription = { purpose: describe(), pid: process.pid }
        outgoing.setHeader('content-type', 'application/json').end(JSON.stringify(description))
      } else if (serve !== undefined) serve(incoming, outgoing)
      else outgoing.writeHead(503).end()
    })
    await take(directory, socketName, server, metadataDirectory, 0)
    await removeLeftovers(directory)
    return {
      serve: (listener) => {
        serve = listener
      },
      release: async () => {
        await unlink(join(metadataDirectory, socketName)).catch(ignoreAbsent)
        await close(server)
      },
    }
  })
}

const ignoreAbsent = (error: unknown): void => {
  if (systemErrorCode(error) !== 'ENOENT') throw error
}

const close = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done())
    server.closeAllConnections()
  })

/** Binds `server` as `name`, or throws `already-running`. */
async function take(directory: string, name: string, server: Server, shown: string, depth: number): Promise<void> {
  const temporary = join(directory, `${name}.${randomBytes(4).toString('hex')}`)
  const path = join(directory, name)
  try {
    await listen(server, temporary)
  } catch (error) {
    throw new ServerError('data-directory', `${shown} cannot be written to (${systemErrorCode(error)})`, {
      cause: error,
    })
  }
  try {
    await chmod(temporary, 0o600)
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await linkExclusively(temporary, path)) return
      const holder = await stateOf(path)
      if (holder === 'alive') throw await alreadyRunning(path, shown)
      if (holder === 'dead') await removeDead(directory, name, shown, depth)
    }
    throw new ServerError('already-running', `${shown} is being taken by another process at this moment: try again`)
  } catch (error) {
    await close(server)
    throw error
  } finally {
    await unlink(temporary).catch(ignoreAbsent)
  }
}

async function linkExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Removes a dead socket, as the holder of the right to remove exactly this one. */
async function removeDead(directory: string, name: string, shown: string, depth: number): Promise<void> {
  const path = join(directory, name)
  const found = await lstat(path, { bigint: true }).catch(ignoreAbsent)
  if (found === undefined) return
  if (depth === 3) throw new ServerError('already-running', `${path} cannot be taken over: remove it by hand`)
  const right = createServer()
  const rightName = `${socketName}-${found.ino}-${found.ctimeNs}`
  await take(directory, rightName, right, shown, depth + 1)
  try {
    if ((await stateOf(path)) === 'dead') await unlink(path).catch(ignoreAbsent)
  } finally {
    await unlink(join(directory, rightName)).catch(ignoreAbsent)
    await close(right)
  }
}

/** Whether somebody listens on the socket; `gone`: it went away at this moment. */
const stateOf = (path: string): Promise<'alive' | 'dead' | 'gone'> =>
  new Promise((done, failed) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done('alive')
    })
    socket.once('error', (error) => {
      const code = systemErrorCode(error)
      if (code === 'ECONNREFUSED') done('dead')
      else if (code === 'ENOENT' || code === 'ECONNRESET') done('gone')
      // A full backlog or a lack of permission: somebody is there.
      else if (code === 'EAGAIN' || code === 'EACCES') done('alive')
      else failed(error)
    })
  })

async function alreadyRunning(path: string, shown: string): Promise<ServerError> {
  const holder = await askInstance(path).catch(() => undefined)
  const who = holder === undefined ? 'another Strongroom process' : `${holder.purpose} (process ${holder.pid})`
  return new ServerError(
    'already-running',
    `${shown} is in use by ${who}: stop it first, or name another directory with --data`,
  )
}

function askInstance(path: string): Promise<InstanceDescription | undefined> {
  return new Promise((done, failed) => {
    const asked = request({ socketPath: path, path: '/v1/instance', timeout: 2000 }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece: string) => {
        if (text.length < 10_000) text += piece
      })
      answer.once('error', failed)
      answer.once('end', () => done(parseDescription(text)))
    })
    asked.once('timeout', () => asked.destroy(new Error('no answer')))
    asked.once('error', failed)
    asked.end()
  })
}

function parseDescription(text: string): InstanceDescription | undefined {
  const content: unknown = JSON.parse(text)
  if (typeof content !== 'object' || content === null || !('purpose' in content) || !('pid' in content))
    return undefined
  const { purpose, pid } = content
  return typeof purpose === 'string' && typeof pid === 'number' ? { purpose, pid } : undefined
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((done, failed) => {
    server.once('error', failed)
    server.listen(path, () => {
      server.removeListener('error', failed)
      done()
    })
  })

/** Sockets under names of their own that a killed process left behind. Only the holder of the lock removes them. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (/^admin\.sock[.-]/.test(name) && (await stateOf(join(directory, name))) === 'dead') {
      await rm(join(directory, name), { force: true })
    }
  }
}

/** The path of a Unix socket may have about 100 bytes: a longer one is reached through a symbolic link in the temporary directory. */
export async function throughShortPath<T>(directory: string, work: (directory: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(directory) <= 40) return await work(directory)
  const short = await mkdtemp(join(tmpdir(), 'sr-'))
  try {
    const name = join(short, 'd')
    await symlink(directory, name, 'dir')
    return await work(name)
  } finally {
    await rm(short, { recursive: true, force: true })
  }
}
