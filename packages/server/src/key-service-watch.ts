/**
 * Tells the log when the key service stops answering, why, and when it is back: requests only say that they were refused.
 *
 * @module
 */
import type { Kms } from '@strongroom/kms'
import type { Logger } from './log.ts'

export interface KeyServiceWatchOptions {
  readonly log: Pick<Logger, 'info' | 'warn'>
  /** How often it is asked while it does not answer, in milliseconds. Default 5,000. */
  readonly everyMs?: number
}

/** See the module. */
export class KeyServiceWatch {
  readonly #log: KeyServiceWatchOptions['log']
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined
  #isDown = false
  #isSaid = false
  #isStopped = false

  constructor({ log, everyMs = 5_000 }: KeyServiceWatchOptions) {
    this.#log = log
    this.#everyMs = everyMs
  }

  /** To be told of every call's result, once. */
  noteCall(result: string, kms: Pick<Kms, 'status'>): void {
    if (result !== 'unreachable' || this.#isDown || this.#isStopped) return
    this.#isDown = true
    void this.#begin(kms)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #begin(kms: Pick<Kms, 'status'>): Promise<void> {
    const { reachable, detail } = await statusOf(kms)
    // A single call that was given up, by its own caller perhaps, is no outage.
    this.#isSaid = !reachable
    if (!reachable) this.#log.warn({ detail }, 'the key service does not answer')
    this.#later(kms)
  }

  #later(kms: Pick<Kms, 'status'>): void {
    if (this.#isStopped) return
    this.#timer = setTimeout(() => void this.#look(kms), this.#everyMs).unref()
  }

  async #look(kms: Pick<Kms, 'status'>): Promise<void> {
    const { reachable } = await statusOf(kms)
    if (this.#isStopped) return
    if (!reachable) return this.#later(kms)
    this.#isDown = false
    if (this.#isSaid) this.#log.info('the key service answers again')
  }
}

async function statusOf(kms: Pick<Kms, 'status'>): Promise<{ readonly reachable: boolean; readonly detail: string }> {
  try {
    const { reachable, detail = '' } = await kms.status()
    return { reachable, detail }
  } catch (error) {
    return { reachable: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
