/**
 * What a root key does for the keyring. DESIGN 7. A source hands its key to the work it is given and zeroes it afterwards.
 *
 * @module
 */

/** `key`: 32 bytes, wherever they are kept. `passphrase`: Argon2id of a passphrase. Frozen: the keyring notes it. */
export type RootKeyKind = 'key' | 'passphrase'

/** A source of root keys. */
export interface RootKey {
  readonly kind: RootKeyKind
  /**
   * Has `work` seal something new. `parameters` are kept beside it, readable and authenticated, and given to `unlock`.
   *
   * @throws KmsError `invalid-key`, `key-not-found`, `unreachable`
   */
  prepare(work: (key: Uint8Array, parameters: string) => Promise<void>): Promise<void>
  /**
   * Has `work` open something. `work` answers `undefined` when the key does not fit; a source with several candidates
   * then goes on to the next.
   *
   * @throws KmsError `invalid-key`, `key-not-found`, `unreachable`
   */
  unlock<T>(parameters: string, work: (key: Uint8Array) => Promise<T | undefined>): Promise<T | undefined>
}
