/**
 * A TCP gate in front of a service, which lets traffic through, or does what networks do to it.
 *
 * @module
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** `open`; `cut`: nobody is there; `silent`: connections are taken and nothing is ever answered; a number: answers are so many milliseconds late. */
export type GateState = 'open' | 'cut' | 'silent' | number

/** See the module. */
export class Gate {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #state: GateState = 'open'
  /** Where connections go. */
  target = 0

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  static async open(target: number): Promise<Gate> {
    const gate = new Gate()
    gate.target = target
    gate.#server.listen(0, '127.0.0.1')
    await once(gate.#server, 'listening')
    return gate
  }

  get port(): number {
    const address = this.#server.address() as AddressInfo
    return address.port
  }

  /** From now on, for open connections, too: a cut ends them. */
  set(state: GateState): void {
    this.#state = state
    if (state === 'cut') for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    if (this.#state === 'cut') {
      client.resetAndDestroy()
      return
    }
    const service = connect(this.target, '127.0.0.1')
    for (const [socket, other] of [
      [client, service],
      [service, client],
    ] as const) {
      this.#sockets.add(socket)
      // What goes wrong is what the other side learns by the end of its connection.
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (piece) => service.write(piece))
    service.on('data', (piece) => this.#answer(client, piece))
  }

  #answer(client: Socket, piece: Buffer): void {
    if (this.#state === 'silent') return
    if (typeof this.#state !== 'number') {
      client.write(piece)
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      client.write(piece)
    }, this.#state)
    this.#timers.add(timer)
  }
}
