/**
 * What the rest of the house sees of a key management service, and what a key service needs of a place to keep keys.
 * DESIGN 7. Every `KeyStore` passes `./keystores/key-store.suite.ts`, every `Kms` passes `./kms.suite.ts`.
 *
 * @module
 */

/** 1 to 80 of `0-9 A-Z a-z - _`; see `isKeyName`. The form that KES takes (kes-protocol 5.1). */
export type KeyName = string

/** 1, 2, 3 …: version 1 is the KES entry `name`, version n the entry `name-v-n`. */
export type KeyVersion = number

export type KeyState = 'enabled' | 'locked' | 'pending-deletion'

export type KeyAlgorithm = 'AES256' | 'ChaCha20'

/** A new data key. The caller owns `plaintext` and zeroes it. */
export interface DataKey {
  readonly keyVersion: KeyVersion
  /** 32 bytes. */
  readonly plaintext: Uint8Array
  /** What the KMS needs to give it back; opaque. */
  readonly ciphertext: Uint8Array
}

export interface KeyDescription {
  readonly name: KeyName
  readonly state: KeyState
  readonly algorithm: KeyAlgorithm
  /** Of a key whose deletion is scheduled: when its material may be destroyed. */
  readonly deletionDueAt?: Date
  /** Newest version: the one that seals. */
  readonly currentVersion: KeyVersion
  readonly versions: readonly { readonly version: KeyVersion; readonly createdAt: Date; readonly createdBy: string }[]
}

/** Every call may be given a signal that ends the waiting; `unreachable` is thrown then. */
export interface KmsCallOptions {
  readonly signal?: AbortSignal
}

/**
 * A key management service. `context` is associated data, verbatim bytes: what was given at sealing must be given again.
 *
 * @throws KmsError `key-not-found`, `key-disabled` (locked), `key-pending-deletion`, `not-authentic`, `permission-denied`,
 * `unreachable` (down, slow or cut off, after a bounded time), `busy`
 */
export interface Kms {
  createKey(name: KeyName, options?: KmsCallOptions & { readonly algorithm?: KeyAlgorithm }): Promise<KeyDescription>
  /** Takes 32 bytes of key material, zeroed by the caller afterwards. */
  importKey(
    name: KeyName,
    material: Uint8Array,
    options?: KmsCallOptions & { readonly algorithm?: KeyAlgorithm },
  ): Promise<KeyDescription>
  describeKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription>
  /** Names (not versions) that match `pattern`: a name, or a prefix followed by `*`. In byte order. */
  listKeys(pattern: string, options?: KmsCallOptions): Promise<readonly KeyName[]>
  generateDataKey(name: KeyName, context: Uint8Array, options?: KmsCallOptions): Promise<DataKey>
  /** Seals up to 64 KiB under the newest version. */
  encrypt(
    name: KeyName,
    plaintext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<{ readonly keyVersion: KeyVersion; readonly ciphertext: Uint8Array }>
  decrypt(
    name: KeyName,
    keyVersion: KeyVersion,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options?: KmsCallOptions,
  ): Promise<Uint8Array>
  hmac(name: KeyName, message: Uint8Array, options?: KmsCallOptions): Promise<Uint8Array>
  /** Makes a new version; older ones keep opening. */
  rotateKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription>
  lockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription>
  unlockKey(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription>
  /**
   * Locks a key and notes when it is to be deleted; `deleteKey` does that, and is the caller's to call then. Until then the key
   * is `pending-deletion`. Absent where the KMS knows no such thing.
   */
  scheduleKeyDeletion?(name: KeyName, dueAt: Date, options?: KmsCallOptions): Promise<KeyDescription>
  /**
   * Takes a scheduled deletion back, as long as it is not due. The key stays locked. A key that awaits none stays as it is.
   *
   * @throws KmsError `key-pending-deletion` once it is due or being destroyed
   */
  cancelKeyDeletion?(name: KeyName, options?: KmsCallOptions): Promise<KeyDescription>
  /** Destroys all versions. Whether anything depends on them is the caller's question. */
  deleteKey(name: KeyName, options?: KmsCallOptions): Promise<void>
  status(options?: KmsCallOptions): Promise<{ readonly reachable: boolean; readonly detail?: string }>
  /** Another process changed the key: what is remembered of it counts no more. Only where something is remembered. */
  forgetKey?(name: KeyName): void
  close(): Promise<void>
}

/**
 * A place that keeps named values, exclusively created and never updated (KES's own contract, kes-protocol 8.1).
 *
 * @throws KmsError `key-exists` (create), `key-not-found` (get, delete), `key-pending-deletion` (create, over an entry that
 * was deleted and can be recovered; the message says how), `unreachable`, `busy`, `permission-denied`, `invalid-name`
 */
export interface KeyStore {
  /** Durable when it resolves; exactly one of two creators of one name wins. */
  create(name: string, value: Uint8Array): Promise<void>
  get(name: string): Promise<Uint8Array>
  /** Where the store has a window of recovery, the entry can be recovered in it; until then its name stays taken. */
  delete(name: string): Promise<void>
  /**
   * Stores that can do it in one step only: puts another value in the place of an entry, or makes it. For markers, never for
   * keys. Durable when it resolves; at no moment is there nothing, or a part.
   */
  replace?(name: string, value: Uint8Array): Promise<void>
  /** Stores with a window of recovery only: removes an entry for good, deleted before or not. */
  purge?(name: string): Promise<void>
  /** Stores with a window of recovery only: brings a deleted entry back. `key-not-found` when there is none. */
  recover?(name: string): Promise<void>
  /** All names that begin with `prefix`, in byte order, by pages of the store's own choosing. */
  list(prefix: string): AsyncIterable<string>
  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }>
  close(): Promise<void>
}
