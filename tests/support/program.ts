/**
 * The `strongroom` program as a child process, on the runtime that the tests run on.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

const program = resolve(import.meta.dirname, '../../scripts/strongroom.mjs')

// Once per file, so that no program is built again while it is being tested.
const setup = spawnSync(process.execPath, [resolve(import.meta.dirname, '../../scripts/setup.mjs')], {
  encoding: 'utf8',
})
if (setup.status !== 0) throw new Error(`the tree cannot be built: ${setup.stderr}`)

type Variables = Readonly<Record<string, string>>

/** Nothing of the caller's settings, and the runtime of the tests. */
const environmentWith = (variables: Variables): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:STRONGROOM|MINIO|AWS)_/.test(name))
  return {
    ...Object.fromEntries(own),
    STRONGROOM_SETUP: 'off',
    STRONGROOM_RUNTIME: process.versions.bun === undefined ? 'node' : 'bun',
    ...variables,
  }
}

/** Starts a command, whose output is the caller's to read and whose end is the caller's to see to. */
export const spawnProgram = (args: readonly string[], variables: Variables = {}): ChildProcess =>
  spawn(process.execPath, [program, ...args], {
    env: environmentWith(variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  })

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** Runs a command to its end. */
export async function run(
  args: readonly string[],
  { variables = {}, input = '' }: { variables?: Variables; input?: string } = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...args], { env: environmentWith(variables) })
  let out = ''
  let error = ''
  child.stdout.on('data', (piece) => {
    out += piece
  })
  child.stderr.on('data', (piece) => {
    error += piece
  })
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code, out, error }
}

/** A line of the log. */
export type LogLine = Readonly<Record<string, unknown>>

export interface ProgramOptions {
  readonly data: string
  readonly args?: readonly string[]
  readonly variables?: Variables
  /** The runtime that is started. Default: that of the tests. */
  readonly executable?: string
  /** A module that the runtime loads before the program, and that answers `ask`. */
  readonly preload?: string
}

const preloadFlag = process.versions.bun === undefined ? '--import' : '--preload'

/** A running `strongroom server` on a free port. */
export class Program {
  readonly #child: ChildProcess
  readonly #lines: LogLine[] = []
  readonly #waiting = new Set<() => void>()
  readonly #exit: Promise<number | null>
  #rest = ''
  #error = ''
  #hasEnded = false

  private constructor(options: ProgramOptions) {
    const { data, args = [], variables = {}, executable = process.execPath, preload } = options
    const before = preload === undefined ? [] : [preloadFlag, preload]
    const all = [...before, program, 'server', '--address', '127.0.0.1:0', '--data', data, ...args]
    this.#child = spawn(executable, all, {
      env: environmentWith(variables),
      stdio: ['ignore', 'pipe', 'pipe', ...(preload === undefined ? [] : ['ipc' as const])],
    })
    this.#child.stdout?.on('data', (piece) => this.#read(String(piece)))
    this.#child.stderr?.on('data', (piece) => {
      this.#error += piece
    })
    this.#exit = once(this.#child, 'close').then(([code]) => {
      this.#hasEnded = true
      this.#wake()
      return code
    })
  }

  /** Resolves when it is ready; rejects with what it said if it ends before. */
  static async start(options: ProgramOptions): Promise<Program> {
    const started = new Program(options)
    await started.line('ready')
    return started
  }

  /** The first line with this message; waits for it. */
  async line(message: string): Promise<LogLine> {
    for (;;) {
      const found = this.#lines.find((line) => line.msg === message)
      if (found !== undefined) return found
      if (this.#hasEnded) throw new Error(`ended without saying "${message}": ${this.#error}`)
      await new Promise<void>((done) => this.#waiting.add(done))
    }
  }

  /** Sends a message to the module that was loaded before the program; its next answer. */
  async ask(message: object): Promise<unknown> {
    const answer = once(this.#child, 'message')
    this.#child.send(message)
    const [content] = await Promise.race([answer, this.#exit.then(() => [undefined])])
    return content
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get lines(): readonly LogLine[] {
    return this.#lines
  }

  get port(): number {
    const endpoints = this.#lines.find((line) => line.msg === 'ready')?.endpoints
    const endpoint: unknown = Array.isArray(endpoints) ? endpoints[0] : undefined
    return Number(new URL(typeof endpoint === 'string' ? endpoint : '').port)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Closes the pipe that it writes its log to. */
  stopReading(): void {
    this.#child.stdout?.destroy()
  }

  /** Resolves with the exit code, or null if a signal ended it. */
  exited(): Promise<number | null> {
    return this.#exit
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<number | null> {
    if (!this.#hasEnded) this.signal('SIGTERM')
    return await this.#exit
  }

  async kill(): Promise<void> {
    if (!this.#hasEnded) this.signal('SIGKILL')
    await this.#exit
  }

  #read(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#lines.push(JSON.parse(line))
    this.#wake()
  }

  #wake(): void {
    for (const done of this.#waiting) done()
    this.#waiting.clear()
  }
}

/** The CA that a server made for its data directory. */
export const caOf = (data: string): Promise<string> => readFile(join(data, 'certs/ca.crt'), 'utf8')
