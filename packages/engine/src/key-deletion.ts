/**
 * Deleting keys (INVARIANTS 8): at once, or after 7 to 30 days in which it can be taken back. Refused while anything depends on
 * the key, unless forced with a reason.
 *
 * A deletion for later is a state of the key's record, `scheduled`, which keeps whatever would come to depend on the key out of
 * every commit, and a marker in the key store, which keeps the key from being used by anybody. The record is marked first and
 * taken back first: the sweep destroys only what both say is to be destroyed.
 *
 * @module
 */

import { type KeyDescription, KmsError } from '@strongroom/kms'
import type { Entry } from '@strongroom/storage'
import { isBeingDeleted } from './bucket-access.ts'
import type { EngineContext } from './context.ts'
import type { DeleteKeyOptions, KeyInfo, KeyUsage } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { encodeKeyRecord, type KeyRecord } from './key-record.ts'
import { findKey, findKeyById, keyArn, recordKey } from './key-registry.ts'
import { usageOf } from './key-usage.ts'
import { describeKey } from './keys.ts'
import { kmsFailure } from './kms-failure.ts'
import { keyNameKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** Days that a deletion may be scheduled for. */
export const deletionDays = { least: 7, most: 30 } as const

const dayMs = 86_400_000

/** A deletion of a key that is older than this was cut short. */
const cutShortMs = 600_000

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
  { force = false, reason = '' }: DeleteKeyOptions = {},
): Promise<KeyUsage> {
  checkReason(force, reason)
  return inTurn(context, name, () => deleteInTurn(context, name, force, anyState))
}

function checkReason(force: boolean, reason: string): void {
  if (!force || reason.trim() !== '') return
  throw new EngineError('InvalidRequest', { message: 'Deleting a key by force takes a reason.' })
}

/**
 * A record's age says that a deletion is dead only of another process: one of ours may just take long, and would then
 * destroy a key that was made under the name after a second deletion.
 */
async function inTurn<T>(context: EngineContext, name: string, work: () => Promise<T>): Promise<T> {
  if (context.keyTurns.isTaken(name)) throw new EngineError('OperationAborted')
  const endTurn = await context.keyTurns.take(name)
  try {
    return await work()
  } finally {
    endTurn()
  }
}

type KeyRecordState = KeyRecord['state']

const anyState: readonly KeyRecordState[] = ['active', 'scheduled', 'deleting']

/** @param from the states of the record in which it may begin */
async function deleteInTurn(
  context: EngineContext,
  name: string,
  force: boolean,
  from: readonly KeyRecordState[],
): Promise<KeyUsage> {
  const { deletionDueAtMs } = await describeKey(context, name)
  await recordKey(context, name, context.settings.rootAccountId)
  const { keyId, state } = await mark(context, name, from, 'deleting')
  // A deletion that was cut short no longer knows whether it had been for later; the key store does.
  const isScheduled = state === 'scheduled' || (state === 'deleting' && deletionDueAtMs !== undefined)
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
    if (!isDestroyed) await setState(context, keyId, isScheduled ? 'scheduled' : 'active')
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

/** Puts the record into a state, and says which it was in. @throws EngineError `OperationAborted` if it is in none of `from` */
async function mark(
  context: EngineContext,
  name: string,
  from: readonly KeyRecordState[],
  state: 'deleting' | 'scheduled',
): Promise<{ readonly keyId: Uint8Array; readonly state: KeyRecordState }> {
  return context.commits.run(async (snapshot, draft) => {
    const found = await findKey(context, snapshot, name)
    if (!found || found.record.state === 'deleted') throw new EngineError('KMS.NotFoundException')
    const { entry, record, id } = found
    if (isBeingDeleted(context, record) || !from.includes(record.state)) throw new EngineError('OperationAborted')
    const stateSinceMs = Math.trunc(context.now())
    draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord({ ...record, state, stateSinceMs }))
    return { keyId: id, state: record.state }
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

/**
 * Has a key deleted after some days. Until then it answers every use with `KMS.KMSInvalidStateException`, listings go on, and
 * {@link cancelKeyDeletion} takes it back.
 *
 * @throws EngineError `KeyInUse` while anything depends on it, `InvalidRequest` for days out of bounds, force without a reason, or
 * a KMS that cannot, `KMS.KMSInvalidStateException` for a key that awaits its deletion already, `KMS.NotFoundException`
 */
export async function scheduleKeyDeletion(
  context: EngineContext,
  name: string,
  { days = deletionDays.most, force = false, reason = '' }: DeleteKeyOptions & { readonly days?: number } = {},
): Promise<KeyInfo> {
  checkReason(force, reason)
  const { least, most } = deletionDays
  if (!Number.isInteger(days) || days < least || days > most) {
    throw new EngineError('InvalidRequest', { message: `A key is deleted after ${least} to ${most} days.` })
  }
  return inTurn(context, name, () => scheduleInTurn(context, name, new Date(context.now() + days * dayMs), force))
}

async function scheduleInTurn(context: EngineContext, name: string, dueAt: Date, force: boolean): Promise<KeyInfo> {
  const { state } = await describeKey(context, name)
  if (state === 'pending-deletion') throw pendingDeletion(context, name)
  await recordKey(context, name, context.settings.rootAccountId)
  const { keyId } = await mark(context, name, ['active'], 'scheduled')
  let isScheduled = false
  try {
    const usage = await withSnapshot(context, (snapshot) => usageOf(context, snapshot, name, keyId))
    if (usage.rows.length > 0 && !force) throw keyInUse(usage)
    await inKms(context, name, () => context.kms.scheduleKeyDeletion?.(name, dueAt) ?? noScheduling())
    isScheduled = true
  } finally {
    // A marker that was made all the same keeps the key out of use until the deletion is taken back, and destroys nothing.
    if (!isScheduled) await setState(context, keyId, 'active')
  }
  return describeKey(context, name)
}

/**
 * Takes a deletion back that is not due yet. The key is locked then, as it was at the latest when its deletion was scheduled.
 *
 * @throws EngineError `KMS.KMSInvalidStateException` once it is due, `KMS.NotFoundException`
 */
export async function cancelKeyDeletion(context: EngineContext, name: string): Promise<KeyInfo> {
  return inTurn(context, name, async () => {
    await describeKey(context, name)
    // The record first: from here on the sweep does not begin, and where it has begun this ends.
    const takenBack = await takeBack(context, name)
    let isCancelled = false
    try {
      await inKms(context, name, () => context.kms.cancelKeyDeletion?.(name) ?? noScheduling())
      isCancelled = true
    } finally {
      if (takenBack && !isCancelled) await setState(context, takenBack, 'scheduled')
    }
    return describeKey(context, name)
  })
}

/** @returns the key's id, if its deletion was scheduled */
function takeBack(context: EngineContext, name: string): Promise<Uint8Array | undefined> {
  return context.commits.run(async (snapshot, draft) => {
    const found = await findKey(context, snapshot, name)
    if (found?.record.state === 'deleting') throw pendingDeletion(context, name)
    if (found?.record.state !== 'scheduled') return undefined
    const { entry, record, id } = found
    const active: KeyRecord = { ...record, state: 'active', stateSinceMs: Math.trunc(context.now()) }
    draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord(active))
    return id
  })
}

function noScheduling(): never {
  throw new KmsError('unsupported', 'this key service deletes keys at once or not at all')
}

function pendingDeletion(context: EngineContext, name: string): EngineError {
  const arn = keyArn(context, context.settings.rootAccountId, name)
  return new EngineError('KMS.KMSInvalidStateException', { message: `${arn} is pending deletion.` })
}

async function inKms<T>(context: EngineContext, name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof KmsError && error.code === 'unsupported') {
      throw new EngineError('InvalidRequest', { message: error.message, cause: error })
    }
    throw kmsFailure(error, keyArn(context, context.settings.rootAccountId, name), 'write')
  }
}

/**
 * Looks after one key's record for the sweep: destroys what is due, and finishes, or takes back, what was cut short.
 *
 * @returns what depended on the key, if it was destroyed just now
 */
export async function sweepKey(context: EngineContext, entry: Entry, record: KeyRecord): Promise<KeyUsage | undefined> {
  // A clock that was put forward must not end a deletion that is alive in this process.
  if (record.state === 'active' || record.state === 'deleted' || context.keyTurns.isTaken(record.name)) return undefined
  const isOld = context.now() - record.stateSinceMs >= cutShortMs
  if (record.state === 'deleting' && !isOld) return undefined
  const found = await lookUp(context, record.name)
  if (found === 'unknown') return undefined
  if (found === 'gone') {
    if (await mayComeBack(context, record)) return undefined
  } else if (record.state === 'scheduled') {
    if (isDue(context, found)) return destroyDue(context, record.name)
    if (found.state === 'pending-deletion' || !isOld) return undefined
  }
  await putBack(context, entry, record, found)
  return undefined
}

/**
 * Whether a key that its store does not show is waited for: a store that is not whole may be again, and objects of a key that was
 * given up are lost for good. We destroy nothing without `deleting`; and with it a deletion that was cut short may have come as far
 * as the key or not, which matters to no one if nothing depends on the key. Who meant it asks again.
 */
async function mayComeBack(context: EngineContext, { name, state, stateSinceMs }: KeyRecord): Promise<boolean> {
  if (context.now() - stateSinceMs >= deletionDays.most * dayMs) return false
  if (state === 'scheduled') return true
  return withSnapshot(context, async (snapshot) => {
    const found = await findKey(context, snapshot, name)
    return found !== undefined && (await usageOf(context, snapshot, name, found.id)).rows.length > 0
  })
}

async function lookUp(context: EngineContext, name: string): Promise<KeyDescription | 'gone' | 'unknown'> {
  try {
    return await context.kms.describeKey(name)
  } catch (error) {
    return error instanceof KmsError && error.code === 'key-not-found' ? 'gone' : 'unknown'
  }
}

function isDue(context: EngineContext, { deletionDueAt }: KeyDescription): boolean {
  return deletionDueAt !== undefined && deletionDueAt.getTime() <= context.now()
}

/** By force: nothing can have come to depend on the key since it was scheduled, and what did before was accepted then. */
async function destroyDue(context: EngineContext, name: string): Promise<KeyUsage | undefined> {
  try {
    return await inTurn(context, name, () => deleteInTurn(context, name, true, ['scheduled']))
  } catch (error) {
    // Taken back at the last moment, or the KMS went: the next sweep sees what there is.
    if (error instanceof EngineError) return undefined
    throw error
  }
}

/** What a deletion that was cut short becomes. One that had been for later goes on: it cannot be taken back any more. */
async function putBack(
  context: EngineContext,
  entry: Entry,
  record: KeyRecord,
  found: KeyDescription | 'gone',
): Promise<void> {
  const state = found === 'gone' ? 'deleted' : found.deletionDueAt === undefined ? 'active' : 'scheduled'
  const stateSinceMs = Math.trunc(context.now())
  await context.commits.run(async (_snapshot, draft) => {
    draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord({ ...record, state, stateSinceMs }))
    if (state === 'deleted') draft.delete(keyNameKey.encode(record.name))
  })
}
