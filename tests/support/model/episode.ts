/**
 * One run of the model test: batches of requests, alone or side by side, each compared with the model; at the end everything
 * there is. Requests side by side are right if the answers are those of some order of them.
 *
 * A run is a list of batches of seeds: each request is drawn from its seed and the state of the model, so a list can be cut
 * down and run again.
 *
 * @module
 */

import { alone, Chance, type DrawOptions, drawRequest } from './generator.ts'
import { Model, type ModelOptions } from './model.ts'
import { keys, type Outcome, type Port, type Request } from './requests.ts'

export interface EpisodeOptions extends ModelOptions, DrawOptions {
  /** Told before requests are sent side by side, and when they are done. */
  readonly onCrowd?: (isCrowded: boolean) => void
}

/** The seeds of requests that are sent side by side. */
export type Batch = readonly number[]

/** The model and the server differ. */
export class Difference extends Error {
  readonly trace: readonly string[]

  constructor(message: string, trace: readonly string[]) {
    super(message)
    this.name = 'Difference'
    this.trace = trace
  }
}

/** Draws the batches of a run: one to four requests each. */
export function drawBatches(seed: number, count: number): Batch[] {
  const chance = new Chance(seed)
  return Array.from({ length: count }, () => {
    const size = chance.pickOr([1, 1, 1, 1, 2, 2, 2, 3, 3, 4], 1)
    return Array.from({ length: size }, () => chance.next())
  })
}

/** See the module. */
export class Episode {
  readonly #port: Port
  readonly #options: EpisodeOptions
  /** The states that explain all answers so far: more than one while it is open in which order requests took place. */
  #models: readonly Model[]
  readonly trace: string[] = []
  /** Requests answered. */
  requests = 0

  constructor(port: Port, options: EpisodeOptions) {
    this.#port = port
    this.#options = options
    this.#models = [new Model(options)]
  }

  /** @throws Difference */
  async run(batches: readonly Batch[]): Promise<void> {
    for (const bucket of this.#options.bucketNames) await this.#one({ kind: 'create-bucket', bucket })
    for (const batch of batches) {
      const requests = batch.map((seed) => drawRequest(seed, this.#model, this.#options))
      const single = requests.find(({ kind }) => alone.has(kind))
      const [first] = requests
      if (single) await this.#one(single)
      else if (requests.length === 1 && first) await this.#one(first)
      else await this.#crowd(requests)
    }
    await this.lookAtAll()
  }

  /** Unlocks every key, and compares all listings and every version. @throws Difference */
  async lookAtAll(): Promise<void> {
    for (const key of [...this.#model.locked]) await this.#one({ kind: 'unlock', key })
    await this.#one({ kind: 'list-buckets' })
    for (const [bucket, { names, uploads }] of this.#model.buckets) {
      for (const flavour of ['v1', 'v2', 'versions', 'uploads'] as const) {
        await this.#one({ kind: 'list', flavour, bucket, prefix: '', pageSize: 1_000 })
      }
      for (const { id: uploadId, name } of uploads.values()) {
        await this.#one({ kind: 'list-parts', upload: { bucket, name, uploadId }, pageSize: 1_000 })
      }
      for (const [name, versions] of names) {
        for (const { id: versionId, encryption } of versions) {
          const { clientKey } = encryption
          const key = clientKey === undefined ? {} : { clientKey }
          await this.#one({ kind: 'get', bucket, name, versionId, ...key })
          await this.#one({ kind: 'get-tags', bucket, name, versionId })
        }
      }
    }
  }

  /** Removes everything. @throws Difference */
  async removeAll(): Promise<void> {
    for (const [bucket, { names, uploads }] of [...this.#model.buckets]) {
      for (const { id: uploadId, name } of uploads.values()) {
        await this.#one({ kind: 'abort', upload: { bucket, name, uploadId } })
      }
      for (const [name, versions] of names) {
        for (const { id: versionId } of versions) await this.#one({ kind: 'delete', bucket, name, versionId })
      }
      await this.#one({ kind: 'delete-bucket', bucket })
    }
  }

  get #model(): Model {
    const [model] = this.#models
    if (!model) throw new Error('no state explains the answers')
    return model
  }

  async #one(request: Request): Promise<void> {
    const outcome = await this.#send(request)
    this.#note(request, outcome, '')
    const wrong: string[] = []
    this.#models = this.#models.filter((model) => {
      const reason = model.apply(request, outcome, false)
      if (reason !== undefined) wrong.push(reason)
      return reason === undefined
    })
    if (this.#models.length === 0) throw new Difference([...new Set(wrong)].join(' // '), this.trace)
  }

  async #crowd(drawn: readonly Request[]): Promise<void> {
    // A listing of several pages is no one moment.
    const requests = drawn.map((request) => ('pageSize' in request ? { ...request, pageSize: 1_000 } : request))
    this.#options.onCrowd?.(true)
    const outcomes = await Promise.all(requests.map((request) => this.#send(request)))
    this.#options.onCrowd?.(false)
    const sent = requests.flatMap((request, index) => {
      const outcome = outcomes[index]
      return outcome ? [{ request, outcome }] : []
    })
    for (const { request, outcome } of sent) this.#note(request, outcome, '| ')
    const found: Found = { states: new Map(), reasons: [] }
    for (const model of this.#models) inEveryOrder(model, sent, found)
    if (found.states.size === 0) {
      throw new Difference(
        `no order of the last ${sent.length} explains their answers: ${[...new Set(found.reasons)].join(' // ')}`,
        this.trace,
      )
    }
    this.#models = [...found.states.values()]
    if (this.#models.length > 1) for (const request of requests) await this.#lookAt(request)
  }

  /** Finds out in which order requests took place: looks at what one of them may have changed. */
  async #lookAt(request: Request): Promise<void> {
    if ('upload' in request) {
      const { bucket, name, uploadId } = request.upload
      await this.#one({ kind: 'list-parts', upload: { bucket, name, uploadId }, pageSize: 1_000 })
      await this.#one({ kind: 'list', flavour: 'versions', bucket, prefix: name, pageSize: 1_000 })
    } else if ('bucket' in request && 'name' in request) {
      const { bucket, name } = request
      await this.#one({ kind: 'list', flavour: 'versions', bucket, prefix: name, pageSize: 1_000 })
      for (const { id: versionId } of this.#model.buckets.get(bucket)?.names.get(name) ?? []) {
        if (request.kind === 'put-tags') await this.#one({ kind: 'get-tags', bucket, name, versionId })
      }
    }
  }

  async #send(request: Request): Promise<Outcome> {
    this.requests += 1
    try {
      return await this.#port.send(request)
    } catch (error) {
      this.trace.push(`${JSON.stringify(request)} -> ${String(error)}`)
      const message = error instanceof Error ? `${error.stack} ${String(error.cause ?? '')}` : String(error)
      throw new Difference(`${request.kind} failed: ${message}`, this.trace)
    }
  }

  #note(request: Request, outcome: Outcome, sign: string): void {
    const said = outcome.ok ? JSON.stringify({ ...outcome.answer, content: undefined }) : outcome.code
    this.trace.push(`${sign}${JSON.stringify(request)} -> ${said}`.replaceAll(/m{50,}/g, 'mmm…'))
  }
}

interface Sent {
  readonly request: Request
  readonly outcome: Outcome
}

/** What states are collected into, by what they show, and why others are none. */
interface Found {
  readonly states: Map<string, Model>
  readonly reasons: string[]
}

/** Collects the states after every order of requests that explains all their answers. @param passed states before this one */
function inEveryOrder(model: Model, sent: readonly Sent[], found: Found, passed: readonly Model[] = []): void {
  if (sent.length === 0) {
    found.states.set(model.fingerprint(), model)
    return
  }
  for (const [index, { request, outcome }] of sent.entries()) {
    const isCopy = request.kind === 'copy' || request.kind === 'part-copy'
    const rest = [...sent.slice(0, index), ...sent.slice(index + 1)]
    for (const sources of isCopy ? [model, ...passed] : [model]) {
      const next = model.clone()
      const wrong = next.apply(request, outcome, true, sources)
      if (wrong === undefined) inEveryOrder(next, rest, found, [...passed, model])
      else if (found.reasons.length < 20) found.reasons.push(`${request.kind}: ${wrong}`)
    }
  }
}

/** The keys that a server needs for an episode. */
export const keysToMake: readonly string[] = keys.others
