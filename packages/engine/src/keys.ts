/**
 * Administering EKs (issue 3 section 5): the key itself is in the KMS, its owner, grants and dependants are records here.
 *
 * @module
 */

import { type KeyDescription, KmsError } from '@strongroom/kms'
import type { EngineContext } from './context.ts'
import type { AccountId, Engine, KeyInfo } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId } from './ids.ts'
import { decodeKeyRecord, encodeKeyRecord, type KeyRecord, maxGrants } from './key-record.ts'
import { type FoundKey, findKey, keyArn, parseKeyId, recordKey } from './key-registry.ts'
import { kmsFailure } from './kms-failure.ts'
import { ifReadable } from './record-store.ts'
import { keyKey, keyNameKey } from './tables.ts'
import { withSnapshot } from './with-snapshot.ts'

/**
 * Makes a key.
 *
 * @throws EngineError `KeyAlreadyExists`, also for a key whose material is lost: what depends on that would be taken for the new
 * key's; `KMS.NotFoundException` for an impossible name
 */
export async function createKey(
  context: EngineContext,
  { requester, name }: Parameters<Engine['createKey']>[0],
): Promise<KeyInfo> {
  await checkNotLost(context, name)
  return addKey(context, requester.accountId, name, () => context.kms.createKey(name))
}

/** A key with a live record and no material. Importing that brings it back. */
async function checkNotLost(context: EngineContext, name: string): Promise<void> {
  if (!(await isKnown(context, name)) || (await describeKey(context, name)).state !== 'missing') return
  throw new EngineError('KeyAlreadyExists', {
    message: `The material of the key '${name}' is lost. Import it again, or delete the key before another one gets its name.`,
  })
}

/**
 * Makes a key of given material, which stays the caller's; or brings the material of a key back that is lost.
 *
 * @throws EngineError as {@link createKey}, `InvalidArgument`
 */
export async function importKey(
  context: EngineContext,
  { requester, name, material }: Parameters<Engine['importKey']>[0],
): Promise<KeyInfo> {
  return addKey(context, requester.accountId, name, () => context.kms.importKey(name, material))
}

async function addKey(
  context: EngineContext,
  accountId: AccountId,
  name: string,
  make: () => Promise<KeyDescription>,
): Promise<KeyInfo> {
  try {
    await make()
  } catch (error) {
    throw adminFailure(context, error, name)
  }
  // After a crash between the two the key is there without a record, and becomes the root account's at its first use.
  await recordKey(context, name, accountId, { isNew: true })
  return describeKey(context, name)
}

function adminFailure(context: EngineContext, error: unknown, name: string): unknown {
  if (!(error instanceof KmsError)) return error
  if (error.code === 'key-exists') return new EngineError('KeyAlreadyExists', { cause: error })
  if (error.code === 'invalid-name') {
    return new EngineError('KMS.NotFoundException', { message: `Invalid keyId '${name}'`, cause: error })
  }
  if (error.code === 'invalid-key') return new EngineError('InvalidArgument', { message: error.message, cause: error })
  return kmsFailure(error, keyArn(context, context.settings.rootAccountId, name), 'write')
}

/** Runs a call on a key and describes what the key is then. */
async function change(
  context: EngineContext,
  name: string,
  call: (name: string) => Promise<unknown>,
): Promise<KeyInfo> {
  try {
    await call(name)
  } catch (error) {
    throw adminFailure(context, error, name)
  }
  return describeKey(context, name)
}

/** Makes a new version; what the older ones sealed stays readable. */
export async function rotateKey(context: EngineContext, name: string): Promise<KeyInfo> {
  const info = await change(context, name, () => context.kms.rotateKey(name))
  context.dataKeys.forgetVersion(name)
  return info
}

/** Stops reads and writes of everything that needs the key, from the next request on. */
export function lockKey(context: EngineContext, name: string): Promise<KeyInfo> {
  return change(context, name, () => context.kms.lockKey(name))
}

/** Takes a lock back. */
export function unlockKey(context: EngineContext, name: string): Promise<KeyInfo> {
  return change(context, name, () => context.kms.unlockKey(name))
}

/** @throws EngineError `KMS.NotFoundException` if neither the KMS nor the records know the name */
export async function describeKey(context: EngineContext, name: string): Promise<KeyInfo> {
  const found = await withSnapshot(context, (snapshot) => findKey(context, snapshot, name))
  const live = found?.record.state === 'deleted' ? undefined : found
  let description: KeyDescription | undefined
  try {
    description = await context.kms.describeKey(name)
  } catch (error) {
    const isUnknown = error instanceof KmsError && (error.code === 'key-not-found' || error.code === 'invalid-name')
    if (!isUnknown) throw adminFailure(context, error, name)
  }
  if (!live && !description) {
    const arn = keyArn(context, context.settings.rootAccountId, name)
    throw new EngineError('KMS.NotFoundException', { message: `Key '${arn}' does not exist` })
  }
  return keyInfo(context, name, live, description)
}

function keyInfo(
  context: EngineContext,
  name: string,
  found: FoundKey | undefined,
  description: KeyDescription | undefined,
): KeyInfo {
  const isLeaving = found?.record.state === 'deleting' || found?.record.state === 'scheduled'
  const dueAt = description?.deletionDueAt
  return {
    name,
    id: found ? formatId(found.id) : '',
    ownerAccountId: found?.record.ownerAccountId ?? context.settings.rootAccountId,
    state: !description ? 'missing' : isLeaving ? 'pending-deletion' : description.state,
    ...(dueAt ? { deletionDueAtMs: dueAt.getTime() } : undefined),
    currentVersion: description?.currentVersion ?? 0,
    versions: (description?.versions ?? []).map(({ version, createdAt }) => ({
      version,
      createdAtMs: createdAt.getTime(),
    })),
    grants: found?.record.grants ?? [],
  }
}

/** Keys whose name matches: a name, or a prefix followed by `*`. */
export async function listKeys(context: EngineContext, pattern: string): Promise<readonly KeyInfo[]> {
  const names = await context.kms.listKeys(pattern).catch((error: unknown) => {
    throw adminFailure(context, error, pattern)
  })
  const keys: KeyInfo[] = []
  for (const name of names) keys.push(await describeKey(context, name))
  return keys
}

/** Lets another account use a key. @throws EngineError `KMS.NotFoundException`, `InvalidRequest` for too many grants */
export function grantKey(context: EngineContext, name: string, accountId: AccountId): Promise<KeyInfo> {
  return changeGrants(context, name, (grants) => [...grants.filter((granted) => granted !== accountId), accountId])
}

/** Takes a grant back; it need not be there. @throws EngineError `KMS.NotFoundException` */
export function revokeKey(context: EngineContext, name: string, accountId: AccountId): Promise<KeyInfo> {
  return changeGrants(context, name, (grants) => grants.filter((granted) => granted !== accountId))
}

async function changeGrants(
  context: EngineContext,
  name: string,
  changed: (grants: readonly AccountId[]) => readonly AccountId[],
): Promise<KeyInfo> {
  // A key without a record gets one first; a name that the KMS does not know ends here.
  await describeKey(context, name)
  await recordKey(context, name, context.settings.rootAccountId)
  await context.commits.run(async (snapshot, draft) => {
    const found = await findKey(context, snapshot, name)
    if (!found || found.record.state === 'deleted') throw new EngineError('KMS.NotFoundException')
    const record: KeyRecord = { ...found.record, grants: changed(found.record.grants) }
    if (record.grants.length > maxGrants) {
      throw new EngineError('InvalidRequest', { message: `A key has at most ${maxGrants} grants.` })
    }
    draft.check(found.entry.key, found.entry).putRecord(found.entry.key, encodeKeyRecord(record))
  })
  return describeKey(context, name)
}

/**
 * The deployment's key is there before the first request: made if the KMS lacks it, recorded if it has no record. Resolves
 * to whether it is there: a KMS that cannot be reached, or that refuses, does not keep the server from starting, because
 * listings need no key (DESIGN 1, promise 5).
 */
export async function ensureDefaultKey(context: EngineContext): Promise<boolean> {
  const { name } = parseKeyId(context, context.settings.defaultKey)
  try {
    const isNew = await makeIfMissing(context, name)
    if (isNew === undefined) return false
    await recordKey(context, name, context.settings.rootAccountId, { isNew })
    return true
  } catch (error) {
    if (error instanceof KmsError) return false
    throw error
  }
}

/** Whether it was made now; `undefined` if it is lost. @throws KmsError */
async function makeIfMissing(context: EngineContext, name: string): Promise<boolean | undefined> {
  try {
    await context.kms.describeKey(name)
    return false
  } catch (error) {
    if (!(error instanceof KmsError && error.code === 'key-not-found')) throw error
  }
  // Its material is lost, or its store is not there yet: another key in its place would be taken for it.
  if (await isKnown(context, name)) return undefined
  try {
    await context.kms.createKey(name)
    return true
  } catch (error) {
    // Another node was faster.
    if (error instanceof KmsError && error.code === 'key-exists') return false
    throw error
  }
}

/** Whether there is a live record of a key; one that cannot be read is none, nor is one whose deletion was cut short. */
function isKnown(context: EngineContext, name: string): Promise<boolean> {
  return withSnapshot(context, async (snapshot) => {
    const named = await snapshot.get(keyNameKey.encode(name))
    const entry = named && (await snapshot.get(keyKey.encode(named.value)))
    const record = entry && ifReadable(() => context.records.cached(entry, decodeKeyRecord))
    return record !== undefined && record.state !== 'deleting' && record.state !== 'deleted'
  })
}
