/**
 * `npm run bench -- kes`: generate, decrypt, encrypt and status over mTLS with cached keys, and the server's processor time.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { anonymousMemoryBytes, cpuSeconds } from '../server-process.ts'
import type { KesProcessReady } from './kes-process.ts'
import { formatRequest, LoadConnection, type LoadResult, load, openConnections } from './load.ts'

const help = `npm run bench -- kes [options]

  --cells TEXT        only operations whose name contains one of these (comma separated): generate,status
  --connections LIST  default 1,32,256
  --seconds N         of each timed phase (default 5), after 2 of warming up
  --runtime NAME      node (default) or bun, or a path: what the server runs on
  --profile DIR       write a processor profile of the server there
`

interface KesCell {
  readonly operation: string
  readonly connections: number
  readonly result: LoadResult
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

const headings = [
  'operation',
  'conn',
  'req/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/req',
  'per CPU second',
  'anon. MiB',
] as const

/** Runs it. @returns the exit code */
export async function runKesBench(args: readonly string[], root: string): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cells: { type: 'string', default: '' },
      connections: { type: 'string', default: '1,32,256' },
      seconds: { type: 'string', default: '5' },
      runtime: { type: 'string', default: 'node' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const { child, ready } = await start(values.runtime, root, values.profile)
  try {
    const target = { host: '127.0.0.1', ...ready }
    const cells: KesCell[] = []
    for (const [operation, request] of await makeRequests(target)) {
      if (!values.cells.split(',').some((text) => operation.includes(text))) continue
      for (const count of values.connections.split(',').map(Number)) {
        process.stderr.write(`${operation}, ${count} connections …\n`)
        cells.push(await measure(operation, count, request, target, Number(values.seconds), child.pid ?? 0))
      }
    }
    process.stdout.write(`${formatCells(cells)}\n`)
    return 0
  } finally {
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    await exit
  }
}

async function start(
  runtime: string,
  root: string,
  profile: string | undefined,
): Promise<{ readonly child: ChildProcess; readonly ready: KesProcessReady }> {
  const program =
    runtime === 'bun' ? join(root, 'node_modules/.bin/bun') : runtime === 'node' ? process.execPath : runtime
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = spawn(program, [...flags, join(root, 'bench/dist/kes/kes-process.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<never>((_resolve, reject) => {
    child.once('exit', () => reject(new Error('the server did not start')))
  })
  const line = new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve))
  return { child, ready: JSON.parse(await Promise.race([line, exited])) as KesProcessReady }
}

const context = Buffer.from('{"bucket":"bucket/some/object"}').toString('base64')

async function makeRequests(
  target: Parameters<typeof LoadConnection.open>[0],
): Promise<readonly (readonly [operation: string, request: Buffer])[]> {
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

async function measure(
  operation: string,
  count: number,
  request: Buffer,
  target: Parameters<typeof LoadConnection.open>[0],
  seconds: number,
  pid: number,
): Promise<KesCell> {
  const connections = await openConnections(target, count)
  try {
    await load(connections, request, 2)
    const before = cpuSeconds([pid])
    const result = await load(connections, request, seconds)
    return {
      operation,
      connections: count,
      result,
      cpuSeconds: cpuSeconds([pid]) - before,
      memoryBytes: anonymousMemoryBytes([pid]),
    }
  } finally {
    for (const connection of connections) connection.close()
  }
}

function formatCells(cells: readonly KesCell[]): string {
  const rows = cells.map(({ operation, connections, result, cpuSeconds: cpu, memoryBytes }) => [
    operation,
    String(connections),
    String(Math.round(result.requests / result.seconds)),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    ((cpu / result.requests) * 1e6).toFixed(1),
    String(Math.round(result.requests / cpu)),
    String(Math.round(memoryBytes / 1_048_576)),
  ])
  const widths = headings.map((heading, at) => Math.max(heading.length, ...rows.map((row) => (row[at] ?? '').length)))
  const line = (cells_: readonly string[]): string =>
    `| ${cells_.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(headings), rule, ...rows.map(line)].join('\n')
}
