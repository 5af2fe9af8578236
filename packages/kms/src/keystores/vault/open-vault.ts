/**
 * HashiCorp Vault or OpenBao from its settings.
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import type { VaultKeyStoreSettings } from '../key-store-settings.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { loadStoreTls } from '../store-tls.ts'
import { VaultKv1KeyStore } from './vault-kv1-key-store.ts'
import { VaultKv2KeyStore } from './vault-kv2-key-store.ts'
import { joinVaultPath } from './vault-paths.ts'
import { VaultSession } from './vault-session.ts'
import { VaultTransit } from './vault-transit.ts'

/** Opens without asking Vault anything. @throws KmsError `unreachable` when the settings can never work */
export async function openVaultKeyStore(
  settings: VaultKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<KeyStore> {
  const tls = await loadStoreTls('Vault', settings.tls)
  const session = new VaultSession(settings, tls, dependencies)
  const transit = settings.transit === undefined ? undefined : new VaultTransit(session, settings.transit)
  const mount = joinVaultPath(settings.engine ?? 'kv')
  const prefix = joinVaultPath(settings.prefix ?? '')
  return settings.version === 'v2'
    ? new VaultKv2KeyStore(session, mount, prefix, transit)
    : new VaultKv1KeyStore(session, joinVaultPath(settings.engine ?? 'kv', settings.prefix ?? ''), transit)
}
