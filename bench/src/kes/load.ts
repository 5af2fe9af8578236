/**
 * Load over mTLS: connections that each send one request after the other, as bytes made once, and count what comes back.
 *
 * @module
 */
import { connect, type TLSSocket } from 'node:tls'
import { Latencies } from '../statistics.ts'

export interface LoadTarget {
  readonly host: string
  readonly port: number
  readonly cert: string
  readonly key: string
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Opens connections, warm and ready. */
export async function openConnections(target: LoadTarget, count: number): Promise<readonly LoadConnection[]> {
  const connections: LoadConnection[] = []
  for (let at = 0; at < count; at++) connections.push(await LoadConnection.open(target))
  return connections
}

/** Loads for a while. Every answer must be 200. */
export async function load(
  connections: readonly LoadConnection[],
  request: Buffer,
  seconds: number,
): Promise<LoadResult> {
  const latencies = new Latencies()
  const startedAt = performance.now()
  const endAt = startedAt + seconds * 1_000
  await Promise.all(connections.map((connection) => connection.run(request, endAt, latencies)))
  return {
    requests: latencies.count,
    seconds: (performance.now() - startedAt) / 1_000,
    p50Ms: latencies.percentile(0.5),
    p99Ms: latencies.percentile(0.99),
  }
}

/** One request as bytes. A body goes out in chunks, as Go's SDK sends it. */
export function formatRequest(method: string, path: string, body?: string): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Go-http-client/1.1\r\n`
  const accept = 'Accept-Encoding: gzip\r\n'
  if (body === undefined) return Buffer.from(`${head}${accept}\r\n`)
  const size = Buffer.byteLength(body).toString(16)
  const headers = `Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n${accept}`
  return Buffer.from(`${head}${headers}\r\n${size}\r\n${body}\r\n0\r\n\r\n`)
}

/** A kept connection. */
export class LoadConnection {
  readonly #socket: TLSSocket
  #received = ''
  #answered: ((answer: string) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#data(text))
    socket.on('error', (error) => this.#failed?.(error))
    socket.on('close', () => this.#failed?.(new Error('the server closed the connection')))
  }

  static open({ host, port, cert, key }: LoadTarget): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, cert, key, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      socket.once('secureConnect', () => resolve(new LoadConnection(socket)))
      socket.once('error', reject)
    })
  }

  /** Sends one request and gives back the body of its answer. */
  send(request: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('the server closed the connection'))
        return
      }
      this.#answered = resolve
      this.#failed = reject
      this.#socket.write(request)
    })
  }

  async run(request: Buffer, endAt: number, latencies: Latencies): Promise<void> {
    let sentAt = performance.now()
    while (sentAt < endAt) {
      await this.send(request)
      const now = performance.now()
      latencies.add(now - sentAt)
      sentAt = now
    }
  }

  close(): void {
    this.#failed = undefined
    this.#socket.destroy()
  }

  #data(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return
    const mark = this.#received.indexOf('Content-Length: ')
    const length = mark < 0 || mark > end ? 0 : Number.parseInt(this.#received.slice(mark + 16, mark + 24), 10)
    if (this.#received.length < end + 4 + length) return
    const answer = this.#received
    this.#received = ''
    if (answer.startsWith('HTTP/1.1 200')) this.#answered?.(answer.slice(end + 4))
    else this.#failed?.(new Error(answer.slice(0, 200)))
  }
}
