/**
 * Accepts connections for others: one process listens, several serve. Nothing is read here.
 *
 * @module
 */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { HttpError } from './http-error.ts'
import type { Endpoint } from './listener.ts'

export interface AcceptorOptions {
  readonly endpoints: readonly Endpoint[]
  /** Takes over a connection, which is paused: serves it, gives it to another process, or destroys it. Must not throw. */
  readonly onConnection: (socket: Socket, endpoint: Endpoint) => void
}

/** Listening sockets whose connections go elsewhere. */
export class Acceptor {
  readonly #servers: Server[] = []
  /** Connections that could not be accepted, for want of file descriptors. */
  refused = 0

  private constructor() {}

  /** @throws HttpError `listen-failed` */
  static async open({ endpoints, onConnection }: AcceptorOptions): Promise<Acceptor> {
    const acceptor = new Acceptor()
    try {
      for (const endpoint of endpoints) await acceptor.#listen(endpoint, onConnection)
    } catch (error) {
      await acceptor.close()
      throw error
    }
    return acceptor
  }

  /** The addresses that are listened on, in the order of the endpoints. */
  get addresses(): readonly AddressInfo[] {
    return this.#servers.map((server) => {
      const address = server.address()
      if (address === null || typeof address === 'string') throw new HttpError('listen-failed', 'not listening')
      return address
    })
  }

  /** Accepts nothing more. What was accepted is whose it was given to. */
  async close(): Promise<void> {
    // A server's `close` waits for its connections, too: those it has given away end elsewhere, unseen by it.
    for (const server of this.#servers) server.close()
    this.#servers.length = 0
  }

  #listen(endpoint: Endpoint, onConnection: AcceptorOptions['onConnection']): Promise<void> {
    const { host, port } = endpoint
    const server = createServer({ pauseOnConnect: true }, (socket) => onConnection(socket, endpoint))
    return new Promise((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new HttpError('listen-failed', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }))
      })
      server.listen({ host, port, backlog: 1024 }, () => {
        server.on('error', () => {
          this.refused += 1
        })
        this.#servers.push(server)
        resolve()
      })
    })
  }
}
