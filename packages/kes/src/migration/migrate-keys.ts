/**
 * Copies keys between any two key stores: what is there already and the same counts as done, so that it can be
 * interrupted and begun again; each copy is read back, compared, and opens what its source seals and the other way round. What is
 * no key is not copied, and is named. Nothing is ever deleted or overwritten. A key goes with
 * its lock and its versions, and comes after them: at no moment can it be used at the target where its source forbids it.
 * kes-protocol 13, row `migrate`, without its limit of 1,025 keys.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { entryShape, isSameKeyInUse, type KeyStore, KmsError, type KmsErrorCode, kindOfEntry } from '@strongroom/kms'
import { KesError } from '../kes-error.ts'

export interface MigrationOptions {
  /** Names to copy: `*` any characters, `?` one. Default all. */
  readonly pattern?: string
  /** Keys copied at the same time. Default 8. */
  readonly concurrency?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: MigrationProgress) => void
}

/** Entries: a key has one for each version, and one for a lock. */
export interface MigrationProgress {
  readonly done: number
  readonly total: number
}

/** What happened to each key, in byte order. A key is named once, whatever it has of versions and locks. */
export interface MigrationReport {
  /** Keys that the pattern selects, and what is no key. */
  readonly total: number
  /** Now there with all its versions, and read back. */
  readonly copied: readonly string[]
  /** There before, and the same. */
  readonly identical: readonly string[]
  /** There before with another value, if only of one version, and left so. */
  readonly different: readonly string[]
  /** Entries that are no keys in any form that KES has written, and not copied. */
  readonly notKeys: readonly string[]
  /** By the name of the first entry that failed. */
  readonly failed: readonly { readonly name: string; readonly message: string }[]
  /** Everything was looked at; else begin again. */
  readonly isComplete: boolean
}

/** Faults that will hit the next key as well. */
const fatal: ReadonlySet<KmsErrorCode> = new Set(['unreachable', 'permission-denied', 'sealed', 'busy'])

type Outcome = 'copied' | 'identical' | 'different' | 'no key'

/**
 * Copies what `pattern` selects. Both stores stay the caller's.
 *
 * @throws KmsError when the source cannot be listed; KesError `invalid-config` for a pattern that is none
 */
export async function migrateKeys(
  from: KeyStore,
  to: KeyStore,
  { pattern = '*', concurrency = 8, signal, onProgress }: MigrationOptions = {},
): Promise<MigrationReport> {
  const names = await selectNames(from, pattern)
  const outcomes = new Map<string, Outcome | Error>()
  let isStopped = false
  const work = async (queue: Iterable<string>): Promise<void> => {
    for (const name of queue) {
      if (isStopped || signal?.aborted === true) return
      const outcome = await copyKey(from, to, name)
      outcomes.set(name, outcome)
      if (outcome instanceof KmsError && fatal.has(outcome.code)) isStopped = true
      onProgress?.({ done: outcomes.size, total: names.length })
    }
  }
  for (const kind of ['marker', 'version', 'key'] as const) {
    const queue = names.filter((name) => entryShape(name).kind === kind).values()
    await Promise.all(Array.from({ length: concurrency }, () => work(queue)))
  }
  return report(names, outcomes)
}

async function copyKey(from: KeyStore, to: KeyStore, name: string): Promise<Outcome | Error> {
  let value: Uint8Array | undefined
  try {
    value = await from.get(name)
    const kind = kindOfEntry(value)
    if (kind === undefined) return 'no key'
    const isNew = await create(to, name, value)
    if (await holds(to, name, value, kind)) return isNew ? 'copied' : 'identical'
    if (!isNew) return 'different'
    return new KesError('invalid-answer', 'the target gave back something else than it was given')
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    value?.fill(0)
  }
}

async function create(to: KeyStore, name: string, value: Uint8Array): Promise<boolean> {
  try {
    await to.create(name, value)
    return true
  } catch (error) {
    if (error instanceof KmsError && error.code === 'key-exists') return false
    throw error
  }
}

async function holds(to: KeyStore, name: string, value: Uint8Array, kind: 'key' | 'marker'): Promise<boolean> {
  const stored = await to.get(name)
  try {
    if (stored.length !== value.length || !timingSafeEqual(stored, value)) return false
    return kind === 'marker' || isSameKeyInUse(value, stored, randomBytes)
  } finally {
    stored.fill(0)
  }
}

async function selectNames(from: KeyStore, pattern: string): Promise<readonly string[]> {
  if (!/^[0-9A-Za-z_*?-]{1,100}$/.test(pattern)) {
    throw new KesError('invalid-config', `not a pattern of key names: ${JSON.stringify(pattern)}`)
  }
  const names: string[] = []
  const literal = pattern.slice(0, /[*?]|$/.exec(pattern)?.index ?? 0)
  for await (const name of from.list(literal)) {
    if (isSelected(name, pattern)) names.push(name)
  }
  return names
}

/** Also what may be a version or a marker of a selected key: without them it would be another key, or an unlocked one. */
function isSelected(name: string, pattern: string): boolean {
  const shape = entryShape(name)
  return matchesPattern(name, pattern) || (shape.kind !== 'key' && matchesPattern(shape.base, pattern))
}

/** Greedy with one point of return: no more than `name.length` × `pattern.length` steps. */
export function matchesPattern(name: string, pattern: string): boolean {
  let [at, next, star, resume] = [0, 0, -1, 0]
  while (at < name.length) {
    if (pattern[next] === '*') {
      star = next++
      resume = at
    } else if (pattern[next] === '?' || pattern[next] === name[at]) {
      at++
      next++
    } else if (star >= 0) {
      next = star + 1
      at = ++resume
    } else return false
  }
  while (pattern[next] === '*') next++
  return next === pattern.length
}

function report(names: readonly string[], outcomes: ReadonlyMap<string, Outcome | Error>): MigrationReport {
  const failed: { readonly name: string; readonly message: string }[] = []
  const lists: Record<Outcome, string[]> = { copied: [], identical: [], different: [], 'no key': [] }
  const keys = entriesByKey(names, outcomes)
  for (const [key, entries] of keys) {
    const [failure] = entries.flatMap((name) => {
      const outcome = outcomes.get(name)
      return outcome instanceof Error ? [{ name, message: outcome.message }] : []
    })
    if (failure !== undefined) failed.push(failure)
    // Of one that was not looked at in full nothing is said.
    else if (entries.every((name) => outcomes.has(name))) {
      const outcome = worstFirst.find((one) => entries.some((name) => outcomes.get(name) === one))
      if (outcome !== undefined) lists[outcome].push(key)
    }
  }
  return {
    total: keys.size,
    copied: lists.copied,
    identical: lists.identical,
    different: lists.different,
    notKeys: lists['no key'],
    failed,
    isComplete: outcomes.size === names.length,
  }
}

/** A key is as its worst entry is: copied if one of them was, different if one is. */
const worstFirst: readonly Outcome[] = ['no key', 'different', 'copied', 'identical']

/** Versions and markers stand with their key, if that is there: otherwise they are keys of such a name. */
function entriesByKey(
  names: readonly string[],
  outcomes: ReadonlyMap<string, Outcome | Error>,
): ReadonlyMap<string, readonly string[]> {
  const all = new Set(names)
  const keys = new Map<string, string[]>()
  for (const name of names) {
    const shape = entryShape(name)
    const isOfAnother = shape.kind !== 'key' && all.has(shape.base) && outcomes.get(name) !== 'no key'
    const key = isOfAnother ? shape.base : name
    const entries = keys.get(key)
    if (entries === undefined) keys.set(key, [name])
    else entries.push(name)
  }
  return keys
}
