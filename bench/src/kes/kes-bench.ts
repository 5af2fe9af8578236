/**
 * `npm run bench -- kes`: generate, decrypt, encrypt and status over mTLS with cached keys, and the server's processor time.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { describeMachine, describeRuntime, resolveRuntime } from '../bench.ts'
import { partTitles } from '../parts.ts'
import { Progress } from '../progress.ts'
import { commandOf, composePage } from '../report/page.ts'
import { anonymousMemoryBytes, cpuSeconds, keyServiceBunEnvironment, withChildren } from '../server-process.ts'
import type { KesProcessReady } from './kes-process.ts'
import { formatKesCells, formatKesFloors, type KesCell } from './kes-report.ts'
import { formatRequest, LoadConnection, type LoadTarget, load, openConnections } from './load.ts'

const help = `npm run bench -- kes [options]

  --cells TEXT        only operations whose name contains one of these (comma separated): generate,status
  --connections LIST  default 1,32,256
  --seconds N         of each timed phase (default 5)
  --warmup N          seconds before each of them (default 4: compilers of the runtime are the server's processor time, too)
  --workers N         processes that serve, as of \`strongroom kes server --workers N\` (default 1)
  --runtime NAME      bun (default, as of \`strongroom kes server\`) or node, or a path: what the server runs on
  --write FILE        write the section of this page that is about the key service; the others stay
  --json FILE         write the results as JSON; "-" is standard output, in the place of the tables
  --profile DIR       write a processor profile of the server there
`

const options = {
  cells: { type: 'string', default: '' },
  connections: { type: 'string', default: '1,32,256' },
  seconds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '4' },
  workers: { type: 'string', default: '1' },
  runtime: { type: 'string', default: 'bun' },
  write: { type: 'string' },
  json: { type: 'string' },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

/** Runs it. @returns the exit code */
export async function runKesBench(args: readonly string[], root: string): Promise<number> {
  const { values } = parseArgs({ args: [...args], options })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const runtime = resolveRuntime(values.runtime)
  const progress = new Progress(process.stderr)
  progress.step('starting the key service')
  const { child, ready } = await start(runtime, root, values)
  const phases = {
    pids: withChildren(child.pid ?? 0),
    seconds: Number(values.seconds),
    warmupSeconds: Number(values.warmup),
  }
  const cells: KesCell[] = []
  try {
    const target = { host: '127.0.0.1', ...ready }
    for (const [operation, request] of await makeRequests(target)) {
      if (!values.cells.split(',').some((text) => operation.includes(text))) continue
      for (const count of values.connections.split(',').map(Number)) {
        progress.step(`${operation}, ${count} ${count === 1 ? 'connection' : 'connections'}`)
        cells.push(await measure(operation, count, request, target, phases))
      }
    }
  } finally {
    progress.end()
    const exit = new Promise<void>((done) => child.once('exit', () => done()))
    child.kill('SIGTERM')
    await exit
  }
  if (cells.length === 0) throw new Error(`no operation is named like ${values.cells}`)
  const { write, json, workers } = values
  report(cells, { args, runtime: describeRuntime(runtime), write, json, workers })
  return 0
}

interface Output {
  readonly args: readonly string[]
  readonly runtime: string
  readonly write: string | undefined
  readonly json: string | undefined
  readonly workers: string
}

function report(cells: readonly KesCell[], { args, runtime: server, write, json, workers }: Output): void {
  // What is asked for is asked of one process.
  const floors = workers === '1' ? formatKesFloors(cells) : undefined
  const time = workers === '1' ? 'server time' : `the time of all processes, ${workers} of which serve,`
  const explained = `${formatKesCells(cells)}\n\nMutual TLS, audit on, keys cached; *CPU µs* is ${time} per request.`
  const body = floors === undefined ? explained : `${explained}\n\n${floors}`
  const [machine, date] = [describeMachine(), new Date().toISOString().slice(0, 10)]
  if (json !== '-') {
    const where = `${machine}, shared by load and server; server on ${server}`
    process.stdout.write(`${partTitles.kes}\n${where}\n\n${body}\n`)
  }
  if (json !== undefined) {
    const text = `${JSON.stringify({ machine, server, date, args, cells }, null, 2)}\n`
    if (json === '-') process.stdout.write(text)
    else writeFileSync(json, text)
  }
  if (write === undefined) return
  const page = existsSync(write) ? readFileSync(write, 'utf8') : undefined
  writeFileSync(
    write,
    composePage(page, { part: 'kes', command: commandOf('kes', args, write), date, machine, server, body }),
  )
}

async function start(
  runtime: string,
  root: string,
  { profile, workers }: { readonly profile?: string | undefined; readonly workers: string },
): Promise<{ readonly child: ChildProcess; readonly ready: KesProcessReady }> {
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`]
  const child = spawn(runtime, [...flags, join(root, 'bench/dist/kes/kes-process.js'), workers], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...keyServiceBunEnvironment, ...process.env },
  })
  process.once('exit', () => child.kill('SIGTERM'))
  const exited = new Promise<never>((_resolve, reject) => {
    child.once('exit', () => reject(new Error('the server did not start')))
  })
  const line = new Promise<string>((done) => createInterface(child.stdout).once('line', done))
  return { child, ready: JSON.parse(await Promise.race([line, exited])) as KesProcessReady }
}

const context = Buffer.from('{"bucket":"bucket/some/object"}').toString('base64')

async function makeRequests(target: LoadTarget): Promise<readonly (readonly [operation: string, request: Buffer])[]> {
  const generate = formatRequest('POST', '/v1/key/generate/bench', `{"context":"${context}"}`)
  const connection = await LoadConnection.open(target)
  const { ciphertext } = JSON.parse(await connection.send(generate)) as { readonly ciphertext: string }
  connection.close()
  const plaintext = Buffer.alloc(32, 1).toString('base64')
  return [
    ['generate', generate],
    [
      'decrypt',
      formatRequest('POST', '/v1/key/decrypt/bench', `{"ciphertext":"${ciphertext}","context":"${context}"}`),
    ],
    ['encrypt', formatRequest('POST', '/v1/key/encrypt/bench', `{"plaintext":"${plaintext}","context":"${context}"}`)],
    ['status', formatRequest('GET', '/v1/status')],
  ]
}

interface Phases {
  readonly pids: readonly number[]
  readonly seconds: number
  readonly warmupSeconds: number
}

const memorySampleMs = 100

async function measure(
  operation: string,
  count: number,
  request: Buffer,
  target: LoadTarget,
  { pids, seconds, warmupSeconds }: Phases,
): Promise<KesCell> {
  const connections = await openConnections(target, count)
  let peakMemoryBytes = 0
  const look = (): void => {
    peakMemoryBytes = Math.max(peakMemoryBytes, anonymousMemoryBytes(pids))
  }
  const sampler = setInterval(look, memorySampleMs)
  try {
    await load(connections, request, warmupSeconds)
    const before = cpuSeconds(pids)
    const result = await load(connections, request, seconds)
    const used = cpuSeconds(pids) - before
    look()
    return { operation, connections: count, result, cpuSeconds: used, peakMemoryBytes }
  } finally {
    clearInterval(sampler)
    for (const connection of connections) connection.close()
  }
}
