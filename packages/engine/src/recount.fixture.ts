/**
 * Counts everything derived from records anew, for tests: counters, key index and references must be what the records say.
 *
 * @module
 */

import type { Entry, Snapshot } from '@strongroom/storage'
import { expect } from 'vitest'
import { Tally } from './contributions.ts'
import type { TestEngine } from './engine.fixture.ts'
import { decodeBlobRecord, decodeGarbageRecord } from './housekeeping-records.ts'
import { formatId } from './ids.ts'
import { decodeObjectRecord } from './object-record.ts'
import { decodePartTableChunk, type TablePart } from './part-table.ts'
import { isIncluded } from './reclaimer.ts'
import {
  blobKey,
  bucketCountKey,
  dataKey,
  garbageTableKey,
  garbageUploadKey,
  keyCountKey,
  manifestKey,
  objectKey,
  partKey,
  rangeOf,
  tableKey,
  uploadKey,
  useUploadKey,
  useVersionKey,
  versionKey,
} from './tables.ts'
import { decodePartRecord, decodeUploadRecord, type UploadRecord } from './upload-record.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Fails unless counters, key index, reference counts, data and blobs are exactly what the records call for. */
export async function expectExactBooks(test: TestEngine): Promise<void> {
  await test.engine.idle()
  const snapshot = test.metadata.snapshot()
  try {
    const tally = await tallyOf(test, snapshot)
    await expectCounters(snapshot, tally)
    const uses = [...(await all(snapshot, useVersionKey.tag)), ...(await all(snapshot, useUploadKey.tag))]
    expect(uses.map(({ key }) => hex(key)).sort()).toEqual(
      present(tally.uses)
        .map(({ key }) => hex(key))
        .sort(),
    )
    await expectReferences(test, snapshot, tally)
  } finally {
    snapshot.release()
  }
}

async function all(snapshot: Snapshot, tag: number): Promise<Entry[]> {
  return snapshot.list({ ...rangeOf(Buffer.of(tag)), limit: 100_000 })
}

function present<T extends { readonly delta: number }>(entries: Map<string, T>): T[] {
  return [...entries.values()].filter(({ delta }) => delta !== 0)
}

async function tallyOf({ context: { records } }: TestEngine, snapshot: Snapshot): Promise<Tally> {
  const tally = new Tally()
  for (const [kind, table] of [
    ['current', objectKey],
    ['version', versionKey],
  ] as const) {
    for (const entry of await all(snapshot, table.tag)) {
      const [bucketId, name] = table.decode(entry.key)
      tally.contribute({ kind, bucketId, name, record: decodeObjectRecord(records.open(entry)) }, 1)
    }
  }
  const uploads = new Map<string, { readonly bucketId: Uint8Array; readonly record: UploadRecord }>()
  for (const entry of await all(snapshot, uploadKey.tag)) {
    const [bucketId, , uploadId] = uploadKey.decode(entry.key)
    const record = decodeUploadRecord(records.open(entry))
    uploads.set(formatId(uploadId), { bucketId, record })
    tally.contribute({ kind: 'upload', bucketId, uploadId, record }, 1)
  }
  const ended = new Map<string, Uint8Array>()
  for (const entry of await all(snapshot, garbageUploadKey.tag)) {
    ended.set(formatId(garbageUploadKey.decode(entry.key)[0]), decodeGarbageRecord(records.open(entry)).includedParts)
  }
  for (const entry of await all(snapshot, partKey.tag)) {
    const [uploadId, number] = partKey.decode(entry.key)
    const upload = uploads.get(formatId(uploadId))
    const record = decodePartRecord(records.open(entry))
    const includedParts = ended.get(formatId(uploadId))
    if (upload) {
      const { bucketId, record: uploadRecord } = upload
      tally.contribute({ kind: 'part', bucketId, envelope: uploadRecord.envelope, record }, 1)
    } else {
      expect(includedParts, 'a part record without an upload').toBeDefined()
      if (!isIncluded(includedParts ?? new Uint8Array(0), number)) {
        tally.contribute({ kind: 'leftover-part', segments: record.segments }, 1)
      }
    }
  }
  for (const parts of (await tableParts(records, snapshot)).values()) tally.contribute({ kind: 'table', parts }, 1)
  return tally
}

/** The parts of every table that is referred to or garbage. */
async function tableParts(
  records: TestEngine['context']['records'],
  snapshot: Snapshot,
): Promise<Map<string, TablePart[]>> {
  const ids = [
    ...(await all(snapshot, tableKey.tag)).map(({ key }) => tableKey.decode(key)[0]),
    ...(await all(snapshot, garbageTableKey.tag)).map(({ key }) => garbageTableKey.decode(key)[0]),
  ]
  const tables = new Map<string, TablePart[]>()
  for (const id of ids) {
    const chunks = await snapshot.list({ ...rangeOf(manifestKey.prefix(id)), limit: 10_000 })
    tables.set(
      formatId(id),
      chunks.flatMap((entry) => decodePartTableChunk(records.open(entry))),
    )
  }
  return tables
}

async function expectCounters(snapshot: Snapshot, tally: Tally): Promise<void> {
  const { counts } = tally
  for (const { key, delta } of counts.values()) {
    expect([hex(key), await snapshot.counter(key)]).toEqual([hex(key), delta])
  }
  // What no record contributes to must be zero: look at the counters of every bucket that the tally knows.
  for (const { key } of counts.values()) {
    const siblings =
      key[0] === bucketCountKey.tag
        ? [0, 1, 2].map((what) => bucketCountKey.encode(bucketCountKey.decode(key)[0], what))
        : [0, 1, 2, 3, 4, 5].map((what) => {
            const [keyId, version, bucketId] = keyCountKey.decode(key)
            return keyCountKey.encode(keyId, version, bucketId, what)
          })
    for (const sibling of siblings) {
      const expected = counts.get(Buffer.from(sibling).toString('latin1'))?.delta ?? 0
      expect(await snapshot.counter(sibling)).toBe(expected)
    }
  }
}

async function expectReferences(test: TestEngine, snapshot: Snapshot, tally: Tally): Promise<void> {
  const { records } = test.context
  const counted = new Map<string, number>()
  for (const table of [blobKey, tableKey]) {
    for (const entry of await all(snapshot, table.tag)) {
      counted.set(hex(table.decode(entry.key)[0]), decodeBlobRecord(records.open(entry)).count)
    }
  }
  const expected = new Map<string, number>()
  const inline: string[] = []
  const files: string[] = []
  const chunks: string[] = []
  for (const { reference, delta } of present(tally.references)) {
    const id = hex(reference.id)
    if (reference.kind === 'inline') inline.push(id)
    if (reference.kind === 'file') files.push(id)
    if (reference.kind === 'overflow' || reference.kind === 'table') {
      for (let chunk = 0; chunk < reference.chunkCount; chunk += 1)
        chunks.push(hex(manifestKey.encode(reference.id, chunk)))
    }
    if (reference.kind === 'overflow') expect(delta).toBe(1)
    else if (reference.kind !== 'inline' || delta > 1) expected.set(id, delta)
  }
  expect(counted).toEqual(expected)
  const data = await all(snapshot, dataKey.tag)
  expect(data.map(({ key }) => hex(dataKey.decode(key)[0])).sort()).toEqual(inline.sort())
  const stored: string[] = []
  for await (const session of test.blobs.sessions()) {
    for await (const { blobId } of test.blobs.list(session)) stored.push(blobId)
  }
  expect(stored.sort()).toEqual(files.sort())
  // A Complete that was cut short leaves chunks; they go with the upload, or with the next Complete.
  const running = (await all(snapshot, uploadKey.tag)).map(({ key }) =>
    hex(manifestKey.prefix(uploadKey.decode(key)[2])),
  )
  const manifests = (await all(snapshot, manifestKey.tag)).map(({ key }) => hex(key))
  const left = manifests.filter((key) => !running.some((prefix) => key.startsWith(prefix)))
  expect(left.filter((key) => !chunks.includes(key))).toEqual([])
}
