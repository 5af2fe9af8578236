/**
 * What is stored under a name, as Vault's KV engines answer (kes-protocol 8.4). The field that holds the value is called
 * like the key.
 *
 * @module
 */
import { KmsError } from '../../kms-error.ts'
import { isObject, type StoreAnswer, type StoreRequest } from '../store-client.ts'
import type { VaultSession } from './vault-session.ts'

/** What was found. */
export type VaultEntry =
  | { readonly state: 'absent' }
  /** `version` is the newest, of a KV v1 engine 0. */
  | { readonly state: 'present'; readonly text: string; readonly version: number }
  /** Something without a text in the field of that name. */
  | { readonly state: 'foreign'; readonly version: number }
  /** Of KV v2: the version is deleted; `isRecoverable` until it is destroyed. */
  | { readonly state: 'deleted'; readonly version: number; readonly isRecoverable: boolean }

/** Reads the answer to a GET of an entry. @throws KmsError, StoreError */
export function readVaultEntry(
  session: VaultSession,
  request: StoreRequest,
  answer: StoreAnswer,
  {
    name,
    engineVersion,
    needs,
  }: { readonly name: string; readonly engineVersion: 'v1' | 'v2'; readonly needs: string },
): VaultEntry {
  const { status } = answer
  if (status !== 200 && status !== 404) throw session.refusal(request, answer, needs)
  // Zeroes the body, so nothing of it is quoted below.
  const body = session.json(request, answer)
  const { data } = body
  if (status === 404 && !isObject(data)) {
    checkVaultAbsence(request, body)
    return { state: 'absent' }
  }
  if (!isObject(data)) throw session.nonsense(request, 'without data')
  if (engineVersion === 'v1') return fieldOf(data, name, 0)
  const metadata = isObject(data.metadata) ? data.metadata : {}
  const version = typeof metadata.version === 'number' ? metadata.version : 0
  if (status === 404) return { state: 'deleted', version, isRecoverable: metadata.destroyed !== true }
  return isObject(data.data) ? fieldOf(data.data, name, version) : { state: 'foreign', version }
}

function fieldOf(data: Readonly<Record<string, unknown>>, name: string, version: number): VaultEntry {
  const text = Object.hasOwn(data, name) ? data[name] : undefined
  return typeof text === 'string' ? { state: 'present', text, version } : { state: 'foreign', version }
}

/**
 * A mount that is not there, or of the other version, answers 404 as an absent entry does, but with words.
 *
 * @throws KmsError `unreachable`
 */
export function checkVaultAbsence({ path }: StoreRequest, body: Readonly<Record<string, unknown>>): void {
  const said = [body.errors, body.warnings].flatMap((list) => (Array.isArray(list) ? list : [])).join(' ')
  if (said.includes('versioned K/V')) {
    throw new KmsError('unreachable', `Vault: the engine at ${path} is of version 2: set version to v2`)
  }
  if (said.includes('no handler for route')) {
    throw new KmsError('unreachable', `Vault: no engine is mounted at ${path}: look at engine and namespace`)
  }
}
