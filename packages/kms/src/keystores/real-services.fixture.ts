/**
 * Real services that the environment names, for the contract suite: packages/kms/README.md says which variables.
 *
 * @module
 */
import type { KeyStoreHarness } from './key-store.suite.ts'
import type { KeyStoreSettings, VaultLogin } from './key-store-settings.ts'

/** One service. */
export interface RealService extends Pick<KeyStoreHarness, 'isTextOnly' | 'canName'> {
  readonly title: string
  /** Settings of a place of its own, where the service has such: `place` is a new name. */
  readonly settings: (place: string) => KeyStoreSettings
}

type Environment = Readonly<Record<string, string | undefined>>

/** What the environment names, in the order of the table. */
export function realServices(environment: Environment): RealService[] {
  return readers.flatMap((read) => read(environment) ?? [])
}

const readers: readonly ((environment: Environment) => RealService | undefined)[] = [vaultService]

/** Members whose variables are set. */
function given<T extends Readonly<Record<string, string | undefined>>>(values: T) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))
}

function vaultService(env: Environment): RealService | undefined {
  const endpoint = env.STRONGROOM_TEST_VAULT_ADDR
  if (endpoint === undefined || endpoint === '') return undefined
  const { STRONGROOM_TEST_VAULT_TRANSIT_KEY: transitKey, STRONGROOM_TEST_VAULT_CA: ca } = env
  const version = env.STRONGROOM_TEST_VAULT_VERSION === 'v2' ? 'v2' : 'v1'
  return {
    title: `Vault at ${endpoint}, KV ${version}`,
    isTextOnly: true,
    settings: (place) => ({
      kind: 'vault',
      endpoint,
      version,
      prefix: place,
      ...given({ engine: env.STRONGROOM_TEST_VAULT_ENGINE, namespace: env.STRONGROOM_TEST_VAULT_NAMESPACE }),
      ...(transitKey === undefined ? {} : { transit: { key: transitKey } }),
      ...(ca === undefined ? {} : { tls: { ca } }),
      login: vaultLogin(env),
    }),
  }
}

function vaultLogin(env: Environment): VaultLogin {
  const { STRONGROOM_TEST_VAULT_ROLE_ID: id, STRONGROOM_TEST_VAULT_SECRET_ID: secret } = env
  if (id !== undefined && secret !== undefined) return { method: 'approle', id, secret }
  return { method: 'token', token: env.STRONGROOM_TEST_VAULT_TOKEN ?? '' }
}
