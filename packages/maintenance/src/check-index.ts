/**
 * Phase `index`: buckets and keys with the entries by which they are found, sessions, accounts, and keys of no table.
 *
 * @module
 */

import {
  bucketKey,
  bucketNameKey,
  decodeBucketRecord,
  decodeBucketTags,
  decodeKeyRecord,
  decodeSessionRecord,
  encodeSessionRecord,
  formatId,
  isKeyInKms,
  type KeyRecord,
  keyKey,
  keyNameKey,
  ownedBucketKey,
  rangeOf,
  sessionKey,
  useUploadKey,
  useVersionKey,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import { checkOverflow } from './check-details.ts'
import { IndexCheck } from './index-check.ts'
import { type AccountsCheck, type AccountsProblem, type Inspection, isUnchanged, type Repair } from './inspection.ts'
import { accountTags, isKnownTag } from './places.ts'
import { entriesOf, type KeyRange } from './walk.ts'

const tableRange = (tag: number): KeyRange => rangeOf(Buffer.of(tag))

/** See the module's comment. */
export async function checkIndex(inspection: Inspection): Promise<void> {
  await checkTags(inspection)
  await checkBuckets(inspection)
  await checkKeys(inspection)
  await checkAccounts(inspection)
  for await (const entry of entriesOf(inspection.snapshot, tableRange(sessionKey.tag))) {
    await inspection.open(entry, decodeSessionRecord, { repair: endSession(entry) })
    inspection.count('sessions')
  }
}

async function checkAccounts(inspection: Inspection): Promise<void> {
  const check = inspection.options.checkAccounts ?? openAccounts(inspection)
  const entries = await check(inspection.snapshot, async ({ repair, ...finding }) => {
    await inspection.found({ ...finding, ...(repair ? { repair: accountsRepair(repair) } : undefined) })
  })
  inspection.count('accountRecords', entries)
}

/** Where nobody knows these tables: their records open. */
function openAccounts(inspection: Inspection): AccountsCheck {
  return async (snapshot) => {
    let entries = 0
    const range = { gte: Buffer.of(accountTags.first), lt: Buffer.of(accountTags.last + 1) }
    for await (const entry of entriesOf(snapshot, range)) {
      await inspection.open(entry, (body) => body)
      entries += 1
    }
    return entries
  }
}

function accountsRepair({ checks, puts, deletes }: NonNullable<AccountsProblem['repair']>): Repair {
  return async (snapshot, draft) => {
    for (const { key, version } of checks) {
      const entry = await snapshot.get(key)
      draft.check(key, entry)
      if ((entry?.version ?? 'absent') !== version) return false
    }
    for (const { key, value } of puts) draft.putRaw(key, value)
    for (const key of deletes) draft.delete(key)
    return true
  }
}

/**
 * Whoever wrote under a session whose record cannot be read is taken for dead: no commit of it can succeed from then on, and
 * the sweeper finds what it left.
 */
function endSession(entry: Entry): Repair {
  return async (snapshot, draft) => {
    if (!(await isUnchanged(snapshot, draft, entry.key, entry))) return false
    draft.putRecord(entry.key, encodeSessionRecord({ startedAtMs: 0, state: 'ended' }))
    return true
  }
}

/** One seek for each table that has entries. */
async function checkTags(inspection: Inspection): Promise<void> {
  const end = Buffer.of(0xff)
  for (let from: Uint8Array = Buffer.of(0); ; ) {
    const [entry] = await inspection.snapshot.list({ gte: from, lt: end, limit: 1 })
    const tag = entry?.key[0]
    if (!entry || tag === undefined) return
    if (!isKnownTag(tag)) {
      const place = inspection.placeOf(entry)
      await inspection.found({ kind: 'unknown-key', place, problem: 'keys of a table that this release does not know' })
    }
    from = Buffer.of(tag + 1)
  }
}

async function checkBuckets(inspection: Inspection): Promise<void> {
  const check = new IndexCheck(inspection, {
    kind: 'bucket-index',
    tags: [bucketNameKey.tag, ownedBucketKey.tag],
    recordKey: (id) => bucketKey.encode(id),
    calledFor(entry) {
      const record = inspection.tryOpen(entry, decodeBucketRecord)
      return record && [bucketNameKey.encode(record.name), ownedBucketKey.encode(record.ownerAccountId, record.name)]
    },
  })
  for await (const entry of entriesOf(inspection.snapshot, tableRange(bucketKey.tag))) {
    const [id] = bucketKey.decode(entry.key)
    inspection.count('buckets')
    inspection.progress(1)
    const record = await inspection.open(entry, decodeBucketRecord)
    if (!record) continue
    inspection.buckets.set(formatId(id), record)
    if (record.overflow) await checkOverflow(inspection, { bucket: record.name }, record.overflow, decodeBucketTags)
    await check.forward(entry, id)
  }
  await check.backward()
}

async function checkKeys(inspection: Inspection): Promise<void> {
  const check = new IndexCheck(inspection, {
    kind: 'key-name',
    tags: [keyNameKey.tag],
    recordKey: (id) => keyKey.encode(id),
    calledFor(entry) {
      const record = inspection.tryOpen(entry, decodeKeyRecord)
      return record && (record.state === 'deleted' ? [] : [keyNameKey.encode(record.name)])
    },
  })
  for await (const entry of entriesOf(inspection.snapshot, tableRange(keyKey.tag))) {
    const [id] = keyKey.decode(entry.key)
    inspection.count('keys')
    inspection.progress(1)
    const record = await inspection.open(entry, decodeKeyRecord)
    if (!record) continue
    await check.forward(entry, id)
    await checkKeyMaterial(inspection, id, record)
  }
  await check.backward()
}

/** A key that something needs is in the KMS. One that was destroyed on purpose is not missed. */
async function checkKeyMaterial(inspection: Inspection, id: Uint8Array, record: KeyRecord): Promise<void> {
  if (record.state !== 'active') return
  const isThere = await isKeyInKms(inspection.options.kms, record.name)
  if (isThere === undefined) inspection.count('keysNotAskedFor')
  if (isThere !== false || !(await isNeeded(inspection, id))) return
  const place = { key: record.name, id: formatId(id) }
  await inspection.found({ kind: 'key-missing', place, problem: 'the key service does not have it, and data needs it' })
}

async function isNeeded(inspection: Inspection, keyId: Uint8Array): Promise<boolean> {
  for (const table of [useVersionKey, useUploadKey]) {
    const entries = await inspection.snapshot.list({ ...rangeOf(table.prefix(keyId)), limit: 1 })
    if (entries.length > 0) return true
  }
  return false
}
