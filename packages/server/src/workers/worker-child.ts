/**
 * A child process that serves connections which this one accepts: the process, the link to it, and its end. What is served is
 * its owner's to say.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { ServerError } from '../server-error.ts'
import { type DataFrame, Link, type Methods } from './link.ts'
import { type HandOver, linkDescriptor } from './worker-start.ts'
import type { TeamWorker } from './worker-team.ts'

/** The built programs, also for a main that runs from its sources. */
const programs = join(import.meta.dirname, '../../dist/workers')

export interface WorkerChildOptions<Mine> {
  /** Name of the built program. */
  readonly program: string
  readonly methods: Methods<Mine>
  readonly onLost?: (frame: DataFrame, lines: number) => void
  /** Told once, when the process has ended. */
  readonly onExit: (reason: string) => void
}

/** See the module. Its owner says what it is told, and takes what it sends. */
export abstract class WorkerChild<Theirs, Mine> implements TeamWorker {
  readonly link: Link<Theirs, Mine>
  readonly #child: ChildProcess
  readonly #options: WorkerChildOptions<Mine>
  readonly #exited: Promise<void>
  /** Given away, and not sent yet: Node.js sends one, waits, and says nothing of the others when the process ends. */
  readonly #unsent = new Set<Socket>()
  #isServing = false
  #hasServed = false
  #hasEnded = false

  constructor(options: WorkerChildOptions<Mine>) {
    this.#options = options
    this.#child = fork(join(programs, options.program), [], {
      // Its log comes over the link. What a runtime says when it breaks off goes where ours would.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
      execArgv: [],
    })
    const stream = this.#child.stdio[linkDescriptor]
    if (!(stream instanceof Duplex)) throw new ServerError('internal', 'this runtime cannot start workers')
    this.link = new Link(stream, {
      methods: options.methods,
      onData: (frame, payload) => this.take(frame, payload),
      onLost: options.onLost,
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

  /** The steps after which it serves. @throws ServerError, Error; then the process is ended */
  protected abstract begin(): Promise<void>

  /** Has it finish; resolves when it has. */
  protected abstract askToStop(): Promise<unknown>

  protected abstract take(frame: DataFrame, payload: Buffer): void

  /** Resolves when it serves. @throws what `begin` throws */
  async start(): Promise<void> {
    try {
      await this.begin()
      this.#isServing = true
      this.#hasServed = true
    } catch (error) {
      this.#child.kill('SIGKILL')
      throw error
    }
  }

  /** Ends it at once; resolves when it is no more. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
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
      if (this.#isServing) await this.askToStop()
      else this.#child.kill('SIGKILL')
      this.link.end()
    } catch {
      // It has ended, which is what is waited for.
    }
    await this.#exited
    clearTimeout(kill)
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
