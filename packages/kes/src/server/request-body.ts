/**
 * Bodies of requests up to a limit. What is beyond it is not an error by itself: KES looks at what came until then
 * (kes-protocol 2.3).
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { CallRequest } from './call.ts'

export interface BodyStart {
  /** The caller's, to zero. */
  readonly bytes: Buffer
  /** Whether there was more than the limit. */
  readonly isCut: boolean
  /** Counted in `LargeBodies`: to be given back. */
  readonly isLarge: boolean
}

/** Bodies longer than this are large. */
const largeBytes = 16_384
/** Large bodies at a time, of a megabyte at most each. */
const maxLarge = 64

/**
 * Counts large bodies, so that many at a time cannot take all the memory, nor one identity all the places: each has at most
 * half of what the others leave, so that there is always one for who has none, until all are taken.
 */
export class LargeBodies {
  readonly #most: number
  #held = 0
  readonly #heldBy = new Map<string, number>()

  constructor(most: number = maxLarge) {
    this.#most = most
  }

  take(identity: string): boolean {
    const own = this.#heldBy.get(identity) ?? 0
    // As `own < (most - others) / 2`, where `others = held - own`.
    if (this.#held + own >= this.#most) return false
    this.#held++
    this.#heldBy.set(identity, own + 1)
    return true
  }

  give(identity: string): void {
    const left = (this.#heldBy.get(identity) ?? 0) - 1
    this.#held--
    if (left > 0) this.#heldBy.set(identity, left)
    else this.#heldBy.delete(identity)
  }
}

const empty: BodyStart = { bytes: Buffer.alloc(0), isCut: false, isLarge: false }

/** Whether a request has a body, be it an empty one of chunks. */
export function hasBody(request: CallRequest): boolean {
  if ('hasBody' in request) return request.hasBody
  const { headers } = request
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : length !== '0'
}

/**
 * Reads up to `limit` bytes.
 *
 * @returns `'gone'` when the client went away, `'busy'` when there are too many large bodies, of all or of this identity
 */
export function readBodyStart(
  request: CallRequest,
  limit: number,
  large: LargeBodies,
  identity: string,
): BodyStart | Promise<BodyStart | 'gone' | 'busy'> {
  if (!hasBody(request)) return empty
  // No route with a body has a smaller limit, and none of them is large.
  if ('hasBody' in request) return { bytes: request.body, isCut: false, isLarge: false }
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    let isLarge = false
    let isSettled = false
    // Listeners stay where they are: the request and they go together, and taking them off costs more than the body.
    const settle = (body: BodyStart | 'gone' | 'busy'): void => {
      if (isSettled) return
      isSettled = true
      if (typeof body === 'string') {
        for (const chunk of chunks) chunk.fill(0)
        if (isLarge) large.give(identity)
      }
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      if (isSettled) return
      if (!isLarge && length + chunk.length > largeBytes) {
        isLarge = large.take(identity)
        if (!isLarge) {
          stopReading(request, onData)
          settle('busy')
          return
        }
      }
      if (length + chunk.length <= limit) {
        chunks.push(chunk)
        length += chunk.length
        return
      }
      stopReading(request, onData)
      chunks.push(chunk.subarray(0, limit - length))
      settle({ bytes: joined(chunks, limit), isCut: true, isLarge })
    }
    if (request.destroyed) {
      settle('gone')
      return
    }
    request.on('error', ignore)
    request.on('close', () => settle('gone'))
    request.on('end', () => settle({ bytes: joined(chunks, length), isCut: false, isLarge }))
    request.on('data', onData)
  })
}

/** The rest stays unread: the listener deals with it once there is an answer. */
function stopReading(request: IncomingMessage, onData: (chunk: Buffer) => void): void {
  request.off('data', onData)
  request.pause()
}

function joined(chunks: readonly Buffer[], length: number): Buffer {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const whole = Buffer.concat(chunks, length)
  for (const chunk of chunks) chunk.fill(0)
  return whole
}

function ignore(): void {
  // `close` follows and says the same.
}
