/**
 * Key management: the `Kms` and `KeyStore` contracts, the built-in key service with its stores and caches, and the keyring
 * that the root key wraps. DESIGN 7.
 *
 * @module
 */

export { decodeBase64 } from './base64.ts'
export { BoundedKms, type BoundedKmsOptions, type KmsObserver, type KmsResult } from './bounded-kms.ts'
export { CachingKms } from './caching-kms.ts'
export type * from './contract.ts'
export { DataKeyCache, type DataKeyCacheCounts, type DataKeyCacheOptions, type DataKeyId } from './data-key-cache.ts'
export { DelegatingKms, type KmsOperation } from './delegating-kms.ts'
export { type EntryShape, entryShape, isReservedName } from './entry-name.ts'
export { isSameKeyInUse, kindOfEntry } from './entry-proof.ts'
export type { KeyExpiry } from './expiry.ts'
export { isKeyName, type KeyPattern, parseKeyPattern } from './key-name.ts'
export { replaceEntry } from './key-recovery.ts'
export { type CreateOptions, KeyService, type KeyServiceOptions } from './key-service.ts'
export type { KeyStateSource, KeyStateView } from './key-state.ts'
export type { OpenedByVersion, StoredKeyDescription } from './key-wire.ts'
export { Keyring, type KeyringKeys, newKeyring, withNewKey, withNextCredentials } from './keyring.ts'
export { decodeKeyringBody, encodeKeyringBody } from './keyring-body.ts'
export {
  addMetadataKey,
  createKeyring,
  type KeyringClock,
  type KeyringLocation,
  keyringFileName,
  openKeyring,
  rotateRootCredentials,
  rotateRootKey,
} from './keyring-file.ts'
export { FilesKeyStore, type FilesKeyStoreOptions } from './keystores/files-key-store.ts'
export type * from './keystores/key-store-settings.ts'
export { MemoryKeyStore } from './keystores/memory-key-store.ts'
export { openKeyStore } from './keystores/open-key-store.ts'
export { copyKeys, SealedKeyStore, type SealedKeyStoreOptions } from './keystores/sealed-key-store.ts'
export type { StoreDependencies } from './keystores/store-dependencies.ts'
export type { ProxySettings } from './keystores/store-proxy.ts'
export type { StoreTlsSettings } from './keystores/store-tls.ts'
export { KmsError, type KmsErrorCode } from './kms-error.ts'
export type { LoadedKeyCounts } from './loaded-key-cache.ts'
export { deriveRootCredentials, type RootCredentials } from './root-credentials.ts'
export {
  createRootKeyFile,
  credentialRootKey,
  fileRootKey,
  rootKeyCredentialName,
  rotateRootKeyFile,
} from './root-key/key-file.ts'
export { type PassphraseCost, passphraseRootKey } from './root-key/passphrase.ts'
export type { RootKey, RootKeyKind } from './root-key/root-key.ts'
export { SharedLoads } from './shared-loads.ts'
export { parseKeyAlgorithm } from './stored-key.ts'
