/**
 * The kinds of records, from the tables of docs/formats; and what by design cannot be detected, with the reason.
 *
 * @module
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface RecordKind {
  /** Two hex digits. */
  readonly tag: string
  readonly name: string
  readonly isCounter: boolean
}

/** Every table of the metadata store, as the format pages have them. */
export async function kindsOf(repository: string): Promise<RecordKind[]> {
  const kinds: RecordKind[] = []
  for (const page of ['metadata-records.md', 'account-records.md']) {
    const text = await readFile(join(repository, 'docs/formats', page), 'utf8')
    for (const [, tag = '', name = ''] of text.matchAll(/^\| `([0-9a-f]{2})` \| ([^|]+?) +\|/gm)) {
      kinds.push({ tag, name, isCounter: /counter/.test(name) })
    }
  }
  return kinds
}

/** `kind: change` → why nothing notices it. The test fails when one of them is detected, and when another one is not. */
export const undetected: Readonly<Record<string, string>> = {
  'bucket: older value':
    'Settings as they were before (tags, encryption, access) are consistent with all that is in the bucket. Where they are not (versioning), fsck says so.',
  'format stamp of the metadata: cut': 'Of the line end. Every other cut is refused.',
  'format stamp: cut': 'Of the line end. Every other cut is refused.',
  'garbage blob: delete':
    'Only a note of what is to be removed. Where the data is still there, fsck names it (`leftover-blob`, `leftover-data`); here it was gone.',
  'garbage blob: put back':
    'The note is about data that is gone. About data that is in use fsck says `garbage-in-use`.',
  'garbage table: delete': 'As for blobs; chunks that are left are `leftover-chunks`.',
  'garbage upload: delete': 'As for blobs; parts that are left are `leftover-parts`.',
  'garbage upload: put back': 'The note is about an upload that is gone; there is nothing to remove.',
  'key store: a lock: delete':
    'The key is unlocked (docs/formats/stored-keys.md). A lock is a matter of operation; to take a key out of the reach of whoever operates its store, destroy it.',
  'key: older value':
    'A grant that was made since is gone, or one that was taken back is there again. An older state of a key (before its deletion) contradicts its name, and fsck says so.',
  'keyring: cut': 'Of the line end. Every other cut is refused.',
  'object: older value':
    'Of an object whose data stayed when its record changed (tags, another key by a copy onto itself). The record of content that was replaced is detected: its data is gone.',
  'root key (the one made for trying out): cut': 'Of the line end. Every other cut is refused.',
  'session: delete': 'The session is over: it is a note that nothing of it is being written any more.',
  'session: older value': 'The session seems to be open; the sweeper ends it again at the next start.',
  'use by upload: extend': 'The entry has no value, and what is put there is never read.',
  'use: extend': 'The entry has no value, and what is put there is never read.',
}
