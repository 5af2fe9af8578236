/**
 * A process that opens the metadata map of another one, and closes it, for each line that it is sent, and says so. Argument:
 * the metadata directory.
 *
 * @module
 */

import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openLmdbWorkerStore } from '../metadata/lmdb/lmdb-worker-store.ts'

const [, , directory = ''] = process.argv

writeSync(1, 'ready\n')
for await (const _ of createInterface({ input: process.stdin })) {
  const store = openLmdbWorkerStore(directory, { send: () => {} })
  writeSync(1, 'opened\n')
  await store.close()
}
