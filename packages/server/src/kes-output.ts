/**
 * Where a key service writes its audit and its errors: a stream whose reader may go away or take nothing for a while. Neither
 * ends the service, nor takes its memory.
 *
 * @module
 */
import type { Writable } from 'node:stream'
import { LineBatch } from './line-batch.ts'

export interface KesOutput {
  write(text: string): void
  /** Writes what waits. To be called at the end. */
  flush(): void
}

/** Lines for a stream of this process, which is never closed. */
export function kesOutput(stream: Writable, isJson: boolean, now: () => Date = () => new Date()): KesOutput {
  // Without a listener the end of whoever reads the log (a collector that is restarted) would be the end of the service.
  stream.on('error', ignoreLostOutput)
  const lines = new LineBatch({
    write: (text) => stream.write(text),
    onDrain: (goOn) => stream.once('drain', goOn),
    lostLine: (count) => kesLostLine(count, isJson, now()),
  })
  return { write: (text) => lines.add(text), flush: () => lines.flush() }
}

/** Says that lines are missing where it stands. */
export const kesLostLine = (count: number, isJson: boolean, at: Date): string =>
  kesLogLine('WARN', 'log lines were lost: nobody read them', { count }, isJson, at)

/** A line of this process itself, beside those of the key service. Values need no quotes. */
export function kesLogLine(
  level: 'INFO' | 'WARN' | 'ERROR',
  message: string,
  fields: Readonly<Record<string, string | number>>,
  isJson: boolean,
  at: Date,
): string {
  const time = at.toISOString()
  if (isJson) return `${JSON.stringify({ time, level, message, ...fields })}\n`
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`)
  return `time=${time} level=${level} msg="${message}"${pairs.join('')}\n`
}

function ignoreLostOutput(): void {
  // There is nowhere to say it.
}
