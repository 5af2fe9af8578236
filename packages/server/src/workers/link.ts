/**
 * What main and a worker say to each other (ADR 20): commits and their results, calls and their answers, log lines, in
 * frames over a socket pair that only the two of them hold. Both are of one release, so nothing is checked twice.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import type { MetricsSnapshot } from '@strongroom/http'
import { FrameStream } from '@strongroom/storage'
import { ServerError, type ServerErrorCode } from '../server-error.ts'
import type { WorkerStart } from './worker-start.ts'

/** Calls by what they take and give. */
export interface WorkerCalls {
  /** The keyring has been sent before. Answered as soon as the worker runs. */
  readonly prepare: readonly [WorkerStart, null]
  /** Nothing is committed until it is answered. */
  readonly openMetadata: readonly [null, null]
  /** Answered when it can serve. */
  readonly serve: readonly [null, null]
  readonly forgetKey: readonly [string, null]
  /** By the hex digits of a part table's id. */
  readonly isReading: readonly [string, boolean]
  readonly metrics: readonly [null, MetricsSnapshot]
  /** Reads certificates again. */
  readonly reload: readonly [null, null]
  /** Lets requests in flight end, then closes everything. */
  readonly stop: readonly [null, null]
}

export interface MainCalls {
  /** Answered when no process remembers anything of the key. */
  readonly keyChanged: readonly [string, null]
  readonly isReadElsewhere: readonly [string, boolean]
  /** The text for a scrape, of all processes together. */
  readonly metrics: readonly [null, string]
}

type Calls = { readonly [name: string]: readonly [unknown, unknown] }
/** What one side answers with. */
export type Methods<C> = {
  readonly [N in keyof C]: C[N] extends readonly [infer A, infer R] ? (argument: A) => Promise<R> : never
}

const frameTypes = {
  commit: 1,
  committed: 2,
  call: 3,
  result: 4,
  log: 5,
  access: 6,
  keyring: 7,
  auditEvent: 8,
  errorEvent: 9,
} as const
export type DataFrame = Exclude<keyof typeof frameTypes, 'call' | 'result'>

const dataFrames: ReadonlyMap<number, DataFrame> = new Map(
  (['commit', 'committed', 'log', 'access', 'keyring', 'auditEvent', 'errorEvent'] as const).map((name) => [
    frameTypes[name],
    name,
  ]),
)

export interface LinkOptions<Mine> {
  readonly methods: Methods<Mine>
  readonly onData: (frame: DataFrame, payload: Buffer) => void
  /** The other side is gone. */
  readonly onEnd: () => void
  /** Of what was offered so many lines were lost, while the other side took nothing. It takes something again. */
  readonly onLost?: ((frame: DataFrame, lines: number) => void) | undefined
}

/** Bytes that may wait for the other side; of log lines, what comes then is lost. */
const mostBehindBytes = 4 * 1024 * 1024

interface Pending {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

interface CallMessage {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

interface ResultMessage {
  readonly id: number
  readonly result?: unknown
  readonly error?: { readonly code?: ServerErrorCode; readonly message: string }
}

/** One end. `Theirs`: the calls that the other side answers; `Mine`: those that this one does. */
export class Link<Theirs, Mine> {
  readonly #frames: FrameStream
  readonly #options: LinkOptions<Mine>
  readonly #pending = new Map<number, Pending>()
  readonly #lost = new Map<DataFrame, number>()
  #lastId = 0
  #isLost = false

  constructor(stream: Duplex, options: LinkOptions<Mine>) {
    this.#options = options
    this.#frames = new FrameStream(stream, stream, {
      onFrame: (type, payload) => this.#take(type, payload),
      onEnd: () => this.#end(),
    })
  }

  /** Sends bytes that need no answer, or whose answer is another frame. */
  send(frame: DataFrame, payload: Uint8Array): void {
    this.#frames.send(frameTypes[frame], payload)
  }

  /** Sends log lines, unless the other side stalls: then they are counted. The bytes must not change before the end of the turn. */
  offer(frame: DataFrame, lines: Uint8Array): void {
    if (this.#frames.backlogBytes >= mostBehindBytes) {
      this.#lost.set(frame, (this.#lost.get(frame) ?? 0) + linesIn(lines))
      return
    }
    this.#tellLost()
    this.send(frame, lines)
  }

  /** Writes what was sent now, and not at the end of the turn. */
  flush(): void {
    this.#frames.flush()
  }

  /** Nothing more comes from here. */
  end(): void {
    this.#tellLost()
    this.#frames.end()
  }

  /** @throws Error when the other side failed, is gone, or did not answer in time */
  call<N extends keyof Theirs & string>(
    method: N,
    argument: Theirs[N] extends readonly [infer A, unknown] ? A : never,
    { timeoutMs }: { readonly timeoutMs?: number } = {},
  ): Promise<Theirs[N] extends readonly [unknown, infer R] ? R : never> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#isLost) {
        reject(new Error('the other process is gone'))
        return
      }
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => this.#settle(id)?.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      this.#pending.set(id, {
        resolve: (result) => {
          clearTimeout(timer)
          // What comes was made by the same release, from the types of the calls.
          resolve(result as Theirs[N] extends readonly [unknown, infer R] ? R : never)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      const message: CallMessage = { id, method, argument }
      this.#frames.send(frameTypes.call, Buffer.from(JSON.stringify(message)))
    })
  }

  #tellLost(): void {
    if (this.#lost.size === 0) return
    const lost = [...this.#lost]
    this.#lost.clear()
    for (const [frame, lines] of lost) this.#options.onLost?.(frame, lines)
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #take(type: number, payload: Buffer): void {
    const frame = dataFrames.get(type)
    if (frame !== undefined) this.#options.onData(frame, payload)
    else if (type === frameTypes.call) void this.#answer(JSON.parse(payload.toString()))
    else this.#resolve(JSON.parse(payload.toString()))
  }

  async #answer({ id, method, argument }: CallMessage): Promise<void> {
    let message: ResultMessage
    try {
      const methods = this.#options.methods as Methods<Calls>
      const run = methods[method]
      if (run === undefined) throw new Error(`there is no call ${method}`)
      message = { id, result: await run(argument) }
    } catch (error) {
      message = { id, error: describe(error) }
    }
    this.#frames.send(frameTypes.result, Buffer.from(JSON.stringify(message)))
  }

  #resolve({ id, result, error }: ResultMessage): void {
    const pending = this.#settle(id)
    if (pending === undefined) return
    if (error === undefined) pending.resolve(result)
    else
      pending.reject(error.code === undefined ? new Error(error.message) : new ServerError(error.code, error.message))
  }

  #end(): void {
    this.#isLost = true
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new Error('the other process is gone'))
    this.#options.onEnd()
  }
}

function linesIn(text: Uint8Array): number {
  let lines = 0
  for (const byte of text) if (byte === 0x0a) lines++
  return lines
}

function describe(error: unknown): NonNullable<ResultMessage['error']> {
  if (error instanceof ServerError) return { code: error.code, message: error.message }
  return { message: error instanceof Error ? error.message : String(error) }
}
