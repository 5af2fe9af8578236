/**
 * The moto server (github.com/getmoto/moto): AWS's services as others wrote them, for what must not be tested on our own idea
 * of AWS alone. `.ci/run` installs it; `STRONGROOM_TEST_MOTO` names a Python that has it.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const startMs = 60_000
const announcement = /Running on (http:\/\/127\.0\.0\.1:\d+)/

export class MotoServer {
  readonly endpoint: string
  readonly #process: ChildProcess

  private constructor(endpoint: string, process: ChildProcess) {
    this.endpoint = endpoint
    this.#process = process
  }

  /** Starts it on a free port. */
  static async start(python: string): Promise<MotoServer> {
    const process = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const endpoint = await new Promise<string>((resolve, reject) => {
      let said = ''
      const timer = setTimeout(() => reject(new Error(`moto did not start: ${said}`)), startMs)
      process.on('error', reject)
      process.on('exit', () => reject(new Error(`moto did not start: ${said}`)))
      process.stderr.on('data', (chunk: Buffer) => {
        // It goes on with a line for each request.
        if (said.length < 10_000) said += chunk.toString('utf8')
        const found = announcement.exec(said)?.[1]
        if (found === undefined) return
        clearTimeout(timer)
        resolve(found)
      })
    })
    return new MotoServer(endpoint, process)
  }

  /** Forgets everything. */
  async reset(): Promise<void> {
    const { status } = await fetch(`${this.endpoint}/moto-api/reset`, { method: 'POST' })
    if (status !== 200) throw new Error(`moto answered ${status} to a reset`)
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return
    this.#process.kill()
    await once(this.#process, 'exit')
  }
}
