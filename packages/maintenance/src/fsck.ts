/**
 * `strongroom fsck`: checks all metadata against itself and against the blobs, and on demand mends what can be derived and
 * authenticates every stored byte. It may run beside a server: each phase looks at one state of the store, and every repair
 * is a commit that checks what it was concluded from.
 *
 * No record that holds a user's data is ever deleted or guessed: a damaged one is reported with its bucket and name.
 *
 * @module
 */

import { checkBlobs } from './check-blobs.ts'
import { checkIndex } from './check-index.ts'
import { checkObjects, estimateVersions } from './check-objects.ts'
import { checkReferences, passesFor } from './check-references.ts'
import { checkUploads } from './check-uploads.ts'
import type { FsckReport } from './findings.ts'
import { type FsckOptions, Inspection } from './inspection.ts'
import { verifyData } from './verify-data.ts'
import { withSnapshot } from './walk.ts'

/**
 * Checks a deployment. One at a time: two repairs at once would both make up for the same difference of a counter.
 *
 * @throws StorageError if a store cannot be read; the reason of `signal`
 * @example
 * const report = await fsck({ metadata, blobs, kms, recordSealer, plainDataKeys, repair: true, now: Date.now, random: randomBytes })
 * if (report.unrepaired > 0) console.log(report.findings)
 */
export async function fsck(options: FsckOptions): Promise<FsckReport> {
  const inspection = new Inspection(options)
  await inspection.phase('index', () => checkIndex(inspection))
  const estimate = await withSnapshot(inspection.metadata, (snapshot) => estimateVersions(inspection, snapshot))
  await inspection.phase('objects', () => checkObjects(inspection), estimate)
  await inspection.phase('uploads', () => checkUploads(inspection))
  const records = inspection.counted('objects') + inspection.counted('versions')
  await inspection.phase('references', () => checkReferences(inspection), records * passesFor(inspection))
  await inspection.phase('blobs', () => checkBlobs(inspection))
  if (options.verifyData) await inspection.phase('data', () => verifyData(inspection), records)
  return inspection.report()
}
