/**
 * The state of keys of a KMS that has no quick answer for it (any KMS over a network): its descriptions, believed for a
 * few seconds. A lock therefore takes effect within that time (DESIGN 7).
 *
 * @module
 */
import type { KeyDescription, KeyName, KmsCallOptions } from './contract.ts'
import type { KeyStateSource, KeyStateView } from './key-state.ts'
import { SharedLoads } from './shared-loads.ts'
import { endWaitingAt } from './wait.ts'

/** Settings. */
export interface DescribedKeyStatesOptions {
  /** How long a description is believed, in milliseconds. Default 4,000, so that a lock takes effect within 5 s. */
  readonly maxAgeMs?: number
  /** Keys remembered at most. Default 10,000. */
  readonly maxKeys?: number
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

interface Known {
  readonly view: KeyStateView
  readonly askedAtMs: number
}

/** See the module. Whoever changes a key here calls `drop`. */
export class DescribedKeyStates implements KeyStateSource {
  readonly #describe: (name: KeyName) => Promise<KeyDescription>
  readonly #maxAgeMs: number
  readonly #maxKeys: number
  readonly #now: () => number
  readonly #known = new Map<KeyName, Known>()
  readonly #loads = new SharedLoads<Known>((name, known, isForgotten) => {
    if (!isForgotten) this.#keep(name, known)
  })

  constructor(
    describe: (name: KeyName) => Promise<KeyDescription>,
    { maxAgeMs = 4_000, maxKeys = 10_000, now = Date.now }: DescribedKeyStatesOptions = {},
  ) {
    this.#describe = describe
    this.#maxAgeMs = maxAgeMs
    this.#maxKeys = maxKeys
    this.#now = now
  }

  peekState(name: KeyName): KeyStateView | undefined {
    const known = this.#known.get(name)
    return known !== undefined && this.#now() - known.askedAtMs < this.#maxAgeMs ? known.view : undefined
  }

  async keyState(name: KeyName, options?: KmsCallOptions): Promise<KeyStateView> {
    const known = this.peekState(name)
    if (known !== undefined) return known
    // Others may join in the waiting, so no one caller's signal ends it.
    return endWaitingAt(
      options?.signal,
      this.#loads.join(
        name,
        () => this.#ask(name),
        ({ view }) => view,
      ),
    )
  }

  /** Forgets a key. */
  drop(name: KeyName): void {
    this.#known.delete(name)
    this.#loads.forget(name)
  }

  async #ask(name: KeyName): Promise<Known> {
    // The age counts from the question: the answer may have been on its way for long.
    const askedAtMs = this.#now()
    const { state, versions, currentVersion } = await this.#describe(name)
    const generation = String(versions[0]?.createdAt.getTime() ?? '')
    return { view: { state, generation, currentVersion }, askedAtMs }
  }

  #keep(name: KeyName, known: Known): void {
    this.#known.delete(name)
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < this.#maxKeys) break
      this.#known.delete(oldest)
    }
    this.#known.set(name, known)
  }
}
