/**
 * `strongroom kes metric`: the metrics of a server, again and again. kes-protocol 3.1, 13. For programs a JSON object for
 * each look, as KES writes it: counters of requests summed over their codes, times in nanoseconds.
 *
 * @module
 */
import type { AddCommand, CommandContext } from '../../context.ts'
import {
  act,
  addKesCommand,
  type ClientOptions,
  type Invocation,
  usageError,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { goJson } from './kes-format.ts'

interface MetricOptions extends ClientOptions {
  readonly rate: string
}

type Metrics = Readonly<Record<string, number | Readonly<Record<string, number>>>>

const nanoseconds = 1e9
const requestCounters = ['kes_http_request_success', 'kes_http_request_error', 'kes_http_request_failure'] as const

/** Reads the text of Prometheus. */
export function readMetrics(text: string): Metrics {
  const values = new Map<string, number>(requestCounters.map((name) => [name, 0]))
  const buckets = new Map<string, Record<string, number>>()
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{([^}]*)\})? ([^ ]+)/.exec(line)
    if (match === null) continue
    const [, name = '', labels = '', value = ''] = match
    const bound = /(?:^|,)le="([\d.e+-]+)"/.exec(labels)?.[1]
    if (name.endsWith('_bucket')) {
      if (bound === undefined) continue
      const family = name.slice(0, -'_bucket'.length)
      const histogram = buckets.get(family) ?? {}
      histogram[String(Math.round(Number(bound) * nanoseconds))] = Number(value)
      buckets.set(family, histogram)
    } else if (!/_(?:sum|count|created)$/.test(name)) values.set(name, (values.get(name) ?? 0) + Number(value))
  }
  const upTime = values.get('kes_system_up_time')
  if (upTime !== undefined) values.set('kes_system_up_time', Math.round(upTime * nanoseconds))
  return Object.fromEntries([...values, ...buckets].filter(([name]) => name.startsWith('kes_')))
}

const labels: readonly (readonly [label: string, name: string])[] = [
  ['Requests OK', 'kes_http_request_success'],
  ['Requests refused', 'kes_http_request_error'],
  ['Requests failed', 'kes_http_request_failure'],
  ['Requests now', 'kes_http_request_active'],
  ['Audit events', 'kes_log_audit_events'],
  ['Error events', 'kes_log_error_events'],
]

/** One line for people: what changed since the last look is what counts. */
function formatLook(metrics: Metrics, before: Metrics | undefined, seconds: number): string {
  const count = (from: Metrics | undefined, name: string): number => {
    const value = from?.[name]
    return typeof value === 'number' ? value : 0
  }
  const columns = labels.map(([label, name]) => {
    const total = count(metrics, name)
    const rate =
      before === undefined || name.endsWith('_active')
        ? ''
        : ` (${((total - count(before, name)) / seconds).toFixed(1)}/s)`
    return `${label} ${total}${rate}`
  })
  return `${columns.join('   ')}\n`
}

async function showMetrics(
  { options, args, command }: Invocation<MetricOptions>,
  { ports }: CommandContext,
): Promise<void> {
  if (args.length > 0) throw usageError(command, 'too many arguments')
  const { parseGoDuration } = await import('@strongroom/kes')
  const rateMs = parseGoDuration(options.rate)
  if (rateMs === undefined || rateMs <= 0) throw usageError(command, `invalid rate '${options.rate}'`)
  const interrupted = ports.kes.interrupted()
  const isJson = options.json === true || !ports.kes.isTerminal
  await withClient(ports, options, async (client) => {
    let before: Metrics | undefined
    while (!interrupted.aborted) {
      const metrics = readMetrics(await client.metrics({ signal: interrupted }))
      ports.writeOut(isJson ? goJson(metrics) : formatLook(metrics, before, rateMs / 1000))
      before = metrics
      await ports.kes.wait(rateMs, interrupted)
    }
  })
}

export const addKesMetric: AddCommand = (parent, context) => {
  const command = withClientOptions(
    addKesCommand(parent, { word: 'metric', summary: 'watch the metrics of a server' }),
  ).option('--rate <duration>', 'how often to look', '5s')
  act<MetricOptions>(command, context, (invocation) => showMetrics(invocation, context))
}
