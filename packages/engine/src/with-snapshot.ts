/**
 * Reading from one state of the metadata store.
 *
 * @module
 */

import type { MetadataStore, Snapshot } from '@strongroom/storage'

/** Runs `read` on a fresh snapshot and releases it. */
export async function withSnapshot<T>(
  context: { readonly metadata: MetadataStore },
  read: (snapshot: Snapshot) => Promise<T> | T,
): Promise<T> {
  const snapshot = context.metadata.snapshot()
  try {
    return await read(snapshot)
  } finally {
    snapshot.release()
  }
}
