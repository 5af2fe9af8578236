/**
 * Checks what is common to versions and uploads: details kept beside the record, the key that is needed, stored streams.
 *
 * @module
 */

import {
  dataKey,
  decodeDetails,
  type Envelope,
  formatId,
  type Overflow,
  type StoredStream,
  storedSize,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import type { Place } from './findings.ts'
import { type Inspection, isDamage } from './inspection.ts'
import { withSnapshot } from './walk.ts'

/** A record that refers to stored bytes, and how it is called. */
export interface HolderEntry {
  readonly entry: Entry
  readonly place: Place
}

/** Details that outgrew their record are all there. */
export async function checkOverflow(
  inspection: Inspection,
  place: Place,
  overflow: Overflow,
  decode: (bytes: Buffer) => unknown = (bytes) => decodeDetails(bytes, undefined),
): Promise<void> {
  try {
    decode(await inspection.records.overflow(inspection.snapshot, overflow))
  } catch (error) {
    if (!isDamage(error)) throw error
    const problem = 'headers, user metadata or tags are kept beside the record and cannot be read'
    await inspection.found({ kind: 'damaged-details', place, problem })
  }
}

/** The key that an envelope names has a record. One that has none is told once, with the first that needs it. */
export async function checkKeyOf(inspection: Inspection, place: Place, envelope: Envelope): Promise<void> {
  if (!('keyId' in envelope)) return
  const id = formatId(envelope.keyId)
  if (inspection.missedKeys.has(id) || (await inspection.hasKeyRecord(envelope.keyId))) return
  inspection.missedKeys.add(id)
  const problem = `it needs the key ${envelope.shownKeyId} (id ${id}), which has no record; there may be more that do`
  await inspection.found({ kind: 'key-missing', place: { ...place, id }, problem })
}

/** A stored stream is there, and as long as it should be. */
export async function checkStream(
  inspection: Inspection,
  { entry, place }: HolderEntry,
  stream: StoredStream,
  sizeBytes: number,
): Promise<void> {
  const blobId = formatId(stream.blobId)
  const expected = storedSize(stream, sizeBytes)
  const stored = stream.isInline
    ? (await inspection.snapshot.get(dataKey.encode(stream.blobId)))?.value.length
    : await inspection.blobs.size(blobId)
  inspection.count('storedStreams')
  if (stored === expected) return
  // A blob that went with its object, after the moment that is being looked at, is not missing.
  if (!stream.isInline && (await hasChanged(inspection, entry))) return
  const where = { ...place, blobId }
  if (stored === undefined) await inspection.found({ kind: 'missing-data', place: where, problem: 'the data is gone' })
  else {
    const problem = `${stored} bytes are stored, not ${expected}`
    await inspection.found({ kind: 'wrong-size', place: where, problem })
  }
}

/** Whether an entry is not any more what it was. */
export function hasChanged({ metadata }: Inspection, entry: Entry): Promise<boolean> {
  return withSnapshot(metadata, async (snapshot) => (await snapshot.get(entry.key))?.version !== entry.version)
}
