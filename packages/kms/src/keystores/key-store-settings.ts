/**
 * The settings of every key store, as plain values: whoever reads a file or an environment makes these (kes-protocol 8
 * and 11).
 *
 * @module
 */
import type { ProxySettings } from './store-proxy.ts'
import type { StoreTlsSettings } from './store-tls.ts'

/** How to reach a store over the network. */
export interface StoreConnectionSettings {
  readonly tls?: StoreTlsSettings
  readonly proxy?: ProxySettings
  /** Longest time of one attempt, in milliseconds. Default 5,000. */
  readonly callTimeoutMs?: number
  /** Longest time of a call with its retries, in milliseconds. Default 15,000. */
  readonly totalTimeoutMs?: number
}

/** Entries as files of a directory, as KES lays them out (8.3). */
export interface FilesKeyStoreSettings {
  readonly kind: 'files'
  readonly path: string
}

/** Entries in memory (8.2). */
export interface MemoryKeyStoreSettings {
  readonly kind: 'memory'
}

/** Where a login method is mounted, and in which namespace: none is the store's, `/` the root, others as they are. */
interface VaultLoginPlace {
  /** Mount path. Default: the method's name. */
  readonly engine?: string
  readonly namespace?: string
}

/** How to log in to Vault. */
export type VaultLogin =
  | (VaultLoginPlace & { readonly method: 'approle'; readonly id: string; readonly secret: string })
  | (VaultLoginPlace & {
      readonly method: 'kubernetes' | 'jwt'
      readonly role?: string
      /** The token, or with a `/` in it the path of its file, read at each login. */
      readonly jwt: string
    })
  | { readonly method: 'token'; readonly token: string }

/** HashiCorp Vault or OpenBao (8.4). */
export interface VaultKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'vault'
  /** Base address, as in `https://vault.example:8200`. */
  readonly endpoint: string
  /** Other servers of the cluster that a standby may redirect to: `host:port`, or `host` for the endpoint's port. Default none. */
  readonly redirectHosts?: readonly string[]
  /** Mount path of the KV engine. Default `kv`. */
  readonly engine?: string
  /** Of the KV engine. Default `v1`, as with KES. `v2` has the window of recovery and true exclusive creation. */
  readonly version?: 'v1' | 'v2'
  readonly namespace?: string
  /** Directory inside the mount. */
  readonly prefix?: string
  /** Encrypts entries with a transit key before they are stored. */
  readonly transit?: { readonly engine?: string; readonly key: string }
  readonly login: VaultLogin
}

/** AWS Secrets Manager (8.5). */
export interface AwsKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'aws'
  readonly region: string
  /** Host or address; default: the region's own. */
  readonly endpoint?: string
  readonly kmsKeyId?: string
  /** Default: the SDK's credential chain. */
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken?: string
  }
  /** 7 to 30. Default 30. */
  readonly recoveryWindowDays?: number
}

/** Google Secret Manager (8.6). */
export interface GcpKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'gcp'
  readonly projectId: string
  readonly endpoint?: string
  readonly scopes?: readonly string[]
  /** Default: workload identity or the metadata server. */
  readonly credentials?: {
    readonly clientEmail: string
    readonly clientId?: string
    readonly privateKeyId: string
    /** PEM; a literal `\n` is a line end. */
    readonly privateKey: string
    readonly tokenUri?: string
  }
  /** Path of a credentials file (`GOOGLE_APPLICATION_CREDENTIALS`). */
  readonly credentialsFile?: string
  /** Base address of the metadata server. */
  readonly metadataEndpoint?: string
}

/** Azure Key Vault (8.7). */
export interface AzureKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'azure'
  /** As in `https://name.vault.azure.net`. */
  readonly endpoint: string
  readonly credentials?: { readonly tenantId: string; readonly clientId: string; readonly clientSecret: string }
  readonly managedIdentity?: { readonly clientId?: string }
  readonly workloadIdentity?: { readonly tenantId: string; readonly clientId: string; readonly tokenFile: string }
  /** Base address of the login service. */
  readonly authorityHost?: string
  /** Base address of the metadata server. */
  readonly metadataEndpoint?: string
}

/** Fortanix SDKMS (8.8). */
export interface FortanixKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'fortanix'
  readonly endpoint: string
  readonly groupId?: string
  readonly credentials: { readonly apiKey: string }
}

/** Gemalto KeySecure, Thales CipherTrust Manager (8.9). */
export interface GemaltoKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'gemalto'
  readonly endpoint: string
  readonly credentials: { readonly refreshToken: string; readonly domain: string }
}

/** Entrust KeyControl (8.10). */
export interface EntrustKeyStoreSettings extends StoreConnectionSettings {
  readonly kind: 'entrust'
  readonly endpoint: string
  readonly vaultId: string
  readonly boxId: string
  readonly credentials: { readonly username: string; readonly password: string }
}

/** One key store. */
export type KeyStoreSettings =
  | FilesKeyStoreSettings
  | MemoryKeyStoreSettings
  | VaultKeyStoreSettings
  | AwsKeyStoreSettings
  | GcpKeyStoreSettings
  | AzureKeyStoreSettings
  | FortanixKeyStoreSettings
  | GemaltoKeyStoreSettings
  | EntrustKeyStoreSettings

export type KeyStoreKind = KeyStoreSettings['kind']
