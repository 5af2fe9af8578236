/**
 * The low-disk watermark (issue 4, section 1): refuses writes before a medium is full, so that what frees space still
 * works. The free space is asked for at most once in a while and only when somebody writes; between two answers, what was
 * written since the last one and what is set aside for writes under way is taken off. A medium that does not answer (`statfs`
 * of a network file system may hang for ever) holds up nobody: the last answer counts, and it is not asked again meanwhile.
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
  /** How long an answer is waited for, in milliseconds. Default 2,000. */
  readonly timeoutMs?: number
  /** Told when a medium falls below its limit, and when there is room again. */
  readonly onChange?: (medium: string, isLow: boolean, freeBytes: number) => void
  /** Told when a medium cannot be asked, or does not answer. Writes go on then: they meet a lack of room themselves. */
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
  /** Set aside and given back since this medium was asked last: written, as far as we know. */
  spentBytes: number
  /** The question that has not been answered yet. */
  asking: Promise<void> | undefined
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
  #refused = 0
  #askedAtMs = Number.NEGATIVE_INFINITY
  #measuring: Promise<void> | undefined

  constructor(media: readonly Medium[], options: SpaceWatchOptions = {}) {
    this.#options = options
    const unknown = { freeBytes: Number.POSITIVE_INFINITY, minFreeBytes: 0, isLow: false, spentBytes: 0 }
    this.#media = media.map(({ name, takesBodies, capacity }) => ({
      name,
      takesBodies,
      capacity,
      ...unknown,
      asking: undefined,
    }))
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

  /** Asks all media now, those apart that owe an answer. Never rejects, and never takes longer than the time-out. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined
    })
    return this.#measuring
  }

  /** Free bytes of a medium now, or as it told last; 0 where it never did. Never takes longer than the time-out. */
  async freeBytesOf(name: string): Promise<number> {
    await this.measure()
    const freeBytes = this.figures.freeBytes.get(name) ?? 0
    return Number.isFinite(freeBytes) ? freeBytes : 0
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
      if (isStored) for (const medium of this.#media) medium.spentBytes += sizeBytes
    }
  }

  #hasRoom({ isLow, takesBodies, freeBytes, minFreeBytes, spentBytes }: MediumState, sizeBytes: number): boolean {
    if (isLow) return false
    return !takesBodies || freeBytes - this.#reservedBytes - spentBytes - sizeBytes >= minFreeBytes
  }

  async #measure(): Promise<void> {
    const { now = Date.now, timeoutMs = 2_000, onError } = this.#options
    this.#askedAtMs = now()
    const idle = this.#media.filter(({ asking }) => asking === undefined)
    for (const medium of idle) {
      medium.asking = this.#ask(medium).finally(() => {
        medium.asking = undefined
      })
    }
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs)
    })
    await Promise.race([Promise.all(idle.map(({ asking }) => asking)), timeout])
    clearTimeout(timer)
    for (const { name, asking } of idle) {
      if (asking !== undefined) onError?.(new Error(`the free space of the ${name} is not told: no answer`))
    }
  }

  async #ask(medium: MediumState): Promise<void> {
    const spentBefore = medium.spentBytes
    try {
      const capacity = await medium.capacity()
      if (capacity !== undefined) this.#judge(medium, capacity)
    } catch (error) {
      this.#options.onError?.(error)
    }
    // What is written while the medium is asked may be in the answer or not.
    medium.spentBytes -= spentBefore
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
