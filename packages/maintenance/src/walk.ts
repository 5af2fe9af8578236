/**
 * Going over ranges of the metadata store with bounded memory, for checks and for jobs that go over many records. After
 * each page everybody else has a turn: reads of an embedded store resolve without one.
 *
 * @module
 */

import type { Entry, MetadataStore, Snapshot } from '@strongroom/storage'

/** Half-open range of keys. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

/** At most 2 MiB, for a value has at most 7,900 bytes. */
const defaultPageSize = 256

/** Lets everything else that waits in this process run first. */
export function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The smallest key after `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1)
  after.set(key)
  return after
}

/** The entries of a range in one state of the store, page by page. */
export async function* pagesOf(
  snapshot: Snapshot,
  range: KeyRange,
  pageSize = defaultPageSize,
): AsyncGenerator<readonly Entry[], void> {
  yield* pages(range, pageSize, (rest) => snapshot.list(rest))
}

/**
 * The entries of a range, each page from a state of its own: for walks that take so long that no snapshot should be held
 * meanwhile. What is put or deleted during the walk may be seen or not.
 */
export async function* freshPagesOf(
  metadata: Pick<MetadataStore, 'snapshot'>,
  range: KeyRange,
  pageSize = defaultPageSize,
): AsyncGenerator<readonly Entry[], void> {
  yield* pages(range, pageSize, (rest) => withSnapshot(metadata, (snapshot) => snapshot.list(rest)))
}

async function* pages(
  { gte, lt }: KeyRange,
  limit: number,
  list: (rest: KeyRange & { readonly limit: number }) => Promise<Entry[]>,
): AsyncGenerator<readonly Entry[], void> {
  for (let from = gte; ; ) {
    const page = await list({ gte: from, lt, limit })
    if (page.length > 0) yield page
    const last = page.at(-1)
    if (!last || page.length < limit) return
    from = keyAfter(last.key)
    await turnOfOthers()
  }
}

/** The entries of {@link pagesOf}, one by one. */
export async function* entriesOf(snapshot: Snapshot, range: KeyRange): AsyncGenerator<Entry, void> {
  for await (const page of pagesOf(snapshot, range)) yield* page
}

/** Reads from a fresh snapshot and releases it. */
export async function withSnapshot<T>(
  metadata: Pick<MetadataStore, 'snapshot'>,
  read: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const snapshot = metadata.snapshot()
  try {
    return await read(snapshot)
  } finally {
    snapshot.release()
  }
}
