/**
 * The server's log: one line per event on standard output, JSON for programs or text for people. Nothing secret is ever
 * given to it: errors are shown by code, message and cause, and no message holds key material.
 *
 * @module
 */
import { type Logger, pino } from 'pino'

export type { Logger }

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'text' | 'json'
  /** Takes whole lines. */
  write(line: string): void
}

/** Takes one JSON line and writes it as the format says. The access log writes through it too. */
export function lineWriter({ format, write }: Pick<LogOptions, 'format' | 'write'>): { write(line: string): void } {
  return { write: format === 'json' ? write : (line) => write(toText(line)) }
}

/** What the log says, in its format, in the place of lines that its reader did not take in time. */
export function lostLine(count: number, format: LogOptions['format']): string {
  const line = `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), count, msg: 'log lines were lost: nobody read them' })}\n`
  return format === 'json' ? line : toText(line)
}

export const createLog = (options: LogOptions): Logger =>
  pino(
    {
      base: null,
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeFault },
    },
    lineWriter(options),
  )

/** An error of another process, as its own log described it. */
export class DescribedFault {
  readonly content: unknown

  constructor(content: unknown) {
    this.content = content
  }
}

/** An error with its causes, and where it came from. */
function describeFault(error: unknown, depth = 0): unknown {
  if (error instanceof DescribedFault) return error.content
  if (!(error instanceof Error)) return { message: String(error) }
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    stack: error.stack
      ?.split('\n')
      .slice(1, 8)
      .map((line) => line.trim()),
    ...(error.cause === undefined || depth === 4 ? {} : { cause: describeFault(error.cause, depth + 1) }),
  }
}

/** `14:05:06 warn  what happened  name=value`. */
function toText(line: string): string {
  const { time, level, msg, ...rest }: Record<string, unknown> = JSON.parse(line)
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const fields = Object.entries(rest).map(([name, value]) => {
    const text = typeof value === 'string' && /^[!-~]+$/.test(value) ? value : JSON.stringify(value)
    return `  ${name}=${text}`
  })
  const said = typeof msg === 'string' ? msg : 'request'
  return `${clock} ${String(level ?? 'info').padEnd(5)} ${said}${fields.join('')}\n`
}
