/**
 * A worker's side of ADR 20: reads the metadata itself, has main commit, and serves the connections that main hands over.
 *
 * @module
 */

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type CertificateDirectory, type Listener, listen } from '@strongroom/http'
import { decodeKeyringBody, Keyring } from '@strongroom/kms'
import { type LmdbWorkerStore, openLmdbWorkerStore } from '@strongroom/storage'
import { Closers } from '../closers.ts'
import { openServingParts, type ServingParts } from '../deployment.ts'
import { servingOn } from '../edge/serving.ts'
import { LineBatch } from '../line-batch.ts'
import { createLog, lostLine } from '../log.ts'
import { openCertificates } from '../open-certificates.ts'
import { createServerMetrics, watchServing } from '../server-metrics.ts'
import { type DataFrame, Link, type MainCalls, type Methods, type WorkerCalls } from './link.ts'
import type { WorkerStart } from './worker-start.ts'

/** What there is once the worker serves. */
interface Serving {
  readonly deployment: ServingParts
  readonly listener: Listener
  readonly certificates: CertificateDirectory
  readonly metrics: ReturnType<typeof createServerMetrics>['metrics']
}

/** How often it is asked what space is free, in milliseconds: several writers, who do not know of each other's, ask more often. */
const spaceAgeMs = 250

/** Longest wait for an answer of main that a request waits for. */
const inTime = { timeoutMs: 5_000 }

/** See the module. `exit` ends the process, at once. */
export class WorkerServer {
  readonly #link: Link<MainCalls, WorkerCalls>
  readonly #exit: (code: number) => void
  readonly #closers = new Closers()
  #keyring: Keyring | undefined
  #told: WorkerStart | undefined
  #metadata: LmdbWorkerStore | undefined
  #serving: Serving | undefined
  #isDraining = false
  #isStopped = false

  constructor(stream: Duplex, exit: (code: number) => void) {
    this.#exit = exit
    const methods: Methods<WorkerCalls> = {
      prepare: async (told) => {
        this.#told = told
        return null
      },
      openMetadata: async () => this.#openMetadata(),
      serve: () => this.#serve(),
      forgetKey: async (name) => {
        this.#serving?.deployment.kms.forgetKey?.(name)
        return null
      },
      isReading: async (id) => this.#serving?.deployment.engine.isReading(Buffer.from(id, 'hex')) ?? false,
      metrics: async () => (await this.#serving?.metrics.snapshot()) ?? {},
      reload: async () => {
        await this.#serving?.certificates.reload()
        await this.#serving?.deployment.reload()
        return null
      },
      stop: () => this.#stop(),
    }
    this.#link = new Link(stream, {
      methods,
      onData: (frame, payload) => this.#take(frame, payload),
      // Main's own log says it, of either kind of lines.
      onLost: (_frame, count) => this.#send('log', lostLine(count, 'json')),
      // Whoever commits is gone, or has nothing more to say.
      onEnd: () => this.#exit(this.#isStopped ? 0 : 1),
    })
  }

  /** Serves a connection that main accepted. */
  adopt(socket: Socket, plaintext: boolean): void {
    const listener = this.#serving?.listener
    if (listener === undefined) socket.destroy()
    else listener.adopt(socket, { plaintext })
  }

  #take(frame: DataFrame, payload: Buffer): void {
    if (frame === 'committed') this.#metadata?.receive(payload)
    if (frame !== 'keyring') return
    this.#keyring = new Keyring(decodeKeyringBody(payload))
    payload.fill(0)
  }

  #openMetadata(): null {
    const told = this.#told
    if (told === undefined) throw new Error('a worker was told nothing')
    const send = (request: Uint8Array) => this.#link.send('commit', request)
    const metadata = openLmdbWorkerStore(told.directory.metadata, { send })
    this.#metadata = metadata
    this.#closers.add('metadata store', () => metadata.close())
    return null
  }

  async #serve(): Promise<null> {
    const [keyring, metadata, told] = [this.#keyring, this.#metadata, this.#told]
    if (keyring === undefined || metadata === undefined || told === undefined)
      throw new Error('a worker is to serve without a keyring or metadata')
    this.#closers.add('keyring', () => keyring.close())
    const { settings, directory, environment, version } = told
    const log = createLog({ level: settings.logLevel, format: 'json', write: (line) => this.#send('log', line) })
    const access = new LineBatch({
      write: (text) => {
        this.#send('access', text)
        // It was gathered over a turn already.
        this.#link.flush()
        return true
      },
      onDrain: () => {},
      lostLine: () => '',
    })
    this.#closers.add('access log', () => access.flush())
    const { metrics, onKmsCall } = createServerMetrics()
    const parts = {
      log,
      environment,
      onKmsCall,
      keyring,
      metadata,
      spaceAgeMs,
      sessionId: Buffer.from(told.sessionId, 'hex'),
      onKeyChange: async (name: string) => {
        await this.#link.call('keyChanged', name, inTime).catch(() => null)
      },
      // While nobody answers, somebody may be reading.
      isReadElsewhere: (id: Uint8Array) =>
        this.#link.call('isReadElsewhere', Buffer.from(id).toString('hex'), inTime).catch(() => true),
    }
    const deployment = await openServingParts(settings, directory, parts, this.#closers)
    const certificates = await openCertificates(told.certsDirectory, log)
    this.#closers.add('certificates', () => certificates.close())
    const serving = {
      deployment,
      version,
      log,
      metrics,
      accessLog: told.writesAccessLog ? { write: (line: string) => access.add(line) } : undefined,
      metricsText: () => this.#link.call('metrics', null, inTime),
      isDraining: () => this.#isDraining,
    }
    const listener = await listen({ ...servingOn(serving, certificates), endpoints: [] })
    this.#closers.add('listener', () => listener.close({ graceMs: settings.drainTimeout }))
    watchServing(metrics, deployment, listener)
    this.#serving = { deployment, listener, certificates, metrics }
    return null
  }

  async #stop(): Promise<null> {
    this.#isDraining = true
    await this.#closers.closeAll((what, error) => {
      const message = error instanceof Error ? error.message : String(error)
      const line = { level: 'error', error: { message }, msg: `${what} did not close cleanly` }
      this.#send('log', `${JSON.stringify(line)}\n`)
    })
    this.#isStopped = true
    return null
  }

  #send(frame: DataFrame, text: string): void {
    this.#link.offer(frame, Buffer.from(text))
  }
}
