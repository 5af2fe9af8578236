/**
 * All names of a listing that a KES server cannot continue: kes-protocol 3.2. A MinIO KES gives the first 1,024 names and the
 * one that follows, `continue_at`, but takes that for a prefix when it is sent back. So what comes after it is asked for by
 * prefixes: those of all names that begin with it, and of all that leave it at some character for a later one.
 *
 * @module
 */

/** Names, and the first one that is missing; empty where none is. */
export interface ListingPage {
  readonly names: readonly string[]
  readonly continueAt: string
}

export interface WholeListing {
  readonly names: readonly string[]
  /** Otherwise it took too many requests. */
  readonly isComplete: boolean
}

/** What names are made of, in byte order. */
const alphabet = [...'-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz']

const maxRequests = 20_000
const requestsAtOnce = 16

/** Lists everything that begins with `prefix`, in byte order. `list` asks the server for one page. */
export async function listAll(list: (prefix: string) => Promise<ListingPage>, prefix: string): Promise<WholeListing> {
  let requests = 0
  let isComplete = true

  async function collect(from: string): Promise<readonly string[]> {
    if (requests >= maxRequests) {
      isComplete = false
      return []
    }
    requests++
    const { names, continueAt } = await list(from)
    // What does not go on beyond the prefix would never end.
    if (continueAt === '' || !continueAt.startsWith(from) || !isAfterAll(continueAt, names)) {
      if (continueAt !== '') isComplete = false
      return names
    }
    return [...names, ...(await collectEach(prefixesFrom(continueAt, from)))]
  }

  async function collectEach(prefixes: readonly string[]): Promise<readonly string[]> {
    const found: string[] = []
    for (let at = 0; at < prefixes.length; at += requestsAtOnce) {
      const pages = await Promise.all(prefixes.slice(at, at + requestsAtOnce).map(collect))
      for (const page of pages) found.push(...page)
    }
    return found
  }

  return { names: await collect(prefix), isComplete }
}

const isAfterAll = (name: string, names: readonly string[]): boolean => {
  const last = names.at(-1)
  return last === undefined || last < name
}

/** Prefixes of all names from `name` on, as far as they begin with `prefix`, in byte order. */
function prefixesFrom(name: string, prefix: string): readonly string[] {
  const prefixes = name.length > prefix.length ? [name] : []
  for (let length = name.length - 1; length >= prefix.length; length--) {
    const stem = name.slice(0, length)
    for (const character of alphabet) {
      if (character > (name[length] ?? '')) prefixes.push(...askable(stem + character))
    }
  }
  return prefixes
}

/** `_` alone is no pattern of KES: what can follow it is asked for instead. A hyphen at the end never comes up: it is the least. */
function askable(prefix: string): readonly string[] {
  return prefix === '_' ? alphabet.filter((next) => next !== '-').map((next) => prefix + next) : [prefix]
}
