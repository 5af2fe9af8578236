/**
 * `npm run bench`: starts a server in a process of its own, loads it from this one over TLS with signed requests on
 * kept-alive connections, and prints tables; see `--help`. `scripts/bench.mjs` calls {@link runBench}.
 *
 * @module
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Bench, createBench, describeMachine, describeServer, openServer, repositoryRoot } from './bench.ts'
import { benchBucket, largeCells, smallCells } from './cells.ts'
import { measureChurn } from './churn.ts'
import { connectionCells } from './connection-cells.ts'
import { measureGrowth } from './growth.ts'
import { runKesBench } from './kes/kes-bench.ts'
import { type PartName, type PartReport, partTitles } from './parts.ts'
import { Progress } from './progress.ts'
import { commandOf, composePage } from './report/page.ts'
import {
  formatCellsPart,
  formatChurnPart,
  formatConnectionsPart,
  formatGrowthPart,
  formatSingleWriterPart,
} from './report/reports.ts'
import { type Cell, type CellResult, runCells } from './run-cell.ts'
import { startBareListener } from './server-process.ts'
import { parseSettings, type Settings } from './settings.ts'
import { measureSingleWriter } from './single-writer.ts'

/** Runs the bench. @returns the exit code */
export async function runBench(args: readonly string[]): Promise<number> {
  if (args[0] === 'kes') return runKesBench(args.slice(1), repositoryRoot())
  const settings = parseSettings(args)
  if ('help' in settings) {
    process.stdout.write(settings.help)
    return 0
  }
  const progress = new Progress(process.stderr)
  const bench = createBench(settings, progress)
  const machine = describeMachine()
  const server = describeServer(bench)
  const reports: PartReport[] = []
  // What is to be removed then is removed at exit.
  const stop = (): never => process.exit(130)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    for (const part of settings.parts) {
      const report = await parts[part](bench)
      progress.end()
      if (report === undefined) continue
      reports.push(report)
      if (settings.json !== '-') {
        process.stdout.write(
          `${partTitles[part]}\n${machine}, shared by load and server; server on ${server}\n\n${report.body}\n\n`,
        )
      }
      if (settings.write !== undefined) writeSection(settings.write, report, { args, machine, server })
    }
  } finally {
    progress.end()
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
  if (reports.length === 0 && !settings.parts.includes('kes'))
    throw new Error(`no cell is named like ${settings.cells?.join(' or ')}`)
  writeJson(settings, { machine, server, date: today(), args, reports })
  return 0
}

/** What each part does; undefined: none of its cells is wanted. */
const parts: Readonly<Record<PartName, (bench: Bench) => Promise<PartReport | undefined>>> = {
  cells: (bench) => cellsPart(bench, 'cells', smallCells(bench.settings.modes), formatCellsPart),
  large: (bench) => cellsPart(bench, 'large', largeCells(bench.settings.modes), formatCellsPart),
  connections: (bench) =>
    cellsPart(bench, 'connections', connectionCells(bench.settings.oneMode), formatConnectionsPart),
  growth: async (bench) => {
    const results = await measureGrowth(bench, 1)
    return { part: 'growth', body: formatGrowthPart(results), results }
  },
  buckets: async (bench) => {
    const results = await measureGrowth(bench, 1000)
    return { part: 'buckets', body: formatGrowthPart(results), results }
  },
  'single-writer': async (bench) => {
    const results = await measureSingleWriter(bench)
    return { part: 'single-writer', body: formatSingleWriterPart(results), results }
  },
  churn: async (bench) => {
    const results = await measureChurn(bench)
    return { part: 'churn', body: formatChurnPart(results), results }
  },
  kes: async ({ settings, progress }) => {
    progress.end()
    await runKesBench(kesArguments(settings), repositoryRoot())
    // It has printed and written its own.
    return undefined
  },
}

/** What the key service's bench understands of these settings. */
const kesArguments = ({ seconds, warmupSeconds, runtime, write }: Settings): readonly string[] => [
  ...['--seconds', String(seconds), '--warmup', String(warmupSeconds), '--runtime', runtime],
  ...(write === undefined ? [] : ['--write', write]),
]

async function cellsPart(
  bench: Bench,
  part: PartName,
  all: readonly Cell[],
  format: (results: readonly CellResult[]) => string,
): Promise<PartReport | undefined> {
  const isWanted = (name: string): boolean => bench.settings.cells?.some((text) => name.includes(text)) ?? true
  const cells = all.filter((cell) => isWanted(cell.name))
  const bare =
    part === 'cells' && bench.settings.against === undefined ? bareCells.filter(({ name }) => isWanted(name)) : []
  if (cells.length + bare.length === 0) return undefined
  bench.progress.step('starting the server')
  const server = await openServer(bench)
  try {
    const results: CellResult[] = []
    if (bare.length > 0) {
      const listener = await startBareListener(bench.start, server)
      results.push(...(await runCells(bare, bench.runOptions(listener)).finally(listener.stop)))
    }
    results.push(...(await runCells(cells, bench.runOptions(server))))
    return { part, body: format(results), results }
  } finally {
    await server.stop()
  }
}

/** The same requests to a listener that does nothing: what is left for the server's own work. */
const bareCells = (['HEAD', 'GET'] as const).map(
  (method): Cell => ({
    name: `bare listener, ${method === 'GET' ? 'GET 4 KiB' : method}`,
    mode: 'none',
    connections: 32,
    unit: 'operations',
    async work(client) {
      await client.send({ method, bucket: benchBucket, name: 'bare' })
      return { bytes: 0 }
    },
  }),
)

interface Facts {
  readonly args: readonly string[]
  readonly machine: string
  readonly server: string
}

function writeSection(file: string, { part, body }: PartReport, { args, machine, server }: Facts): void {
  const page = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  const section = { part, command: commandOf(part, args, file), date: today(), machine, server, body }
  writeFileSync(file, composePage(page, section))
}

const today = (): string => new Date().toISOString().slice(0, 10)

function writeJson({ json }: Settings, content: unknown): void {
  if (json === undefined) return
  const text = `${JSON.stringify(content, null, 2)}\n`
  if (json === '-') process.stdout.write(text)
  else writeFileSync(json, text)
}
