/**
 * Log levels as KES config files write them: kes-protocol 11, rows `log.error` and `log.audit`.
 *
 * @module
 */

/** Levels as Go's slog numbers them. */
export const logLevels = { debug: -4, info: 0, warn: 4, error: 8, off: 9 } as const

const named: ReadonlyMap<string, number> = new Map([
  ['DEBUG', logLevels.debug],
  ['INFO', logLevels.info],
  ['ON', logLevels.info],
  ['WARN', logLevels.warn],
  ['ERROR', logLevels.error],
  ['OFF', logLevels.off],
])

/**
 * `DEBUG`, `INFO`, `WARN`, `ERROR`, each with `+n` behind it if wanted, an integer, `on` (INFO), `off` (above ERROR), or
 * nothing (INFO); any case.
 *
 * @returns `undefined` when it is none of these
 */
export function parseLogLevel(text: string): number | undefined {
  if (text === '') return logLevels.info
  const upper = text.toUpperCase()
  const exact = named.get(upper)
  if (exact !== undefined) return exact
  if (/^[+-]?\d{1,9}$/.test(upper)) return Number(upper)
  const match = /^(DEBUG|INFO|WARN|ERROR)\+(\d{1,9})$/.exec(upper)
  return match === null ? undefined : (named.get(match[1] ?? '') ?? 0) + Number(match[2])
}

/** `INFO`, `ERROR+1`, `off`. */
export function formatLogLevel(level: number): string {
  if (level === logLevels.off) return 'off'
  const bases = [
    ['ERROR', logLevels.error],
    ['WARN', logLevels.warn],
    ['INFO', logLevels.info],
    ['DEBUG', logLevels.debug],
  ] as const
  const [name, base] = bases.find(([, value]) => level >= value) ?? ['DEBUG', logLevels.debug]
  const rest = level - base
  return rest === 0 ? name : `${name}${rest > 0 ? '+' : ''}${rest}`
}
