/**
 * A setting as somebody wrote it, and where, so that a complaint about it names the line, the variable or the flag.
 *
 * @module
 */
import type { SettingName } from './setting-table.ts'

export interface RawSetting {
  readonly name: SettingName
  /** Text, or a YAML scalar or list. */
  readonly value: unknown
  /** `strongroom.yaml:12`, `STRONGROOM_REGION`, `--region`. */
  readonly where: string
}

/** What one source of settings says: settings, things that stop the start, things to be told at start. */
export interface RawSettings {
  readonly settings: readonly RawSetting[]
  readonly problems: readonly string[]
  readonly notices: readonly string[]
}

/** The known word nearest to a mistyped one, if it is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({
    candidate,
    distance: distanceOf(word.toLowerCase(), candidate.toLowerCase()),
  }))
  const best = scored.sort((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= 3 ? best.candidate : undefined
}

/** Levenshtein distance, of words cut to 64 characters. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: Math.min(b.length, 64) + 1 }, (_, n) => n)
  for (const [i, left] of [...a.slice(0, 64)].entries()) {
    const next = [i + 1]
    for (const [j, right] of [...b.slice(0, 64)].entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (left === right ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** ` (did you mean …?)`, or nothing. */
export const suggestion = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}
