/**
 * What depends on a key, exactly (DESIGN 1, promise 7): the key index says in which buckets and under which versions, the
 * counters say how much. And deleting a key, which is refused while anything does.
 *
 * @module
 */

import { KmsError } from '@strongroom/kms'
import type { Snapshot } from '@strongroom/storage'
import { bucketRecordOf, isBeingDeleted } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { KeyUsage, KeyUsageCounts } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId } from './ids.ts'
import { encodeKeyRecord, type KeyRecord } from './key-record.ts'
import { findKey, findKeyById, keyArn, recordKey } from './key-registry.ts'
import { describeKey } from './keys.ts'
import { kmsFailure } from './kms-failure.ts'
import { bucketKey, keyCountKey, keyCounts, keyNameKey, rangeOf, useUploadKey, useVersionKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

const noUsage: KeyUsageCounts = { objects: 0, versions: 0, bytes: 0, uploads: 0, parts: 0, partBytes: 0 }

/** What depends on a key now. @throws EngineError `KMS.NotFoundException` */
export async function keyUsage(context: EngineContext, name: string): Promise<KeyUsage> {
  await describeKey(context, name)
  return withSnapshot(context, async (snapshot) => {
    const found = await findKey(context, snapshot, name)
    return found ? usageOf(context, snapshot, name, found.id) : { name, total: noUsage, rows: [] }
  })
}

async function usageOf(context: EngineContext, snapshot: Snapshot, name: string, keyId: Uint8Array): Promise<KeyUsage> {
  const rows: KeyUsage['rows'][number][] = []
  const total = { ...noUsage }
  for (const { keyVersion, bucketId } of await usePlaces(snapshot, keyId)) {
    const counts = { ...noUsage }
    for (const [index, what] of keyCounts.entries()) {
      counts[what] = await snapshot.counter(keyCountKey.encode(keyId, keyVersion, bucketId, index))
      total[what] += counts[what]
    }
    const entry = await snapshot.get(bucketKey.encode(bucketId))
    rows.push({ keyVersion, bucket: entry ? bucketRecordOf(context, entry).name : formatId(bucketId), ...counts })
  }
  return { name, total, rows }
}

interface UsePlace {
  readonly keyVersion: number
  readonly bucketId: Uint8Array
}

/** Key versions and buckets in which something needs the key: one seek in the index for each. */
async function usePlaces(snapshot: Snapshot, keyId: Uint8Array): Promise<UsePlace[]> {
  const places = new Map<string, UsePlace>()
  for (const table of [useVersionKey, useUploadKey]) {
    let { gte, lt } = rangeOf(table.prefix(keyId))
    for (;;) {
      const [entry] = await snapshot.list({ gte, lt, limit: 1 })
      if (!entry) break
      const [, keyVersion, bucketId] = table.decode(entry.key)
      places.set(`${keyVersion.toString().padStart(16, '0')}/${formatId(bucketId)}`, { keyVersion, bucketId })
      gte = rangeOf(table.prefix(keyId, keyVersion, bucketId)).lt
    }
  }
  return [...places].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place)
}

/**
 * Destroys a key and all its versions. First its record says `deleting`: every commit that makes something depend on the
 * key checks the record, so what the index says then stays true.
 *
 * @returns what depended on the key; not empty only if forced
 * @throws EngineError `KeyInUse`, `InvalidRequest` for force without a reason, `KMS.NotFoundException`, `OperationAborted`
 * while it is being deleted already
 */
export async function deleteKey(
  context: EngineContext,
  name: string,
  { force = false, reason = '' }: { readonly force?: boolean; readonly reason?: string } = {},
): Promise<KeyUsage> {
  if (force && reason.trim() === '') {
    throw new EngineError('InvalidRequest', { message: 'Deleting a key by force takes a reason.' })
  }
  // A record's age says that a deletion is dead only of another process: one of ours may just take long, and would then
  // destroy a key that was made under the name after a second deletion.
  if (context.keyTurns.isTaken(name)) throw new EngineError('OperationAborted')
  const endTurn = await context.keyTurns.take(name)
  try {
    return await deleteInTurn(context, name, force)
  } finally {
    endTurn()
  }
}

async function deleteInTurn(context: EngineContext, name: string, force: boolean): Promise<KeyUsage> {
  await describeKey(context, name)
  await recordKey(context, name, context.settings.rootAccountId)
  const keyId = await markDeleting(context, name)
  let isDestroyed = false
  try {
    const { usage, version } = await withSnapshot(context, async (snapshot) => ({
      usage: await usageOf(context, snapshot, name, keyId),
      version: (await findKeyById(context, snapshot, keyId))?.entry.version,
    }))
    if (usage.rows.length > 0 && !force) throw keyInUse(usage)
    await checkStillDeleting(context, keyId, version)
    await destroy(context, name)
    isDestroyed = true
    await setState(context, keyId, 'deleted')
    return usage
  } finally {
    if (!isDestroyed) await setState(context, keyId, 'active')
  }
}

/** A deletion that stood still for long may have been put back: what the index said is then true no more. */
async function checkStillDeleting(
  context: EngineContext,
  keyId: Uint8Array,
  version: number | undefined,
): Promise<void> {
  const found = await withSnapshot(context, (snapshot) => findKeyById(context, snapshot, keyId))
  if (found?.record.state !== 'deleting' || found.entry.version !== version) throw new EngineError('OperationAborted')
}

function keyInUse({ name, total }: KeyUsage): EngineError {
  const message =
    `The key '${name}' is needed by ${total.versions} object versions (${total.bytes} bytes) of ${total.objects} objects ` +
    `and by ${total.uploads} running uploads (${total.parts} parts, ${total.partBytes} bytes).`
  return new EngineError('KeyInUse', { message })
}

async function markDeleting(context: EngineContext, name: string): Promise<Uint8Array> {
  return context.commits.run(async (snapshot, draft) => {
    const found = await findKey(context, snapshot, name)
    if (!found || found.record.state === 'deleted') throw new EngineError('KMS.NotFoundException')
    const { entry, record, id } = found
    if (isBeingDeleted(context, record)) throw new EngineError('OperationAborted')
    const stateSinceMs = Math.trunc(context.now())
    draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord({ ...record, state: 'deleting', stateSinceMs }))
    return id
  })
}

async function destroy(context: EngineContext, name: string): Promise<void> {
  try {
    await context.kms.deleteKey(name)
  } catch (error) {
    // Gone already: a deletion that was cut short is being finished.
    if (error instanceof KmsError && error.code === 'key-not-found') return
    throw kmsFailure(error, keyArn(context, context.settings.rootAccountId, name), 'write')
  }
}

async function setState(context: EngineContext, keyId: Uint8Array, state: KeyRecord['state']): Promise<void> {
  await context.commits.run(async (snapshot, draft) => {
    const found = await findKeyById(context, snapshot, keyId)
    // Only a deletion is taken back: what was deleted meanwhile stays so.
    if (!found || found.record.state === state || found.record.state === 'deleted') return
    const { entry, record } = found
    const stateSinceMs = Math.trunc(context.now())
    draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord({ ...record, state, stateSinceMs }))
    // The name is free again; a new key of this name gets an id of its own and shares nothing with this one.
    if (state === 'deleted') draft.delete(keyNameKey.encode(record.name))
  })
}
