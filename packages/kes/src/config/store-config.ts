/**
 * The section `keystore` of a KES config file: exactly one store, with the fields of kes-protocol 8 and 11.
 *
 * @module
 */
import type { Section } from './section.ts'

export interface KesVaultLogin {
  /** Where the method is mounted. */
  readonly engine: string
  /** Empty: as all calls; `/`: the root namespace. */
  readonly namespace: string
}

/** Fields as in the file; empty text where a field is absent. Secrets are in here: never print one of these whole. */
export type KesStoreConfig =
  | { readonly kind: 'files'; readonly path: string }
  | {
      readonly kind: 'vault'
      readonly endpoint: string
      readonly redirectHosts: readonly string[]
      readonly engine: string
      readonly version: 'v1' | 'v2'
      readonly namespace: string
      readonly prefix: string
      readonly transit?: { readonly engine: string; readonly key: string }
      readonly appRole?: KesVaultLogin & { readonly id: string; readonly secret: string }
      /** `jwt` with a `/` in it is the path of a file. */
      readonly kubernetes?: KesVaultLogin & { readonly role: string; readonly jwt: string }
      readonly tls: { readonly key: string; readonly cert: string; readonly ca: string }
      readonly pingMs: number
    }
  | {
      readonly kind: 'aws'
      readonly endpoint: string
      readonly region: string
      readonly kmsKey: string
      /** Days that AWS keeps a deleted key, 7 to 30: not in KES. */
      readonly recoveryWindowDays?: number
      readonly credentials: { readonly accessKey: string; readonly secretKey: string; readonly token: string }
    }
  | {
      readonly kind: 'gcp'
      readonly projectId: string
      readonly endpoint: string
      readonly scopes: readonly string[]
      readonly credentials?: {
        readonly clientEmail: string
        readonly clientId: string
        readonly privateKeyId: string
        readonly privateKey: string
      }
    }
  | {
      readonly kind: 'azure'
      readonly endpoint: string
      readonly credentials?: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string }
      readonly managedIdentity?: { readonly clientId: string }
    }
  | {
      readonly kind: 'fortanix'
      readonly endpoint: string
      readonly groupId: string
      readonly apiKey: string
      readonly caPath: string
    }
  | {
      readonly kind: 'gemalto'
      readonly endpoint: string
      readonly token: string
      readonly domain: string
      readonly caPath: string
    }
  | {
      readonly kind: 'entrust'
      readonly endpoint: string
      readonly vaultId: string
      readonly boxId: string
      readonly username: string
      readonly password: string
      readonly caPath: string
    }

/** What each store is called in the file, and how it is read. */
const stores: readonly (readonly [path: readonly string[], read: (section: Section) => KesStoreConfig])[] = [
  [['fs'], readFiles],
  [['vault'], readVault],
  [['aws', 'secretsmanager'], readAws],
  [['gcp', 'secretmanager'], readGcp],
  [['azure', 'keyvault'], readAzure],
  [['fortanix', 'sdkms'], readFortanix],
  [['gemalto', 'keysecure'], readGemalto],
  [['entrust', 'keycontrol'], readEntrust],
]

/** `undefined` after a problem was noted. */
export function readStore(file: Section): KesStoreConfig | undefined {
  const section = file.section('keystore')
  const present = stores
    .map(([path, read]) => ({ store: path.reduce((at, key) => at.section(key), section), read }))
    .filter(({ store }) => store.isPresent)
  if (section.has('kes')) section.notice('kes', 'a KES as key store does nothing in KES, and nothing here')
  section.section('kes')
  section.reportUnknown()
  const [first, second] = present
  if (first === undefined) {
    file.problem('keystore', 'no key store specified')
    return undefined
  }
  if (second !== undefined) {
    file.problem('keystore', `more than one key store specified: ${present.map(({ store }) => store.path).join(', ')}`)
    return undefined
  }
  const config = first.read(first.store)
  first.store.reportUnknown()
  return config
}

function required(section: Section, key: string, what: string): string {
  const value = section.string(key)
  if (value === '') section.problem(key, `no ${what} specified`)
  return value
}

function readFiles(section: Section): KesStoreConfig {
  return { kind: 'files', path: required(section, 'path', 'path') }
}

const orElse = (value: string, fallback: string): string => (value === '' ? fallback : value)

function readVault(section: Section): KesStoreConfig {
  const version = orElse(section.string('version'), 'v1')
  if (version !== 'v1' && version !== 'v2')
    section.problem('version', `expected v1 or v2, not ${JSON.stringify(version)}`)
  const transit = section.section('transit')
  const appRole = section.section('approle')
  const kubernetes = section.section('kubernetes')
  if (appRole.isPresent && kubernetes.isPresent) {
    section.problem('kubernetes', 'more than one authentication method specified')
  }
  if (!appRole.isPresent && !kubernetes.isPresent) {
    section.problem('', 'no authentication method specified: approle or kubernetes')
  }
  return {
    kind: 'vault',
    endpoint: required(section, 'endpoint', 'endpoint'),
    redirectHosts: section.strings('redirect_hosts'),
    engine: orElse(section.string('engine'), 'kv'),
    version: version === 'v2' ? 'v2' : 'v1',
    namespace: section.string('namespace'),
    prefix: section.string('prefix'),
    ...(transit.isPresent ? { transit: readTransit(transit) } : {}),
    ...(appRole.isPresent ? { appRole: readAppRole(appRole) } : {}),
    ...(kubernetes.isPresent ? { kubernetes: readKubernetes(kubernetes) } : {}),
    tls: readClientTls(section.section('tls')),
    pingMs: readPing(section.section('status')),
  }
}

function readTransit(section: Section): { engine: string; key: string } {
  const transit = {
    engine: orElse(section.string('engine'), 'transit'),
    key: required(section, 'key', 'key name'),
  }
  section.reportUnknown()
  return transit
}

function readAppRole(section: Section): KesVaultLogin & { id: string; secret: string } {
  const login = {
    engine: orElse(section.string('engine'), 'approle'),
    namespace: section.string('namespace'),
    id: required(section, 'id', 'AppRole ID'),
    secret: required(section, 'secret', 'AppRole secret'),
  }
  // Named in old sample files; KES does not know it any more.
  section.string('retry')
  section.reportUnknown()
  return login
}

function readKubernetes(section: Section): KesVaultLogin & { role: string; jwt: string } {
  const login = {
    engine: orElse(section.string('engine'), 'kubernetes'),
    namespace: section.string('namespace'),
    role: section.string('role'),
    jwt: required(section, 'jwt', 'JWT'),
  }
  section.string('retry')
  section.reportUnknown()
  return login
}

function readClientTls(section: Section): { key: string; cert: string; ca: string } {
  const tls = { key: section.string('key'), cert: section.string('cert'), ca: section.string('ca') }
  if (tls.key !== '' && tls.cert === '') section.problem('cert', 'no TLS certificate provided for the private key')
  if (tls.cert !== '' && tls.key === '') section.problem('key', 'no TLS private key provided for the certificate')
  section.reportUnknown()
  return tls
}

const defaultPingMs = 15_000

function readPing(section: Section): number {
  const ping = section.duration('ping') ?? 0
  section.reportUnknown()
  return ping > 0 ? ping : defaultPingMs
}

function readAws(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const days = section.string('recovery_window_days')
  if (days !== '' && !/^(?:[7-9]|[12]\d|30)$/.test(days)) {
    section.problem('recovery_window_days', `expected 7 to 30 days, not ${JSON.stringify(days)}`)
  }
  const config: KesStoreConfig = {
    kind: 'aws',
    endpoint: required(section, 'endpoint', 'endpoint'),
    region: required(section, 'region', 'region'),
    kmsKey: section.string('kmskey'),
    ...(days === '' ? {} : { recoveryWindowDays: Number(days) }),
    credentials: {
      accessKey: credentials.string('accesskey'),
      secretKey: credentials.string('secretkey'),
      token: credentials.string('token'),
    },
  }
  credentials.reportUnknown()
  return config
}

function readGcp(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const fields = {
    clientEmail: credentials.string('client_email'),
    clientId: credentials.string('client_id'),
    privateKeyId: credentials.string('private_key_id'),
    // One line in YAML and in the environment.
    privateKey: credentials.string('private_key').replaceAll('\\n', '\n'),
  }
  const set = Object.values(fields).filter((value) => value !== '').length
  if (set !== 0 && set !== 4) {
    section.problem('credentials', 'client_email, client_id, private_key_id and private_key go together: all or none')
  }
  const config: KesStoreConfig = {
    kind: 'gcp',
    projectId: required(section, 'project_id', 'project ID'),
    endpoint: section.string('endpoint'),
    scopes: section.strings('scopes'),
    ...(set === 4 ? { credentials: fields } : {}),
  }
  credentials.reportUnknown()
  return config
}

function readAzure(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const identity = section.section('managed_identity')
  const endpoint = required(section, 'endpoint', 'endpoint')
  if (credentials.isPresent && identity.isPresent) {
    section.problem('managed_identity', 'more than one authentication method specified')
    return { kind: 'azure', endpoint }
  }
  const config: KesStoreConfig = {
    kind: 'azure',
    endpoint,
    ...(credentials.isPresent
      ? {
          credentials: {
            tenantId: required(credentials, 'tenant_id', 'tenant ID'),
            clientId: required(credentials, 'client_id', 'client ID'),
            clientSecret: required(credentials, 'client_secret', 'client secret'),
          },
        }
      : {}),
    ...(identity.isPresent ? { managedIdentity: { clientId: required(identity, 'client_id', 'client ID') } } : {}),
  }
  credentials.reportUnknown()
  identity.reportUnknown()
  return config
}

/** `tls.ca`, the only field that these stores have there. */
function readCa(section: Section): string {
  const tls = section.section('tls')
  const ca = tls.string('ca')
  tls.reportUnknown()
  return ca
}

function readFortanix(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const config: KesStoreConfig = {
    kind: 'fortanix',
    endpoint: required(section, 'endpoint', 'endpoint'),
    groupId: section.string('group_id'),
    apiKey: required(credentials, 'key', 'API key'),
    caPath: readCa(section),
  }
  credentials.reportUnknown()
  return config
}

function readGemalto(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const config: KesStoreConfig = {
    kind: 'gemalto',
    endpoint: required(section, 'endpoint', 'endpoint'),
    token: required(credentials, 'token', 'token'),
    domain: credentials.string('domain'),
    caPath: readCa(section),
  }
  // In every sample file, and without effect in KES.
  credentials.string('retry')
  credentials.reportUnknown()
  return config
}

function readEntrust(section: Section): KesStoreConfig {
  const credentials = section.section('credentials')
  const config: KesStoreConfig = {
    kind: 'entrust',
    endpoint: required(section, 'endpoint', 'endpoint'),
    vaultId: required(section, 'vault_id', 'vault ID'),
    boxId: required(section, 'box_id', 'box ID'),
    username: required(credentials, 'username', 'username'),
    password: required(credentials, 'password', 'password'),
    caPath: readCa(section),
  }
  credentials.reportUnknown()
  return config
}

/** For people: what the store is and where, never a secret. */
export function describeStore(store: KesStoreConfig): string {
  switch (store.kind) {
    case 'files':
      return `Filesystem: ${store.path}`
    case 'vault':
      return `Hashicorp Vault: ${store.endpoint}`
    case 'aws':
      return `AWS SecretsManager: ${store.endpoint}`
    case 'gcp':
      return `GCP SecretManager: ${store.projectId}`
    case 'azure':
      return `Azure KeyVault: ${store.endpoint}`
    case 'fortanix':
      return `Fortanix SDKMS: ${store.endpoint}`
    case 'gemalto':
      return `Gemalto KeySecure: ${store.endpoint}`
    case 'entrust':
      return `Entrust KeyControl: ${store.endpoint}`
  }
}
