/**
 * One worker, as main sees it: a process, the link to it, and its end.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { encodeKeyringBody, type Keyring } from '@strongroom/kms'
import { type LmdbMetadataStore, serveCommit } from '@strongroom/storage'
import { ServerError } from '../server-error.ts'
import { type DataFrame, Link, type MainCalls, type Methods, type WorkerCalls } from './link.ts'
import { type HandOver, linkDescriptor, type WorkerStart } from './worker-start.ts'

/** The built program, also for a main that runs from its sources. */
const program = join(import.meta.dirname, '../../dist/workers/worker-process.js')

export interface WorkerHandleOptions {
  readonly methods: Methods<MainCalls>
  /** Commits for it, and nothing while it opens the map. */
  readonly metadata: Pick<LmdbMetadataStore, 'commit' | 'holdCommits'>
  readonly onLog: (line: string) => void
  readonly onAccess: (line: string) => void
  /** Told once, when the process has ended. */
  readonly onExit: (reason: string) => void
}

/** Longest that commits wait for a worker that opens the map, in milliseconds: then it is ended. */
const openMs = 10_000

/** Longest time for each of the other steps of a start, in milliseconds. */
const startMs = 60_000

/** See the module. */
export class WorkerHandle {
  readonly link: Link<WorkerCalls, MainCalls>
  readonly #child: ChildProcess
  readonly #options: WorkerHandleOptions
  readonly #exited: Promise<void>
  /** Given away, and not sent yet: Node.js sends one, waits, and says nothing of the others when the process ends. */
  readonly #unsent = new Set<Socket>()
  #isServing = false
  #hasServed = false
  #hasEnded = false

  constructor(options: WorkerHandleOptions) {
    this.#options = options
    this.#child = fork(program, [], {
      // Its log comes over the link. What a runtime says when it breaks off goes where ours would.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
      execArgv: [],
    })
    const stream = this.#child.stdio[linkDescriptor]
    if (!(stream instanceof Duplex)) throw new ServerError('internal', 'this runtime cannot start workers')
    this.link = new Link(stream, {
      methods: options.methods,
      onData: (frame, payload) => this.#take(frame, payload),
      onEnd: () => {
        this.#isServing = false
      },
    })
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#ended(error.message, resolve))
      this.#child.once('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`, resolve))
    })
  }

  /** Connections may be handed over. */
  get isServing(): boolean {
    return this.#isServing
  }

  /** It was started in full. */
  get hasServed(): boolean {
    return this.#hasServed
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves when it serves. @throws ServerError, Error */
  async start(keyring: Keyring, start: WorkerStart): Promise<void> {
    const body = encodeKeyringBody(keyring.content)
    try {
      this.link.send('keyring', body)
      this.link.flush()
    } finally {
      body.fill(0)
    }
    try {
      // Commits wait for the opening, and not for the start of a process.
      await this.link.call('prepare', start, { timeoutMs: startMs })
      await this.#options.metadata.holdCommits(() => this.#openMetadata())
      await this.link.call('serve', null, { timeoutMs: startMs })
      this.#isServing = true
      this.#hasServed = true
    } catch (error) {
      this.#child.kill('SIGKILL')
      throw error
    }
  }

  /** When it has ended, the worker has the map open, or is no more. */
  async #openMetadata(): Promise<void> {
    try {
      await this.link.call('openMetadata', null, { timeoutMs: openMs })
    } catch (error) {
      this.#child.kill('SIGKILL')
      await this.#exited
      throw error
    }
  }

  /** Gives a connection away. */
  handOver(socket: Socket, plaintext: boolean): void {
    const message: HandOver = { plaintext }
    this.#unsent.add(socket)
    this.#child.send(message, socket, { keepOpen: false }, (error) => {
      this.#unsent.delete(socket)
      if (error !== null) socket.destroy()
    })
  }

  /** Lets it finish, for a while, and waits for its end. */
  async stop(graceMs: number): Promise<void> {
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    try {
      // One that is just starting is not worth waiting for.
      if (this.#isServing) await this.link.call('stop', null)
      else this.#child.kill('SIGKILL')
      this.link.end()
    } catch {
      // It has ended, which is what is waited for.
    }
    await this.#exited
    clearTimeout(kill)
  }

  #take(frame: DataFrame, payload: Buffer): void {
    if (frame === 'commit') {
      void serveCommit(this.#options.metadata, payload, (reply) => this.link.send('committed', reply))
    } else if (frame === 'log') eachLine(payload, this.#options.onLog)
    else if (frame === 'access') eachLine(payload, this.#options.onAccess)
  }

  #ended(reason: string, resolve: () => void): void {
    this.#isServing = false
    closeUntaken(this.#child)
    for (const socket of this.#unsent) socket.destroy()
    this.#unsent.clear()
    if (!this.#hasEnded) this.#options.onExit(reason)
    this.#hasEnded = true
    resolve()
  }
}

/**
 * Closes the connection that was sent to a process and not taken by it before its end. Node.js means to, and does not while the
 * channel waits for the process to say that it took one: its client would wait for ever. Elsewhere there is nothing to close.
 */
function closeUntaken(child: ChildProcess): void {
  const { handle } = Object(Reflect.get(child, '_pendingMessage'))
  if (typeof handle?.close === 'function') handle.close()
}

function eachLine(payload: Buffer, take: (line: string) => void): void {
  for (const line of payload.toString().split('\n')) if (line !== '') take(`${line}\n`)
}
