/**
 * The question that whoever keeps data keys asks before using one: may this key still be used, is it the same key, and is
 * it still at that version? Cheap enough to be asked for every object: `peekState` is a look-up.
 *
 * @module
 */
import type { KeyName, KeyState, KeyVersion, KmsCallOptions } from './contract.ts'
import { KmsError } from './kms-error.ts'

/** What is known of a key now. */
export interface KeyStateView {
  readonly state: KeyState
  /** Differs between two keys that had the same name one after the other. Opaque. */
  readonly generation: string
  /** Newest version: the one that seals. */
  readonly currentVersion: KeyVersion
}

/** Answers for the state of keys. */
export interface KeyStateSource {
  /** What is known without asking anybody, and is not older than a few seconds. */
  peekState(name: KeyName): KeyStateView | undefined
  /** @throws KmsError `key-not-found`, `unreachable`, … */
  keyState(name: KeyName, options?: KmsCallOptions): Promise<KeyStateView>
}

const refusals = {
  enabled: undefined,
  locked: ['key-disabled', 'is locked'],
  'pending-deletion': ['key-pending-deletion', 'is being deleted'],
} as const

/** @throws KmsError `key-disabled` or `key-pending-deletion` unless a key in that state may be used */
export function checkUsable(name: KeyName, state: KeyState): void {
  const refusal = refusals[state]
  if (refusal !== undefined) throw new KmsError(refusal[0], `key '${name}' ${refusal[1]}`)
}
