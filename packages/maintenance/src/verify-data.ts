/**
 * Phase `data`, on demand: opens every envelope whose key can be had and authenticates every stored byte under it. Data
 * under a client's key, or under a key that is locked or out of reach, is checked for its framing, and counted.
 *
 * It goes over the store page by page, each from a state of its own: reading all data takes too long to hold one.
 *
 * @module
 */

import { CryptoError, unsealKey, zero } from '@strongroom/crypto'
import {
  boundContentOf,
  type Details,
  decodeDetails,
  decodeObjectRecord,
  decodePartRecord,
  decodeUploadRecord,
  type Envelope,
  formatId,
  formatVersionId,
  type LayerKeys,
  type MissingDataKey,
  type ObjectVersion,
  type Overflow,
  objectKey,
  openStoredDataKey,
  partKey,
  rangeOf,
  type Segment,
  type StoredStream,
  unsealUpload,
  unsealVersion,
  uploadKey,
  versionKey,
  zeroLayers,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import { hasChanged } from './check-details.ts'
import type { Place, SkipReason } from './findings.ts'
import { type Inspection, isDamage } from './inspection.ts'
import { readTable } from './stored-table.ts'
import { authenticateStream, checkFraming, type StreamState } from './stream-check.ts'
import { freshPagesOf, withSnapshot } from './walk.ts'

/** Streams that were authenticated, which copies share; forgotten when there are too many. */
const maxRemembered = 200_000

/** Versions or uploads in one page: each may take long. */
const pageSize = 64

/** Keys that cannot be had although nobody keeps them back: what they protect is lost. */
const lostKeys: Partial<Readonly<Record<MissingDataKey, string>>> = {
  refused: 'the key service did not make the sealed data key for this place',
  'keyring-key-missing': 'the keyring lacks the key of this data',
}

/** See the module's comment. */
export async function verifyData(inspection: Inspection): Promise<void> {
  const verification = new Verification(inspection)
  for (const table of [objectKey, versionKey]) {
    for await (const page of freshPagesOf(inspection.metadata, rangeOf(Buffer.of(table.tag)), pageSize)) {
      for (const entry of page) await verification.version(entry, table === objectKey)
    }
  }
  for await (const page of freshPagesOf(inspection.metadata, rangeOf(Buffer.of(uploadKey.tag)), pageSize)) {
    for (const entry of page) await verification.upload(entry)
  }
}

/** What stored streams belong to. */
interface Owner {
  readonly entry: Entry
  readonly place: Place
  readonly bucketId: Uint8Array
  readonly name: string
  readonly envelope: Envelope
  readonly details: Details
}

class Verification {
  readonly #inspection: Inspection
  readonly #authenticated = new Set<string>()

  constructor(inspection: Inspection) {
    this.#inspection = inspection
  }

  /** A record that does not open has been found before. */
  async version(entry: Entry, isCurrent: boolean): Promise<void> {
    const record = this.#inspection.tryOpen(entry, decodeObjectRecord)
    if (record?.kind !== 'object' || (isCurrent && record.inVersions)) return
    const [bucketId, name] = (isCurrent ? objectKey : versionKey).decode(entry.key)
    const details = await this.#details(record)
    if (!details) return
    const place = { ...this.#inspection.placeOf(entry), versionId: formatVersionId(record) }
    const owner = { entry, place, bucketId, name, envelope: record.envelope, details }
    const complete = { ...record, details }
    this.#inspection.count('verifiedVersions')
    await this.#withObjectKey(
      owner,
      record.sizeBytes,
      (dataKey) => unsealVersion(dataKey, record.envelope, boundContentOf(bucketId, name, complete)),
      (objectKeyBytes) => this.#verifyVersion(owner, complete, objectKeyBytes),
    )
    this.#inspection.progress(1)
  }

  async upload(entry: Entry): Promise<void> {
    const record = this.#inspection.tryOpen(entry, decodeUploadRecord)
    const details = record && (await this.#details(record))
    if (!record || !details) return
    const [bucketId, name, uploadId] = uploadKey.decode(entry.key)
    const owner = { entry, place: this.#inspection.placeOf(entry), bucketId, name, envelope: record.envelope, details }
    await this.#withObjectKey(
      owner,
      0,
      (dataKey) => unsealUpload(dataKey, record.envelope, { bucketId, name, uploadId, context: details.context }),
      (objectKeyBytes) =>
        this.#withTableKey(owner, objectKeyBytes, record.sealedTableKey, (key) =>
          this.#verifyParts(owner, uploadId, key),
        ),
    )
  }

  /** Details with the encryption context, which the envelope is bound to; `undefined` if they cannot be read. */
  async #details(record: { readonly details: Details; readonly overflow?: Overflow }): Promise<Details | undefined> {
    const { overflow } = record
    if (!overflow) return record.details
    try {
      const { metadata } = this.#inspection
      const bytes = await withSnapshot(metadata, (snapshot) => this.#inspection.records.overflow(snapshot, overflow))
      return decodeDetails(bytes, undefined)
    } catch (error) {
      // Found before, or gone with its record.
      if (isDamage(error)) return undefined
      throw error
    }
  }

  /** Opens the object key, if its data key can be had, and verifies with or without it. */
  async #withObjectKey(
    owner: Owner,
    sizeBytes: number,
    unseal: (dataKey: LayerKeys) => LayerKeys,
    verify: (objectKey: LayerKeys | undefined) => Promise<void>,
  ): Promise<void> {
    const { metadata, options, bucketName } = this.#inspection
    const { envelope, bucketId, name, details } = owner
    const keyRecord =
      'keyId' in envelope
        ? await withSnapshot(metadata, (snapshot) => this.#inspection.keyRecord(envelope.keyId, snapshot))
        : undefined
    const place = { bucketName: bucketName(bucketId), name }
    const opened = await openStoredDataKey(options, place, envelope, keyRecord, details.context)
    if ('missing' in opened) {
      const lost = lostKeys[opened.missing]
      if (lost) return this.#found(owner, 'damaged-envelope', owner.place, lost)
      this.#inspection.skip(opened.missing as SkipReason, sizeBytes)
      return verify(undefined)
    }
    let objectKeyBytes: LayerKeys | undefined
    try {
      objectKeyBytes = unseal(opened.dataKey)
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error
      return this.#found(owner, 'damaged-envelope', owner.place, 'the key to the data does not open')
    } finally {
      zeroLayers(opened.dataKey)
    }
    try {
      await verify(objectKeyBytes)
    } finally {
      zeroLayers(objectKeyBytes)
    }
  }

  async #withTableKey(
    owner: Owner,
    objectKeyBytes: LayerKeys | undefined,
    sealedTableKey: Uint8Array,
    verify: (tableKey: LayerKeys | undefined) => Promise<void>,
  ): Promise<void> {
    if (!objectKeyBytes) return verify(undefined)
    let tableKey: Buffer
    try {
      tableKey = unsealKey(objectKeyBytes.outer, sealedTableKey)
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error
      return this.#found(owner, 'damaged-envelope', owner.place, 'the key of the part table does not open')
    }
    try {
      const { inner } = objectKeyBytes
      await verify(inner ? { outer: tableKey, inner } : { outer: tableKey })
    } finally {
      zero(tableKey)
    }
  }

  async #verifyVersion(owner: Owner, record: ObjectVersion, objectKeyBytes: LayerKeys | undefined): Promise<void> {
    const { data, sizeBytes } = record
    if (data.kind === 'single') await this.#verifyStream(owner, owner.place, data, sizeBytes, objectKeyBytes)
    if (data.kind !== 'manifest') return
    await this.#withTableKey(owner, objectKeyBytes, data.sealedTableKey, async (tableKey) => {
      const { metadata } = this.#inspection
      const table = await withSnapshot(metadata, (snapshot) => readTable(this.#inspection, snapshot, data, sizeBytes))
      // A wrong table has been found before, or went with its object.
      if ('problem' in table) return
      for (const part of table.parts) {
        await this.#verifySegments(owner, { ...owner.place, partNumber: part.number }, part.segments, tableKey)
      }
    })
  }

  async #verifyParts(owner: Owner, uploadId: Uint8Array, tableKey: LayerKeys | undefined): Promise<void> {
    const range = rangeOf(partKey.prefix(uploadId))
    for await (const page of freshPagesOf(this.#inspection.metadata, range, pageSize)) {
      for (const entry of page) {
        const [, partNumber] = partKey.decode(entry.key)
        const part = this.#inspection.tryOpen(entry, decodePartRecord)
        if (!part) continue
        this.#inspection.count('verifiedParts')
        await this.#verifySegments({ ...owner, entry }, { ...owner.place, partNumber }, part.segments, tableKey)
        this.#inspection.progress(1)
      }
    }
  }

  async #verifySegments(
    owner: Owner,
    place: Place,
    segments: readonly Segment[],
    tableKey: LayerKeys | undefined,
  ): Promise<void> {
    for (const segment of segments) await this.#verifyStream(owner, place, segment, segment.sizeBytes, tableKey)
  }

  async #verifyStream(
    owner: Owner,
    place: Place,
    stream: StoredStream,
    sizeBytes: number,
    streamsKey: LayerKeys | undefined,
  ): Promise<void> {
    const blobId = formatId(stream.blobId)
    // The same bytes under the same nonce and key: copies seal that key anew, so it cannot tell them apart.
    const id = `${blobId}${formatId(stream.nonce)}`
    // Of two layers, opening the sealed key proves the outer one only: the inner key may be another for each who holds them.
    const isOneLayer = streamsKey !== undefined && streamsKey.inner === undefined
    if (isOneLayer && this.#authenticated.has(id) && opens(streamsKey.outer, stream.sealedKey)) return
    const state: StreamState = streamsKey
      ? await authenticateStream(this.#inspection, stream, sizeBytes, streamsKey)
      : await checkFraming(this.#inspection, stream, sizeBytes)
    if (state === 'damaged') {
      const what = streamsKey
        ? 'the stored bytes are not those that were sealed'
        : 'the stored bytes are not framed as they were'
      return this.#found(owner, 'damaged-data', { ...place, blobId }, what)
    }
    if (state === 'gone') return
    this.#inspection.count(streamsKey ? 'authenticatedBytes' : 'framedBytes', sizeBytes)
    if (!streamsKey) return
    if (this.#authenticated.size >= maxRemembered) this.#authenticated.clear()
    this.#authenticated.add(id)
  }

  /** Not what was overwritten while it was being read. */
  async #found(owner: Owner, kind: 'damaged-data' | 'damaged-envelope', place: Place, problem: string): Promise<void> {
    if (await hasChanged(this.#inspection, owner.entry)) return
    await this.#inspection.found({ kind, place, problem })
  }
}

function opens(key: Uint8Array, sealedKey: Uint8Array): boolean {
  try {
    zero(unsealKey(key, sealedKey))
    return true
  } catch (error) {
    if (error instanceof CryptoError) return false
    throw error
  }
}
