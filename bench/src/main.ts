/**
 * `npm run bench`: starts a server in a process of its own, loads it from this one over TLS with signed requests on
 * kept-alive connections, and prints a table; see `--help`. `scripts/bench.mjs` calls {@link runBench}.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { allModes, benchBucket, makeCells } from './cells.ts'
import { churnCells } from './churn-cells.ts'
import { Client, type ClientOptions, type EncryptionMode } from './client.ts'
import type { Target } from './connection.ts'
import { connectionGrowthCells, objectGrowthCells } from './growth-cells.ts'
import { runKesBench } from './kes/kes-bench.ts'
import { type Cell, type CellResult, runCell } from './run-cell.ts'
import { type MeasuredServer, startBareListener, startServer } from './server-process.ts'
import { formatTable, performancePage } from './table.ts'

const help = `npm run bench -- [options]
npm run bench -- kes [options]    the key service alone; its options: npm run bench -- kes --help

  --cells TEXT       only cells whose name contains one of these (comma separated): "PUT 4 KiB,HEAD"
  --modes LIST       of none,sse-s3,sse-kms,sse-c (default all)
  --seconds N        of each timed phase (default 5)
  --warmup N         seconds before each of them (default 3: compilers of the runtime are the server's processor time, too)
  --runtime NAME     bun (default) or node, or a path: what the server runs on
  --churn            overwrite and delete until the store has turned over ten times; figures before and after
  --growth LIST      PUT, GET and LIST with that many objects in the bucket, for example 10000,100000,1000000
  --crowd            GET from 1, 8, 64 and 512 connections
  --write FILE       write the table as a page of the documents, with the command that prints it
  --json FILE        write the results as JSON too
  --profile DIR      write a processor profile of the server there (open it in a browser's developer tools)
  --directory DIR    where the server's data directory is made (default: the system's for temporary files)
  --against URL      measure this endpoint instead; takes the keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
                     the CA bundle from --ca FILE, and --pid N (several times) for processor time and memory
  --server-arg ARG   passed to "strongroom server" (several times)
  --region NAME      default us-east-1
`

const options = {
  cells: { type: 'string' },
  modes: { type: 'string', default: allModes.join(',') },
  seconds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '3' },
  runtime: { type: 'string', default: 'bun' },
  churn: { type: 'boolean', default: false },
  growth: { type: 'string' },
  crowd: { type: 'boolean', default: false },
  write: { type: 'string' },
  json: { type: 'string' },
  profile: { type: 'string' },
  directory: { type: 'string' },
  against: { type: 'string' },
  ca: { type: 'string' },
  pid: { type: 'string', multiple: true },
  'server-arg': { type: 'string', multiple: true },
  region: { type: 'string', default: 'us-east-1' },
  help: { type: 'boolean', default: false },
} as const

type Settings = ReturnType<typeof parseSettings>

function parseSettings(args: readonly string[]) {
  return parseArgs({ args: [...args], options }).values
}

/** Runs the bench. @returns the exit code */
export async function runBench(args: readonly string[]): Promise<number> {
  if (args[0] === 'kes') return runKesBench(args.slice(1), repositoryRoot())
  const settings = parseSettings(args)
  if (settings.help) {
    process.stdout.write(help)
    return 0
  }
  const cells = chooseCells(settings)
  const wantsBare = settings.against === undefined && isWanted(settings, bareName)
  if (cells.length === 0 && !wantsBare) throw new Error(`no cell is named like ${settings.cells}`)
  const server = await findServer(settings)
  try {
    const results = wantsBare ? await measureBare(settings, server) : []
    await makeBucket(clientOptions(server, settings.region))
    for (const cell of cells) results.push(await measure(settings, server, cell))
    report(settings, args, results)
    return 0
  } finally {
    await server.stop()
  }
}

const bareName = 'bare listener'

function isWanted({ cells, churn, growth, crowd }: Settings, name: string): boolean {
  if (cells === undefined) return !churn && !crowd && growth === undefined
  return cells.split(',').some((text) => name.includes(text))
}

/** The cells that were asked for by name; without names those of the flags, or else the usual ones. */
function chooseCells(settings: Settings): readonly Cell[] {
  const modes = parseModes(settings.modes)
  const counts = settings.growth?.split(',').map(Number) ?? []
  return [
    ...makeCells(modes).filter((cell) => isWanted(settings, cell.name)),
    ...modes.flatMap((mode) => (settings.churn ? churnCells(mode) : [])),
    ...modes.flatMap((mode) => (settings.crowd ? connectionGrowthCells(mode) : [])),
    ...modes.flatMap((mode) => objectGrowthCells(mode, counts)),
  ]
}

async function measure(settings: Settings, server: MeasuredServer, cell: Cell): Promise<CellResult> {
  process.stderr.write(`${cell.name}, ${cell.mode} …\n`)
  return await runCell(cell, {
    client: clientOptions(server, settings.region),
    pids: server.pids,
    secondsPerCell: Number(settings.seconds),
    warmupSeconds: Number(settings.warmup),
  })
}

/** The same two requests to a listener that does nothing: what is left for the server's own work. */
async function measureBare(settings: Settings, like: MeasuredServer): Promise<CellResult[]> {
  const bare = await startBareListener({ root: repositoryRoot(), runtime: resolveRuntime(settings.runtime) }, like)
  try {
    const results: CellResult[] = []
    for (const method of ['HEAD', 'GET'] as const) {
      const work: Cell['work'] = async (client) => {
        await client.send({ method, bucket: benchBucket, name: 'bare' })
        return { bytes: 0 }
      }
      const name = `${bareName}, ${method === 'GET' ? 'GET 4 KiB' : method}`
      results.push(await measure(settings, bare, { name, mode: 'none', connections: 32, unit: 'operations', work }))
    }
    return results
  } finally {
    await bare.stop()
  }
}

function report(settings: Settings, args: readonly string[], results: readonly CellResult[]): void {
  const table = `${machine(settings)}\n\n${formatTable(results)}\n`
  process.stdout.write(table)
  if (settings.json !== undefined) {
    writeFileSync(settings.json, `${JSON.stringify({ machine: machine(settings), results }, null, 2)}\n`)
  }
  if (settings.write !== undefined) writeFileSync(settings.write, performancePage(args, table))
}

function parseModes(text: string): readonly EncryptionMode[] {
  return text.split(',').map((name) => {
    const mode = allModes.find((known) => known === name)
    if (mode === undefined) throw new Error(`no such mode: ${name}`)
    return mode
  })
}

async function findServer(settings: Settings): Promise<MeasuredServer> {
  if (settings.against === undefined) {
    const runtime = resolveRuntime(settings.runtime)
    const runtimeName = /bun[^/]*$/.test(runtime) ? 'bun' : 'node'
    const profile = settings.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(settings.profile)}`]
    const serverArguments = settings['server-arg'] ?? []
    const directory = settings.directory === undefined ? {} : { directory: settings.directory }
    return startServer({
      root: repositoryRoot(),
      runtime,
      runtimeName,
      runtimeArguments: profile,
      serverArguments,
      ...directory,
    })
  }
  const pids = (settings.pid ?? []).map(Number)
  return {
    url: new URL(settings.against),
    accessKeyId: required('AWS_ACCESS_KEY_ID'),
    secretAccessKey: required('AWS_SECRET_ACCESS_KEY'),
    ...(settings.ca === undefined ? {} : { ca: readFileSync(settings.ca, 'utf8') }),
    pids: () => pids,
    stop: async () => {},
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} must be set`)
  return value
}

function clientOptions(server: MeasuredServer, region: string): ClientOptions {
  const secure = server.url.protocol === 'https:'
  const target: Target = {
    host: server.url.hostname,
    port: Number(server.url.port) || (secure ? 443 : 80),
    secure,
    ...(server.ca === undefined ? {} : { ca: server.ca }),
  }
  const credentials = { accessKeyId: server.accessKeyId, secret: Buffer.from(server.secretAccessKey) }
  return { target, region, credentials }
}

async function makeBucket(options: ClientOptions): Promise<void> {
  const client = await Client.open(options)
  const answer = await client.sendUnchecked({ method: 'PUT', bucket: benchBucket })
  client.close()
  if (answer.status !== 200 && answer.status !== 409) throw new Error(`${answer.status} ${answer.errorText}`)
}

function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package-lock.json'))) {
    if (directory === dirname(directory)) throw new Error('the bench runs from a checkout of the repository')
    directory = dirname(directory)
  }
  return directory
}

function resolveRuntime(name: string): string {
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

function machine(settings: Settings): string {
  const where = settings.against ?? `server on ${settings.runtime}`
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores shared by load and server; ${where}; ${settings.seconds} s per cell`
}
