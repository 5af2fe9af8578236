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

const readers: readonly ((environment: Environment) => RealService | undefined)[] = [
  vaultService,
  awsService,
  gcpService,
  azureService,
  fortanixService,
  gemaltoService,
  entrustService,
]

/** Members whose variables are set. */
function given<T extends Readonly<Record<string, string | undefined>>>(values: T) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''))
}

function vaultService(env: Environment): RealService | undefined {
  const endpoint = env.STRONGROOM_TEST_VAULT_ADDR
  if (endpoint === undefined || endpoint === '') return undefined
  const { STRONGROOM_TEST_VAULT_TRANSIT_KEY: transitKey } = env
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
      ...caOf(env.STRONGROOM_TEST_VAULT_CA),
      login: vaultLogin(env),
    }),
  }
}

function vaultLogin(env: Environment): VaultLogin {
  const { STRONGROOM_TEST_VAULT_ROLE_ID: id, STRONGROOM_TEST_VAULT_SECRET_ID: secret } = env
  if (id !== undefined && secret !== undefined) return { method: 'approle', id, secret }
  return { method: 'token', token: env.STRONGROOM_TEST_VAULT_TOKEN ?? '' }
}

/** The region must have no secrets. Without a key the SDK's own chain finds credentials. */
function awsService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_AWS_REGION: region } = env
  if (region === undefined || region === '') return undefined
  const accessKeyId = env.STRONGROOM_TEST_AWS_ACCESS_KEY_ID
  const secretAccessKey = env.STRONGROOM_TEST_AWS_SECRET_ACCESS_KEY
  const session = given({ sessionToken: env.STRONGROOM_TEST_AWS_SESSION_TOKEN })
  const place = given({ endpoint: env.STRONGROOM_TEST_AWS_ENDPOINT, kmsKeyId: env.STRONGROOM_TEST_AWS_KMS_KEY_ID })
  const connection = caOf(env.STRONGROOM_TEST_AWS_CA)
  return {
    title: `AWS Secrets Manager in ${region}`,
    settings: () => ({
      kind: 'aws',
      region,
      ...place,
      ...connection,
      ...(accessKeyId === undefined || secretAccessKey === undefined
        ? {}
        : { credentials: { accessKeyId, secretAccessKey, ...session } }),
    }),
  }
}

/** The project must have no secrets. Without a file it is the machine's identity that asks. */
function gcpService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_GCP_PROJECT_ID: projectId } = env
  if (projectId === undefined || projectId === '') return undefined
  const place = given({
    endpoint: env.STRONGROOM_TEST_GCP_ENDPOINT,
    credentialsFile: env.STRONGROOM_TEST_GCP_CREDENTIALS_FILE,
  })
  return {
    title: `Google Secret Manager in ${projectId}`,
    settings: () => ({ kind: 'gcp', projectId, ...place, ...caOf(env.STRONGROOM_TEST_GCP_CA) }),
  }
}

/** The vault must be empty. Without a secret it is the machine's identity that asks. */
function azureService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_AZURE_ENDPOINT: endpoint } = env
  if (endpoint === undefined || endpoint === '') return undefined
  const clientId = env.STRONGROOM_TEST_AZURE_CLIENT_ID
  const tenantId = env.STRONGROOM_TEST_AZURE_TENANT_ID
  const clientSecret = env.STRONGROOM_TEST_AZURE_CLIENT_SECRET
  const login =
    clientId === undefined || tenantId === undefined || clientSecret === undefined
      ? { managedIdentity: given({ clientId }) }
      : { credentials: { tenantId, clientId, clientSecret } }
  return {
    title: `Azure Key Vault at ${endpoint}`,
    isTextOnly: true,
    canName: (name) => /^[0-9a-z-]+$/.test(name),
    settings: () => ({ kind: 'azure', endpoint, ...login, ...caOf(env.STRONGROOM_TEST_AZURE_CA) }),
  }
}

/** The group must be empty: entries have no place of their own in it. */
function fortanixService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_FORTANIX_ADDR: endpoint, STRONGROOM_TEST_FORTANIX_API_KEY: apiKey } = env
  if (endpoint === undefined || apiKey === undefined) return undefined
  const connection = caOf(env.STRONGROOM_TEST_FORTANIX_CA)
  const group = given({ groupId: env.STRONGROOM_TEST_FORTANIX_GROUP_ID })
  return {
    title: `Fortanix SDKMS at ${endpoint}`,
    settings: () => ({ kind: 'fortanix', endpoint, ...group, ...connection, credentials: { apiKey } }),
  }
}

/** The domain must have no secrets. */
function gemaltoService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_GEMALTO_ADDR: endpoint, STRONGROOM_TEST_GEMALTO_REFRESH_TOKEN: refreshToken } = env
  if (endpoint === undefined || refreshToken === undefined) return undefined
  const credentials = { refreshToken, domain: env.STRONGROOM_TEST_GEMALTO_DOMAIN ?? 'root' }
  const connection = caOf(env.STRONGROOM_TEST_GEMALTO_CA)
  return {
    title: `CipherTrust Manager at ${endpoint}`,
    isTextOnly: true,
    settings: () => ({ kind: 'gemalto', endpoint, ...connection, credentials }),
  }
}

/** The box must be empty. */
function entrustService(env: Environment): RealService | undefined {
  const { STRONGROOM_TEST_ENTRUST_ADDR: endpoint, STRONGROOM_TEST_ENTRUST_PASSWORD: password } = env
  if (endpoint === undefined || password === undefined) return undefined
  const vaultId = env.STRONGROOM_TEST_ENTRUST_VAULT_ID ?? ''
  const boxId = env.STRONGROOM_TEST_ENTRUST_BOX_ID ?? ''
  const credentials = { username: env.STRONGROOM_TEST_ENTRUST_USERNAME ?? '', password }
  const connection = caOf(env.STRONGROOM_TEST_ENTRUST_CA)
  return {
    title: `KeyControl at ${endpoint}`,
    settings: () => ({ kind: 'entrust', endpoint, vaultId, boxId, ...connection, credentials }),
  }
}

function caOf(ca: string | undefined): { readonly tls?: { readonly ca: string } } {
  return ca === undefined || ca === '' ? {} : { tls: { ca } }
}
