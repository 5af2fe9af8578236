/**
 * From settings to a key store. A store's code is loaded when the settings name it, and not before.
 *
 * @module
 */
import type { KeyStore } from '../contract.ts'
import { KmsError } from '../kms-error.ts'
import type { KeyStoreKind, KeyStoreSettings } from './key-store-settings.ts'
import { type StoreDependencies, storeDependencies } from './store-dependencies.ts'

type SettingsOf<K extends KeyStoreKind> = Extract<KeyStoreSettings, { readonly kind: K }>

type Openers = {
  readonly [K in KeyStoreKind]?: (settings: SettingsOf<K>, dependencies: StoreDependencies) => Promise<KeyStore>
}

const openers: Openers = {
  files: async ({ path }, { now }) => (await import('./files-key-store.ts')).FilesKeyStore.open(path, { now }),
  vault: async (settings, dependencies) =>
    (await import('./vault/open-vault.ts')).openVaultKeyStore(settings, dependencies),
  aws: async (settings, dependencies) => (await import('./aws/open-aws.ts')).openAwsKeyStore(settings, dependencies),
  gcp: async (settings, dependencies) =>
    (await import('./gcp/gcp-key-store.ts')).openGcpKeyStore(settings, dependencies),
  azure: async (settings, dependencies) =>
    (await import('./azure/azure-key-store.ts')).openAzureKeyStore(settings, dependencies),
  fortanix: async (settings, dependencies) =>
    (await import('./fortanix/fortanix-key-store.ts')).openFortanixKeyStore(settings, dependencies),
  gemalto: async (settings, dependencies) =>
    (await import('./gemalto/gemalto-key-store.ts')).openGemaltoKeyStore(settings, dependencies),
  entrust: async (settings, dependencies) =>
    (await import('./entrust/entrust-key-store.ts')).openEntrustKeyStore(settings, dependencies),
  memory: async () => new (await import('./memory-key-store.ts')).MemoryKeyStore(),
}

/**
 * Opens a key store. One that cannot be reached at this moment opens all the same and says `unreachable` when it is used:
 * only settings that can never work are refused here.
 *
 * @throws KmsError
 * @example
 * const store = await openKeyStore({ kind: 'files', path: '/var/lib/kes' })
 */
export async function openKeyStore<K extends KeyStoreKind>(
  settings: SettingsOf<K> & { readonly kind: K },
  dependencies: Partial<StoreDependencies> = {},
): Promise<KeyStore> {
  const open = (openers as Openers)[settings.kind]
  if (open === undefined) throw new KmsError('unsupported', `this build has no key store '${settings.kind}'`)
  return open(settings, storeDependencies(dependencies))
}
