/**
 * Finding the EK that a request means, and deciding whether the requester may use it (issue 3 section 5, spec 1.5 rows 24
 * to 29). A key of another account answers as a missing one.
 *
 * @module
 */

import { isKeyName, KmsError } from '@strongroom/kms'
import type { Entry, Snapshot } from '@strongroom/storage'
import { corrupt } from './codec.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { AccountId, Requester } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { idBytes } from './ids.ts'
import { decodeKeyRecord, encodeKeyRecord, type KeyRecord } from './key-record.ts'
import { kmsFailure } from './kms-failure.ts'
import { ifReadable } from './record-store.ts'
import { keyKey, keyNameKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/** A key that was found and may be used. */
export interface KeyHandle {
  readonly id: Uint8Array
  readonly record: KeyRecord
}

/** A key's record with its place. */
export interface FoundKey extends KeyHandle {
  readonly entry: Entry
}

const bareArn = 'arn:aws:kms:'

/** The key's ARN, for messages. */
export function keyArn(context: EngineContext, accountId: AccountId, name: string): string {
  return `${bareArn}${context.settings.region}:${accountId}:key/${name}`
}

/** What a key id is made of; `undefined`: it is none. */
function splitKeyId(
  keyId: string,
): { readonly name: string; readonly region?: string; readonly accountId?: AccountId } | undefined {
  if (!keyId.startsWith(bareArn)) return isKeyName(keyId) ? { name: keyId } : undefined
  const rest = keyId.slice(bareArn.length)
  if (isKeyName(rest)) return { name: rest }
  const [region = '', accountId, resource, ...more] = rest.split(':', 4)
  const name = resource?.startsWith('key/') ? resource.slice('key/'.length) : ''
  if (accountId === undefined || more.length > 0 || !isKeyName(name)) return undefined
  return { name, region, accountId }
}

const idOfRegionOrAccount = /^[a-z0-9-]{0,64}$/

/** Whether a text is written as the name or the ARN of a key: nothing else of what clients send as one is fit for a log. */
export function isKeyId(text: string): boolean {
  const parts = splitKeyId(text)
  if (parts === undefined) return false
  return idOfRegionOrAccount.test(parts.region ?? '') && idOfRegionOrAccount.test(parts.accountId ?? '')
}

/** What a key id says: a name, and an account if it is a full ARN. @throws EngineError `KMS.NotFoundException` */
export function parseKeyId(
  context: EngineContext,
  shownKeyId: string,
): { readonly name: string; readonly accountId: AccountId | undefined } {
  const parts = splitKeyId(shownKeyId)
  if (parts === undefined) throw new EngineError('KMS.NotFoundException', { message: `Invalid keyId '${shownKeyId}'` })
  const { name, region, accountId } = parts
  if (region !== undefined && region !== context.settings.region) {
    throw new EngineError('KMS.NotFoundException', { message: `Invalid arn ${region}` })
  }
  return { name, accountId }
}

/** The record of the key that has this name now, or `undefined`. */
export async function findKey(context: EngineContext, snapshot: Snapshot, name: string): Promise<FoundKey | undefined> {
  const remembered = context.keyIds.get(name)
  const known = remembered && (await findKeyById(context, snapshot, remembered))
  if (known && known.record.state !== 'deleted') return known
  const id = await snapshot.get(keyNameKey.encode(name))
  if (!id) return undefined
  const found = await findKeyById(context, snapshot, id.value)
  // The entry of the name is not sealed: one that leads to another key must not have things sealed under that one.
  if (found && found.record.name !== name) corrupt('the name of a key leads to another one')
  context.keyIds.set(name, Buffer.from(id.value))
  return found
}

/** The record of a key by its id, or `undefined`. */
export async function findKeyById(
  context: EngineContext,
  snapshot: Snapshot,
  id: Uint8Array,
): Promise<FoundKey | undefined> {
  const entry = await snapshot.get(keyKey.encode(id))
  return entry && { id, entry, record: context.records.cached(entry, decodeKeyRecord) }
}

/** Whether an account may use a key. The deployment's key is everybody's. */
export function mayUse(context: EngineContext, record: KeyRecord, accountId: AccountId): boolean {
  if (record.ownerAccountId === accountId || record.grants.includes(accountId)) return true
  return record.name === parseKeyId(context, context.settings.defaultKey).name
}

/**
 * The key that a request, a bucket's rule or the deployment names. A key that is in the KMS without a record (its key
 * directory was moved in) becomes the root account's at its first use.
 *
 * @throws EngineError `KMS.NotFoundException`, also for a key that the requester may not use
 */
export async function resolveKey(context: EngineContext, requester: Requester, shownKeyId: string): Promise<KeyHandle> {
  const { name, accountId } = parseKeyId(context, shownKeyId)
  const found =
    (await withSnapshot(context, (snapshot) => findKey(context, snapshot, name))) ??
    (await adoptKey(context, requester, name))
  const isMissing =
    found === undefined ||
    found.record.state === 'deleted' ||
    !mayUse(context, found.record, requester.accountId) ||
    (accountId !== undefined && accountId !== found.record.ownerAccountId)
  if (!isMissing) return found
  const arn = keyArn(context, accountId ?? requester.accountId, name)
  throw new EngineError('KMS.NotFoundException', { message: `Key '${arn}' does not exist` })
}

/** Makes a record for a key that the KMS has and that nobody owns. */
async function adoptKey(context: EngineContext, requester: Requester, name: string): Promise<FoundKey | undefined> {
  const isDefault = name === parseKeyId(context, context.settings.defaultKey).name
  if (!requester.isRootAccount && !isDefault) return undefined
  try {
    await context.kms.describeKey(name)
  } catch (error) {
    if (error instanceof KmsError && (error.code === 'key-not-found' || error.code === 'invalid-name')) return undefined
    throw kmsFailure(error, keyArn(context, context.settings.rootAccountId, name), 'write')
  }
  await recordKey(context, name, context.settings.rootAccountId)
  return withSnapshot(context, (snapshot) => findKey(context, snapshot, name))
}

/**
 * Writes the record of a key of this name, unless there is one. Resolves to whether it was this call that wrote it.
 *
 * @param isNew the KMS has just made the key: a record whose deletion was cut short is about an earlier one of that name,
 * and shares nothing with it
 */
export async function recordKey(
  context: EngineContext,
  name: string,
  ownerAccountId: AccountId,
  { isNew = false }: { readonly isNew?: boolean } = {},
): Promise<boolean> {
  const id = Buffer.from(context.random(idBytes))
  return context.commits.run(async (snapshot, draft) => {
    const nameAt = keyNameKey.encode(name)
    const named = await snapshot.get(nameAt)
    // Not read where it does not matter: a damaged record must not keep the engine from starting.
    if (named && !isNew) return false
    const entry = named && (await snapshot.get(keyKey.encode(named.value)))
    const earlier = entry && ifReadable(() => context.records.cached(entry, decodeKeyRecord))
    const nowMs = Math.trunc(context.now())
    if (earlier) {
      if (earlier.state !== 'deleting') return false
      const deleted: KeyRecord = { ...earlier, state: 'deleted', stateSinceMs: nowMs }
      draft.check(entry.key, entry).putRecord(entry.key, encodeKeyRecord(deleted))
    }
    const record: KeyRecord = {
      name,
      ownerAccountId,
      createdAtMs: nowMs,
      state: 'active',
      stateSinceMs: nowMs,
      grants: [],
    }
    draft.check(nameAt, named).putRaw(nameAt, id).putRecord(keyKey.encode(id), encodeKeyRecord(record))
    return true
  })
}

/**
 * Checks, in a commit that makes something depend on a key, that the key is still there to stay.
 *
 * @throws EngineError `KMS.NotFoundException`, `KMS.KMSInvalidStateException` while it is being deleted
 */
export async function checkKey(
  context: EngineContext,
  snapshot: Snapshot,
  draft: CommitDraft,
  keyId: Uint8Array,
): Promise<void> {
  const found = await findKeyById(context, snapshot, keyId)
  if (!found || found.record.state === 'deleted') throw new EngineError('KMS.NotFoundException')
  const { entry, record } = found
  draft.check(entry.key, entry)
  if (record.state === 'active') return
  // Unlike a bucket's, this deletion ends outside of the store: only the sweeper takes a dead one back, after a long while.
  const arn = keyArn(context, record.ownerAccountId, record.name)
  throw new EngineError('KMS.KMSInvalidStateException', { message: `${arn} is pending deletion.` })
}
