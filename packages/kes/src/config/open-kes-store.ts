/**
 * Opens the key store of a KES config file.
 *
 * @module
 */
import { type KeyStore, openKeyStore } from '@strongroom/kms'
import type { KesStoreConfig } from './store-config.ts'
import { keyStoreSettings } from './store-settings.ts'
import type { Environment } from './yaml-source.ts'

/** The caller closes it. @throws KmsError */
export function openKesStore(store: KesStoreConfig, environment: Environment): Promise<KeyStore> {
  return openKeyStore(keyStoreSettings(store, environment))
}
