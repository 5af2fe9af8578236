/**
 * `strongroom kes log`: audit or errors of a server as they happen, a line each. kes-protocol 3.4, 13.
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
import { KesCommandError } from './kes-command-error.ts'

interface LogOptions extends ClientOptions {
  readonly audit?: boolean
  readonly error?: boolean
}

async function showLog({ options, args, command }: Invocation<LogOptions>, { ports }: CommandContext): Promise<void> {
  if (args.length > 0) throw usageError(command, 'too many arguments')
  if (options.audit === true && options.error === true) {
    throw new KesCommandError("'--audit' and '--error' must not be used at the same time")
  }
  const kind = options.error === true ? 'error' : 'audit'
  const format = options.json === true ? (line: string) => line : kind === 'error' ? formatError : formatAudit
  if (options.json !== true && kind === 'audit') ports.writeOut(`${auditHeading}\n`)
  const interrupted = ports.kes.interrupted()
  await withClient(ports, options, async (client) => {
    for await (const line of client.log(kind, interrupted)) ports.writeOut(`${format(line)}\n`)
  })
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // A line that was cut off, or of a server we do not know: shown as it is.
    return {}
  }
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** What a server sends does not steer the terminal, nor turn a line around: names in it are chosen by whoever asks. */
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')

function formatError(line: string): string {
  const { message } = parse(line)
  return printable(text(message) || line)
}

const widths = { time: 10, status: 8, identity: 14, ip: 18, latency: 10 } as const
const auditHeading = [
  'Time'.padEnd(widths.time),
  'Status'.padEnd(widths.status),
  'Identity'.padEnd(widths.identity),
  'IP'.padEnd(widths.ip),
  'Latency'.padEnd(widths.latency),
  'Request',
].join('')

/** An event of KES, or one of a Strongroom, which says more. */
function formatAudit(line: string): string {
  const event = parse(line)
  const request = fieldsOf(event.request)
  const response = fieldsOf(event.response)
  if (text(request.path) === '') return printable(line)
  const identity = text(request.identity)
  const columns = [
    text(event.time).slice(11, 19).padEnd(widths.time),
    text(response.code).padEnd(widths.status),
    (identity === '' ? '-' : `${identity.slice(0, 10)}…`).padEnd(widths.identity),
    (text(request.ip) || '-').padEnd(widths.ip),
    formatLatency(response.time).padEnd(widths.latency),
    text(request.path),
  ]
  return printable(columns.join(''))
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

/** Nanoseconds; a MinIO KES sends milliseconds under the same name. */
function formatLatency(value: unknown): string {
  if (typeof value !== 'number') return ''
  if (value < 1000) return `${value}`
  return value < 1e6 ? `${Math.round(value / 1e3)}µs` : `${(value / 1e6).toFixed(1)}ms`
}

export const addKesLog: AddCommand = (parent, context) => {
  const command = withClientOptions(addKesCommand(parent, { word: 'log', summary: 'show what happens as it happens' }))
    .option('--audit', 'who did what (default)')
    .option('--error', 'errors')
  act<LogOptions>(command, context, (invocation) => showLog(invocation, context))
}
