/**
 * One worker of an object server, as main sees it.
 *
 * @module
 */
import { encodeKeyringBody, type Keyring } from '@strongroom/kms'
import { type LmdbMetadataStore, serveCommit } from '@strongroom/storage'
import type { DataFrame, MainCalls, Methods, WorkerCalls } from './link.ts'
import { WorkerChild } from './worker-child.ts'
import type { WorkerStart } from './worker-start.ts'

export interface WorkerHandleOptions {
  /** What it is told when it starts. */
  readonly keyring: Keyring
  readonly told: WorkerStart
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
export class WorkerHandle extends WorkerChild<WorkerCalls, MainCalls> {
  readonly #options: WorkerHandleOptions

  constructor(options: WorkerHandleOptions) {
    const { methods, onExit } = options
    super({ program: 'worker-process.js', methods, onExit })
    this.#options = options
  }

  protected async begin(): Promise<void> {
    const { keyring, told, metadata } = this.#options
    const { link } = this
    const body = encodeKeyringBody(keyring.content)
    try {
      link.send('keyring', body)
      link.flush()
    } finally {
      body.fill(0)
    }
    // Commits wait for the opening, and not for the start of a process.
    await link.call('prepare', told, { timeoutMs: startMs })
    await metadata.holdCommits(() => this.#openMetadata())
    await link.call('serve', null, { timeoutMs: startMs })
  }

  protected askToStop(): Promise<null> {
    return this.link.call('stop', null)
  }

  protected take(frame: DataFrame, payload: Buffer): void {
    if (frame === 'commit') {
      void serveCommit(this.#options.metadata, payload, (reply) => this.link.send('committed', reply))
    } else if (frame === 'log') eachLine(payload, this.#options.onLog)
    else if (frame === 'access') eachLine(payload, this.#options.onAccess)
  }

  /** When it has ended, the worker has the map open, or is no more. */
  async #openMetadata(): Promise<void> {
    try {
      await this.link.call('openMetadata', null, { timeoutMs: openMs })
    } catch (error) {
      await this.kill()
      throw error
    }
  }
}

function eachLine(payload: Buffer, take: (line: string) => void): void {
  for (const line of payload.toString().split('\n')) if (line !== '') take(`${line}\n`)
}
