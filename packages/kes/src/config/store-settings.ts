/**
 * From the key store of a KES config file, and the environment it is read in, to the settings of a key store here:
 * kes-protocol 8, 11, 12. Vault's own variables are left alone: they would override the file.
 *
 * @module
 */
import type { KeyStoreSettings } from '@strongroom/kms'
import type { KesStoreConfig } from './store-config.ts'
import type { Environment } from './yaml-source.ts'

type StoreOf<K extends KesStoreConfig['kind']> = Extract<KesStoreConfig, { readonly kind: K }>

/** Holds the secrets of the config. */
export function keyStoreSettings(store: KesStoreConfig, environment: Environment): KeyStoreSettings {
  const proxy = proxyOf(environment)
  switch (store.kind) {
    case 'files':
      return store
    case 'vault':
      return { ...vaultSettings(store), ...proxy }
    case 'aws':
      return { ...awsSettings(store), ...proxy }
    case 'gcp':
      return { ...gcpSettings(store, environment), ...proxy }
    case 'azure':
      return { ...azureSettings(store, environment), ...proxy }
    case 'fortanix':
      return {
        kind: 'fortanix',
        endpoint: store.endpoint,
        ...given({ groupId: store.groupId }),
        credentials: { apiKey: store.apiKey },
        ...authorities(store.caPath),
        ...proxy,
      }
    case 'gemalto':
      return {
        kind: 'gemalto',
        endpoint: store.endpoint,
        credentials: { refreshToken: store.token, domain: store.domain },
        ...authorities(store.caPath),
        ...proxy,
      }
    case 'entrust':
      return {
        kind: 'entrust',
        endpoint: store.endpoint,
        vaultId: store.vaultId,
        boxId: store.boxId,
        credentials: { username: store.username, password: store.password },
        ...authorities(store.caPath),
        ...proxy,
      }
  }
}

/** What is not empty. */
function given<T extends Readonly<Record<string, string>>>(fields: T): Partial<T> {
  const set: Partial<T> = {}
  for (const name in fields) {
    if (fields[name] !== '') set[name] = fields[name]
  }
  return set
}

const authorities = (ca: string): { readonly tls?: { readonly ca: string } } => (ca === '' ? {} : { tls: { ca } })

function proxyOf(environment: Environment): { readonly proxy?: NonNullable<StoreProxy> } {
  const variable = (name: string): string => environment[name] ?? environment[name.toLowerCase()] ?? ''
  const https = variable('HTTPS_PROXY')
  const http = variable('HTTP_PROXY')
  return https === '' && http === '' ? {} : { proxy: { ...given({ https, http, none: variable('NO_PROXY') }) } }
}

type StoreProxy = Extract<KeyStoreSettings, { readonly kind: 'vault' }>['proxy']

function vaultSettings(store: StoreOf<'vault'>): Extract<KeyStoreSettings, { readonly kind: 'vault' }> {
  const { appRole, kubernetes, transit, endpoint, engine, version, redirectHosts } = store
  const tls = given(store.tls)
  return {
    kind: 'vault',
    endpoint,
    engine,
    version,
    ...(redirectHosts.length === 0 ? {} : { redirectHosts }),
    ...given({ namespace: store.namespace, prefix: store.prefix }),
    ...(transit === undefined ? {} : { transit }),
    login:
      appRole === undefined
        ? {
            method: 'kubernetes',
            engine: kubernetes?.engine ?? 'kubernetes',
            jwt: kubernetes?.jwt ?? '',
            ...given({ namespace: kubernetes?.namespace ?? '', role: kubernetes?.role ?? '' }),
          }
        : {
            method: 'approle',
            engine: appRole.engine,
            id: appRole.id,
            secret: appRole.secret,
            ...given({ namespace: appRole.namespace }),
          },
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
}

function awsSettings(store: StoreOf<'aws'>): Extract<KeyStoreSettings, { readonly kind: 'aws' }> {
  const { accessKey, secretKey, token } = store.credentials
  const { recoveryWindowDays } = store
  return {
    kind: 'aws',
    region: store.region,
    endpoint: store.endpoint,
    ...(store.kmsKey === '' ? {} : { kmsKeyId: store.kmsKey }),
    ...(recoveryWindowDays === undefined ? {} : { recoveryWindowDays }),
    ...(accessKey === '' && secretKey === ''
      ? {}
      : {
          credentials: {
            accessKeyId: accessKey,
            secretAccessKey: secretKey,
            ...(token === '' ? {} : { sessionToken: token }),
          },
        }),
  }
}

function gcpSettings(
  store: StoreOf<'gcp'>,
  environment: Environment,
): Extract<KeyStoreSettings, { readonly kind: 'gcp' }> {
  const { credentials, scopes } = store
  return {
    kind: 'gcp',
    projectId: store.projectId,
    ...given({ endpoint: store.endpoint, credentialsFile: environment.GOOGLE_APPLICATION_CREDENTIALS ?? '' }),
    ...(scopes.length === 0 ? {} : { scopes }),
    ...(credentials === undefined ? {} : { credentials }),
  }
}

/** Without anything in the file: what the environment says, first a client secret, then workload identity. */
function azureSettings(
  store: StoreOf<'azure'>,
  environment: Environment,
): Extract<KeyStoreSettings, { readonly kind: 'azure' }> {
  const { endpoint, credentials, managedIdentity } = store
  const authority = given({ authorityHost: environment.AZURE_AUTHORITY_HOST ?? '' })
  if (credentials !== undefined) return { kind: 'azure', endpoint, credentials, ...authority }
  if (managedIdentity !== undefined) return { kind: 'azure', endpoint, managedIdentity, ...authority }
  const { AZURE_TENANT_ID = '', AZURE_CLIENT_ID = '', AZURE_CLIENT_SECRET = '' } = environment
  const { AZURE_FEDERATED_TOKEN_FILE = '' } = environment
  const base = { kind: 'azure', endpoint, ...authority } as const
  if (AZURE_TENANT_ID === '' || AZURE_CLIENT_ID === '') return base
  const who = { tenantId: AZURE_TENANT_ID, clientId: AZURE_CLIENT_ID }
  if (AZURE_CLIENT_SECRET !== '') return { ...base, credentials: { ...who, clientSecret: AZURE_CLIENT_SECRET } }
  if (AZURE_FEDERATED_TOKEN_FILE === '') return base
  return { ...base, workloadIdentity: { ...who, tokenFile: AZURE_FEDERATED_TOKEN_FILE } }
}
