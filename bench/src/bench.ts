/**
 * What every part needs: settings, where progress is told, how a server is started and spoken to.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchBucket } from './cells.ts'
import { Client, type ClientOptions } from './client.ts'
import type { Target } from './connection.ts'
import type { Progress } from './progress.ts'
import type { RunOptions } from './run-cell.ts'
import { type MeasuredServer, type StartOptions, startServer } from './server-process.ts'
import type { Settings } from './settings.ts'

export interface Bench {
  readonly settings: Settings
  readonly progress: Progress
  readonly start: StartOptions
  clientOptions(server: MeasuredServer): ClientOptions
  runOptions(server: MeasuredServer): RunOptions
}

export function createBench(settings: Settings, progress: Progress): Bench {
  const clientOptions = (server: MeasuredServer): ClientOptions => ({
    target: targetOf(server),
    region: settings.region,
    credentials: { accessKeyId: server.accessKeyId, secret: Buffer.from(server.secretAccessKey) },
  })
  return {
    settings,
    progress,
    start: startOptions(settings),
    clientOptions,
    runOptions: (server) => ({
      client: clientOptions(server),
      pids: server.pids,
      secondsPerCell: settings.seconds,
      warmupSeconds: settings.warmupSeconds,
      progress,
    }),
  }
}

/** A fresh server with the bucket of the bench, or the one that is to be measured instead. */
export async function openServer(bench: Bench): Promise<MeasuredServer> {
  const server = bench.settings.against === undefined ? await startServer(bench.start) : await elsewhere(bench.settings)
  try {
    const client = await Client.open(bench.clientOptions(server))
    const answer = await client.sendUnchecked({ method: 'PUT', bucket: benchBucket })
    client.close()
    if (answer.status !== 200 && answer.status !== 409) throw new Error(`${answer.status} ${answer.bodyStart}`)
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function elsewhere(settings: Settings): Promise<MeasuredServer> {
  return {
    url: new URL(settings.against ?? ''),
    accessKeyId: required('AWS_ACCESS_KEY_ID'),
    secretAccessKey: required('AWS_SECRET_ACCESS_KEY'),
    ...(settings.ca === undefined ? {} : { ca: readFileSync(settings.ca, 'utf8') }),
    pids: () => settings.pids,
    stop: async () => {},
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} must be set`)
  return value
}

function targetOf(server: MeasuredServer): Target {
  const secure = server.url.protocol === 'https:'
  return {
    host: server.url.hostname,
    port: Number(server.url.port) || (secure ? 443 : 80),
    secure,
    ...(server.ca === undefined ? {} : { ca: server.ca }),
  }
}

function startOptions(settings: Settings): StartOptions {
  const runtime = resolveRuntime(settings.runtime)
  return {
    root: repositoryRoot(),
    runtime,
    runtimeName: isBun(runtime) ? 'bun' : 'node',
    runtimeArguments:
      settings.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(settings.profile)}`],
    serverArguments: settings.serverArguments,
    ...(settings.directory === undefined ? {} : { directory: settings.directory }),
  }
}

/** Of the checkout that the bench was built in. */
export function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package-lock.json'))) {
    if (directory === dirname(directory)) throw new Error('the bench runs from a checkout of the repository')
    directory = dirname(directory)
  }
  return directory
}

export const isBun = (runtime: string): boolean => /bun[^/]*$/.test(runtime)

/** The program that a name of a runtime means; anything else is a path. */
export function resolveRuntime(name: string): string {
  if (name === 'node') return process.versions.bun === undefined ? process.execPath : 'node'
  return name === 'bun' ? bunProgram() : name
}

/** As scripts/runtime.mjs finds it: a link in `.bin` would be a script of Node.js where install scripts did not run. */
function bunProgram(): string {
  const root = repositoryRoot()
  const platforms = join(root, 'node_modules/@oven')
  const found = existsSync(platforms) ? readdirSync(platforms).map((name) => join(platforms, name, 'bin/bun')) : []
  return found.find((file) => existsSync(file)) ?? join(root, 'node_modules/bun/bin/bun.exe')
}

/** `Bun 1.4.5`; for a server elsewhere its address. */
export function describeServer({ settings, start }: Bench): string {
  if (settings.against !== undefined) return settings.against
  const runtime = describeRuntime(start.runtime)
  return settings.serverArguments.length === 0 ? runtime : `${runtime}, ${settings.serverArguments.join(' ')}`
}

/** `Bun 1.4.5` */
export function describeRuntime(runtime: string): string {
  const version = execFileSync(runtime, ['--version'], { encoding: 'utf8' }).trim().replace(/^v/, '')
  return `${isBun(runtime) ? 'Bun' : 'Node.js'} ${version}`
}

/** `AMD EPYC, 2 cores, 23 GiB` */
export function describeMachine(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${gibibytes} GiB`
}
