/**
 * The low-disk watermark (issue 4, section 1): refuses writes before a medium is full, so that what frees space still
 * works. The free space is asked for at most once in a while and only when somebody writes; between two answers, what was
 * written since the last one and what is set aside for writes under way is taken off.
 *
 * @module
 */

import type { WriteSpace } from '@strongroom/engine'

/** Bytes of a medium. */
export interface Capacity {
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface Medium {
  /** For people: `objects`, `metadata`. */
  readonly name: string
  /** Whether bodies go there: metadata only grows by records. */
  readonly takesBodies: boolean
  /** `undefined` where it cannot tell. */
  capacity(): Promise<Capacity | undefined>
}

export interface SpaceWatchOptions {
  /** Free bytes that are never given away, of a medium of this size. Default {@link defaultMinFreeBytes}. */
  readonly minFreeBytes?: (totalBytes: number) => number
  /** How long an answer counts, in milliseconds. Default 1,000. */
  readonly maxAgeMs?: number
  /** Told when a medium falls below its limit, and when there is room again. */
  readonly onChange?: (medium: string, isLow: boolean, freeBytes: number) => void
  /** Told when a medium cannot be asked. Writes go on then: they meet a lack of room themselves. */
  readonly onError?: (error: unknown) => void
  /** Milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

const mebibyte = 2 ** 20

/**
 * One per cent, but at least 64 MiB (for the commits of deletions and of the sweeper) and at most 1 GiB (more of a large
 * disk would be wasted); and never more than a tenth, so that a small disk can be tried out.
 */
export function defaultMinFreeBytes(totalBytes: number): number {
  const wanted = Math.min(Math.max(totalBytes / 100, 64 * mebibyte), 1024 * mebibyte)
  return Math.floor(Math.min(wanted, totalBytes / 10))
}

/**
 * Free bytes at which writes are taken again: a tenth more than the limit, so that nothing flaps at the edge; but no more than a
 * tenth of what the limit leaves of the medium, lest a high limit be one that no deletion ever reaches again.
 */
function recoveryBytes(minFreeBytes: number, totalBytes: number): number {
  return Math.floor(minFreeBytes + Math.max(0, Math.min(minFreeBytes, totalBytes - minFreeBytes)) / 10)
}

interface MediumState extends Medium {
  freeBytes: number
  minFreeBytes: number
  isLow: boolean
}

export interface SpaceFigures {
  /** By the name of the medium; `Infinity` where it cannot be told. */
  readonly freeBytes: ReadonlyMap<string, number>
  readonly isLow: boolean
  /** Writes refused since the start. */
  readonly refused: number
}

/** See the module's comment. */
export class SpaceWatch implements WriteSpace {
  readonly #options: SpaceWatchOptions
  readonly #media: readonly MediumState[]
  #reservedBytes = 0
  /** Set aside and given back since the media were asked last: written, as far as we know. */
  #spentBytes = 0
  #refused = 0
  #askedAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  constructor(media: readonly Medium[], options: SpaceWatchOptions = {}) {
    this.#options = options
    const unknown = { freeBytes: Number.POSITIVE_INFINITY, minFreeBytes: 0, isLow: false }
    this.#media = media.map(({ name, takesBodies, capacity }) => ({ name, takesBodies, capacity, ...unknown }))
  }

  get figures(): SpaceFigures {
    return {
      freeBytes: new Map(this.#media.map(({ name, freeBytes }) => [name, freeBytes])),
      isLow: this.#media.some(({ isLow }) => isLow),
      refused: this.#refused,
    }
  }

  /** Bytes kept free of the medium with the largest reserve, as last asked. */
  get minFreeBytes(): number {
    return Math.max(0, ...this.#media.map(({ minFreeBytes }) => minFreeBytes))
  }

  /** Asks all media now. Never rejects. */
  measure(): Promise<void> {
    this.#asking ??= this.#measure().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  reserve(sizeBytes: number): ((isStored?: boolean) => void) | undefined {
    const { now = Date.now, maxAgeMs = 1_000 } = this.#options
    // Either way: a clock that was put back must not keep an old answer alive.
    if (Math.abs(now() - this.#askedAtMs) >= maxAgeMs) void this.measure()
    if (!this.#media.every((medium) => this.#hasRoom(medium, sizeBytes))) {
      this.#refused += 1
      return undefined
    }
    this.#reservedBytes += sizeBytes
    let isHeld = true
    return (isStored = true) => {
      if (!isHeld) return
      isHeld = false
      this.#reservedBytes -= sizeBytes
      // What was only announced takes no room: who announces much and sends nothing must not stop the writes of others.
      if (isStored) this.#spentBytes += sizeBytes
    }
  }

  #hasRoom({ isLow, takesBodies, freeBytes, minFreeBytes }: MediumState, sizeBytes: number): boolean {
    if (isLow) return false
    return !takesBodies || freeBytes - this.#reservedBytes - this.#spentBytes - sizeBytes >= minFreeBytes
  }

  async #measure(): Promise<void> {
    this.#askedAtMs = (this.#options.now ?? Date.now)()
    const spentBefore = this.#spentBytes
    for (const medium of this.#media) {
      try {
        const capacity = await medium.capacity()
        if (capacity !== undefined) this.#judge(medium, capacity)
      } catch (error) {
        this.#options.onError?.(error)
      }
    }
    // What is written while the media are asked may be in the answer or not.
    this.#spentBytes -= spentBefore
  }

  #judge(medium: MediumState, { freeBytes, totalBytes }: Capacity): void {
    const { minFreeBytes = defaultMinFreeBytes, onChange } = this.#options
    medium.freeBytes = freeBytes
    medium.minFreeBytes = minFreeBytes(totalBytes)
    const limit = medium.isLow ? recoveryBytes(medium.minFreeBytes, totalBytes) : medium.minFreeBytes
    const isLow = freeBytes < limit
    if (isLow === medium.isLow) return
    medium.isLow = isLow
    onChange?.(medium.name, isLow, freeBytes)
  }
}
