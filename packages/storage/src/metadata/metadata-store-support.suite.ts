/**
 * What the parts of the metadata store suite share.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import type { Entry, MetadataStore } from './contract.ts'

/** One place where a store lives. */
export interface MetadataStoreHarness {
  /** Opens the store; after its `close()`, opens what it left behind. */
  open(): Promise<MetadataStore>
  /** Removes everything. */
  dispose(): Promise<void>
  /** Whether what was committed is there after `close()` and `open()`. */
  readonly isDurable: boolean
}

/** Text as bytes. */
export const bytes = (text: string): Uint8Array => Buffer.from(text)
/** Bytes as text. */
export const plain = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()

/** Reads one key in a snapshot of its own. */
export async function get(store: MetadataStore, key: string): Promise<Entry | undefined> {
  const snapshot = store.snapshot()
  try {
    return await snapshot.get(bytes(key))
  } finally {
    snapshot.release()
  }
}

/** Reads a counter in a snapshot of its own. */
export async function counter(store: MetadataStore, key: string): Promise<number> {
  const snapshot = store.snapshot()
  try {
    return await snapshot.counter(bytes(key))
  } finally {
    snapshot.release()
  }
}

/** The version of an entry that must exist. */
export async function versionOf(store: MetadataStore, key: string): Promise<number> {
  const entry = await get(store, key)
  if (entry === undefined) throw new Error(`no entry at ${key}`)
  return entry.version
}

/** A put of text. */
export const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) })

/** An addition to a counter. */
export const add = (key: string, delta: number) => ({ key: bytes(key), delta })
