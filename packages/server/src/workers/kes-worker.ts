/**
 * A worker's side of a key service of several processes (ADR 20): a KES server that listens nowhere, and is given connections.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type KesNeighbours, type KesServer, startKesServer } from '@strongroom/kes'
import { kesLostLine } from '../kes-output.ts'
import { type KesPlan, kesPlanner } from '../kes-plan.ts'
import { eventFrames, type KesMainCalls, type KesWorkerCalls, type KesWorkerStart } from './kes-worker-start.ts'
import { type DataFrame, Link, type Methods } from './link.ts'

/** Longest wait for an answer of main that a request waits for. */
const inTime = { timeoutMs: 5_000 }

interface Serving {
  readonly server: KesServer
  readonly makePlan: () => Promise<KesPlan>
}

/** See the module. `exit` ends the process, at once. */
export class KesWorkerServer {
  readonly #link: Link<KesMainCalls, KesWorkerCalls>
  #serving: Promise<Serving> | undefined
  #server: KesServer | undefined
  #isStopped = false
  #isJson = false

  constructor(stream: Duplex, exit: (code: number) => void) {
    const methods: Methods<KesWorkerCalls> = {
      serve: async (told) => {
        this.#serving = this.#serve(told)
        this.#server = (await this.#serving).server
        return null
      },
      forgetKey: async (name) => {
        this.#server?.forgetKey(name)
        return null
      },
      metrics: async () => this.#server?.families() ?? [],
      forward: async (readers) => {
        this.#server?.forward(readers)
        return null
      },
      reload: async () => {
        const serving = await this.#serving
        if (serving === undefined) throw new Error('a worker was told nothing')
        const { options } = await serving.makePlan()
        await serving.server.reload({ ...options, endpoints: [] })
        return null
      },
      stop: async () => {
        await this.#server?.close()
        this.#isStopped = true
        return null
      },
    }
    this.#link = new Link(stream, {
      methods,
      onData: (frame, payload) => {
        for (const log of ['audit', 'error'] as const) {
          if (frame === eventFrames[log]) this.#server?.deliver(log, payload.toString())
        }
      },
      // Where they are missing; those who read a log over the wire get nothing but its lines.
      onLost: (frame, count) =>
        this.#send(frame === 'access' ? frame : 'log', kesLostLine(count, this.#isJson, new Date())),
      // Whoever accepts is gone, or has nothing more to say.
      onEnd: () => exit(this.#isStopped ? 0 : 1),
    })
  }

  /** Serves a connection that main accepted. */
  adopt(socket: Socket): void {
    if (this.#server === undefined) socket.destroy()
    else this.#server.adopt(socket)
  }

  async #serve({ given, environment, version, startedAtMs }: KesWorkerStart): Promise<Serving> {
    this.#isJson = given.isJson
    const makePlan = kesPlanner(given, { environment })
    const { options } = await makePlan()
    const server = await startKesServer(
      { ...options, endpoints: [] },
      {
        auditSink: (lines) => {
          // They were gathered over a turn already, and are not ours to keep.
          this.#link.offer('access', lines)
          this.#link.flush()
        },
        errorSink: (line) => this.#send('log', line),
        version,
        startedAtMs,
        neighbours: this.#neighbours(given.workers ?? 1),
      },
    )
    return { server, makePlan }
  }

  #neighbours(processes: number): KesNeighbours {
    return {
      processes,
      keyChanged: async (name) => {
        await this.#link.call('keyChanged', name, inTime).catch(() => null)
      },
      families: () => this.#link.call('metrics', null, inTime).catch(() => undefined),
      readersChanged: async (readers) => {
        await this.#link.call('readers', readers, inTime).catch(() => null)
      },
      forward: (log, line) => this.#send(eventFrames[log], line),
    }
  }

  #send(frame: DataFrame, text: string): void {
    this.#link.offer(frame, Buffer.from(text))
  }
}
