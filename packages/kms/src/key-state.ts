/**
 * The question that a cache in front of a `Kms` asks before it answers: may this key still be used, and is it the same key?
 *
 * @module
 */
import type { KeyName, KeyState, KmsCallOptions } from './contract.ts'

/** What is known of a key now. */
export interface KeyStateView {
  readonly state: KeyState
  /** Differs between two keys that had the same name one after the other. Opaque. */
  readonly generation: string
}

/** Answers for the state of keys, at once where it can. @throws KmsError `key-not-found`, `unreachable`, … */
export interface KeyStateSource {
  keyState(name: KeyName, options?: KmsCallOptions): KeyStateView | Promise<KeyStateView>
}
