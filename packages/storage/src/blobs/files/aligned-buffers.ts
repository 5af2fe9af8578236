/**
 * A bounded pool of page-aligned buffers, as direct writes need them (ADR 22). JavaScript cannot ask for aligned memory, but
 * the memory of WebAssembly is made of whole pages on every runtime; pages that were never used take no room.
 *
 * The pool holds sealed bytes only, so nothing in it has to be wiped.
 *
 * @module
 */

/** What the memory, the length and the place of a direct write are multiples of: no medium in use wants more. */
export const alignmentBytes = 4096

/** The types of the platform leave it out, for it is no part of ECMAScript; both runtimes have it. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
}

const wasmPageBytes = 65_536

/** Who has a buffer for what is to come. */
export interface BufferHolder {
  /** Asked while others wait: gives its buffer back, at once or as soon as what is in it is written, unless it is being filled. */
  yieldIdle(): void
}

/**
 * How long a buffer may lie idle while others wait for one; milliseconds. It is given up at the second look, between which every
 * connection that has something to be read is read.
 */
const idleMs = 5

/** Hands out buffers of one size; who finds none waits for one to come back. */
export class AlignedBuffers {
  readonly #free: Buffer[] = []
  readonly #waiting: ((buffer: Buffer) => void)[] = []
  readonly #holders = new Set<BufferHolder>()
  #sweep: NodeJS.Timeout | undefined

  /** @throws RangeError where the address space is too small for it */
  constructor(count: number, sizeBytes: number) {
    const pages = Math.ceil((count * sizeBytes) / wasmPageBytes)
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    for (let i = count - 1; i >= 0; i -= 1) this.#free.push(Buffer.from(buffer, i * sizeBytes, sizeBytes))
  }

  /** A buffer with any content, if there is one now. It has to be given back. */
  takeNow(): Buffer | undefined {
    return this.#free.pop()
  }

  /** A buffer with any content. It has to be given back. */
  take(): Promise<Buffer> {
    const buffer = this.#free.pop()
    if (buffer) return Promise.resolve(buffer)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#sweep ??= setInterval(() => this.#askHolders(), idleMs)
    })
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift()
    if (next) next(buffer)
    else this.#free.push(buffer)
    if (this.#waiting.length > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  /** Somebody keeps a buffer for what is to come, and can be asked for it. */
  hold(holder: BufferHolder): void {
    this.#holders.add(holder)
  }

  release(holder: BufferHolder): void {
    this.#holders.delete(holder)
  }

  #askHolders(): void {
    for (const holder of [...this.#holders]) holder.yieldIdle()
  }
}
