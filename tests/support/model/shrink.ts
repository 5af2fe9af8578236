/**
 * Cuts a failing run down: leaves out batches, and requests of batches, as long as what is left still fails.
 *
 * @module
 */

import type { Batch, Difference } from './episode.ts'

/** Runs batches on a fresh server; the difference found, or `undefined`. */
export type TryRun = (batches: readonly Batch[]) => Promise<Difference | undefined>

export interface Shrunk {
  readonly batches: readonly Batch[]
  readonly difference: Difference
}

/**
 * The smallest failing run found within a number of tries and a time. Requests side by side may not fail each time: what
 * did not fail again is kept.
 */
export async function shrink(
  found: Shrunk,
  tryRun: TryRun,
  { tries, untilMs }: { readonly tries: number; readonly untilMs: number },
): Promise<Shrunk> {
  let best = found
  let left = tries
  const attempt = async (batches: readonly Batch[]): Promise<boolean> => {
    if (left === 0 || Date.now() > untilMs) return false
    left -= 1
    const difference = await tryRun(batches)
    if (difference) best = { batches, difference }
    return difference !== undefined
  }
  for (let size = Math.ceil(best.batches.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = best.batches.length - size; start >= 0; start -= size) {
      await attempt([...best.batches.slice(0, start), ...best.batches.slice(start + size)])
    }
  }
  for (let index = best.batches.length - 1; index >= 0; index -= 1) {
    for (let at = 0; at < (best.batches[index]?.length ?? 0); at += 1) {
      const batch = best.batches[index] ?? []
      if (batch.length < 2) break
      const smaller = [...batch.slice(0, at), ...batch.slice(at + 1)]
      await attempt([...best.batches.slice(0, index), smaller, ...best.batches.slice(index + 1)])
    }
  }
  return best
}
