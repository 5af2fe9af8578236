/**
 * The `strongroom` program with faults at chosen steps: see `fault-preload.mjs`, which it is started with.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { copyFile, lstat, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { caOf, Program } from './program.ts'
import { RawClient, type RawRequest, type RawResponse } from './raw-client.ts'

/** What the program is to do at a step. Steps are counted from 1, from the moment that the plan arrives. */
export interface FaultPlan {
  /** `kill` counts calls that change something; `fail` counts reads and opens, too, and leaves LMDB out. */
  readonly kind: 'off' | 'count' | 'kill' | 'fail'
  readonly at?: number
  /** Whether the steps after it fail, too. */
  readonly isSticky?: boolean
  /** The system's name of the error. Default `EIO`. */
  readonly code?: string
  /** Operations that count, such as `sync`. Default: all. */
  readonly only?: readonly string[]
  /** An empty directory that gets what a loss of power would leave. */
  readonly shadow?: string
}

/** What the program did since its last plan. */
export interface StepReport {
  readonly steps: readonly string[]
  /** Open handles of the process. */
  readonly handlesOpen: number
}

const region = 'us-east-1'
const credentials = { accessKeyId: 'fault-root', secretAccessKey: 'fault-root-secret' }
const preload = join(import.meta.dirname, 'fault-preload.mjs')

/** A running server whose steps can be made to fail. */
export class FaultServer {
  readonly program: Program
  readonly client: RawClient
  readonly #data: string

  private constructor(program: Program, client: RawClient, data: string) {
    this.program = program
    this.client = client
    this.#data = data
  }

  /** Resolves when it is ready and its first sweep is done. */
  static async start(data: string, args: readonly string[] = []): Promise<FaultServer> {
    const variables = {
      STRONGROOM_ROOT_USER: credentials.accessKeyId,
      STRONGROOM_ROOT_PASSWORD: credentials.secretAccessKey,
    }
    const all = ['--log-level', 'debug', '--region', region, '--access-log', 'off', ...args]
    const program = await Program.start({ data, args: all, variables, preload })
    const endpoint = { host: '127.0.0.1', port: program.port, ca: await caOf(data) }
    const client = new RawClient(endpoint, credentials, region)
    await program.line('swept')
    return new FaultServer(program, client, data)
  }

  /** Gives the program a plan; resolves to what it did under the one before. */
  async plan(plan: FaultPlan): Promise<StepReport> {
    return stepReport(await this.program.ask({ type: 'plan', root: this.#data, ...plan }))
  }

  /** Puts the program's clock forward or back, by this much from the real time. */
  async setClock(offsetMs: number): Promise<void> {
    await this.program.ask({ type: 'clock', offsetMs })
  }

  /** What the program did so far under its plan. */
  async report(): Promise<StepReport> {
    return stepReport(await this.program.ask({ type: 'report' }))
  }

  /** Undefined: the connection broke. */
  async tried(request: RawRequest): Promise<RawResponse | undefined> {
    try {
      return await this.client.send(request)
    } catch {
      return undefined
    }
  }

  async stop(): Promise<number | null> {
    this.client.close()
    return await this.program.stop()
  }

  async kill(): Promise<void> {
    this.client.close()
    await this.program.kill()
  }
}

function stepReport(message: unknown): StepReport {
  const { steps, handlesOpen } = Object(message)
  return { steps, handlesOpen }
}

/** What survives of names and contents that were never synced. */
export type Survival = 'nothing' | 'names'

/**
 * Puts together what a loss of power leaves: files as of their last sync; directories as of theirs (`nothing`), or as they
 * were at the end, with what stands in them as of its last sync or empty (`names`).
 */
export async function restoreAfterPowerLoss(
  data: string,
  shadow: string,
  target: string,
  survival: Survival,
): Promise<void> {
  await mkdir(target, { mode: 0o700 })
  for (const { name, id, isDirectory } of await namesAfter(data, shadow, survival)) {
    const [from, to] = [join(data, name), join(target, name)]
    if (isDirectory) {
      const content = await namesOf(join(shadow, `names-${id}`))
      const isThere = existsSync(from) && (await idOf(from)) === id
      if (survival === 'names' && isThere) await restoreAfterPowerLoss(from, shadow, to, survival)
      else await restoreDirectory(content, shadow, to)
      continue
    }
    await restoreFile(join(shadow, `content-${id}`), to)
  }
}

interface Name {
  readonly name: string
  readonly id: string
  readonly isDirectory: boolean
}

async function namesAfter(data: string, shadow: string, survival: Survival): Promise<readonly Name[]> {
  if (survival === 'nothing') return await namesOf(join(shadow, `names-${await idOf(data)}`))
  const { readdir } = await import('node:fs/promises')
  const names: Name[] = []
  for (const name of await readdir(data)) {
    const found = await lstat(join(data, name), { bigint: true })
    if (found.isSocket()) continue
    names.push({ name, id: `${found.ino}-${found.birthtimeNs}`, isDirectory: found.isDirectory() })
  }
  return names
}

async function restoreDirectory(names: readonly Name[], shadow: string, target: string): Promise<void> {
  await mkdir(target, { mode: 0o700 })
  for (const { name, id, isDirectory } of names) {
    if (isDirectory) await restoreDirectory(await namesOf(join(shadow, `names-${id}`)), shadow, join(target, name))
    else await restoreFile(join(shadow, `content-${id}`), join(target, name))
  }
}

/** A name that is durable without its content is an empty file. */
async function restoreFile(content: string, target: string): Promise<void> {
  if (existsSync(content)) await copyFile(content, target)
  else await writeFile(target, '', { mode: 0o600 })
}

async function namesOf(file: string): Promise<readonly Name[]> {
  if (!existsSync(file)) return []
  const names: readonly Name[] = JSON.parse(await readFile(file, 'utf8'))
  return names
}

async function idOf(path: string): Promise<string> {
  const { ino, birthtimeNs } = await lstat(path, { bigint: true })
  return `${ino}-${birthtimeNs}`
}
