/**
 * Every setting, once: from this table come the YAML keys, the `STRONGROOM_*` variables, the flags, their validation and
 * `docs/reference/settings.md`.
 *
 * @module
 */
import { choice, count, kinds, type SettingKind, textLike } from './setting-kinds.ts'

export type SettingGroup =
  | 'Listening'
  | 'TLS'
  | 'Storage'
  | 'Encryption'
  | 'Keys'
  | 'Credentials'
  | 'Limits'
  | 'Logs and metrics'

interface Definition<T, D extends string | undefined> {
  readonly kind: SettingKind<T>
  /** As a person would write it; undefined: not set. */
  readonly default: D
  readonly group: SettingGroup
  readonly description: string
  /** Never shown, not even in an error. */
  readonly secret?: true
}

const setting = <T, const D extends string | undefined>(
  group: SettingGroup,
  kind: SettingKind<T>,
  byDefault: D,
  description: string,
): Definition<T, D> => ({ group, kind, default: byDefault, description })

const secret = <T, const D extends string | undefined>(
  group: SettingGroup,
  kind: SettingKind<T>,
  byDefault: D,
  description: string,
): Definition<T, D> => ({ group, kind, default: byDefault, description, secret: true })

const keyName = textLike('a key name (1 to 80 of `0-9 A-Z a-z - _`)', /^[0-9A-Za-z_-]{1,80}$/)

export const settingTable = {
  address: setting('Listening', kinds.address, '127.0.0.1:9000', 'Where S3 is served, over TLS.'),
  plaintextAddress: setting(
    'Listening',
    kinds.address,
    undefined,
    'A second listener without TLS, for a trusted proxy on the same machine. SSE-C and SSE-KMS are refused on it unless `trustedProxies` names the proxy and it says that the client side was TLS.',
  ),
  region: setting(
    'Listening',
    textLike('a region name', /^[a-z0-9-]{1,32}$/),
    'us-east-1',
    'The region that clients sign for.',
  ),
  domains: setting(
    'Listening',
    kinds.domains,
    '',
    'Domains for virtual-host style: with `s3.example.com`, `bucket.s3.example.com` is the bucket. Path style always works.',
  ),
  trustedProxies: setting(
    'Listening',
    kinds.networks,
    '',
    'Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.',
  ),
  certsDir: setting(
    'TLS',
    kinds.path,
    undefined,
    'Certificates, laid out as for MinIO: `public.crt` and `private.key`, one sub-directory with such a pair for each further name, `CAs/`. Without it a small CA and a certificate for localhost are made in the data directory.',
  ),
  data: setting('Storage', kinds.path, './data', 'The data directory.'),
  metadata: setting(
    'Storage',
    kinds.path,
    undefined,
    'The metadata directory, on a local file system; `metadata` in the data directory if not set.',
  ),
  minFreeSpace: setting(
    'Storage',
    kinds.freeSpace,
    'auto',
    'Free space below which writes are refused (507 `XMinioStorageFull`), so that deletions go on working: see docs/operations/disk-full.md. `auto` is 1 % of the medium, at least 64 MiB, at most 1 GiB, never more than a tenth of it; `0` refuses nothing.',
  ),
  defaultEncryption: setting(
    'Encryption',
    choice('sse-s3', 'sse-kms', 'none'),
    'sse-s3',
    "How an object is encrypted when neither the request nor its bucket says so. `none` is MinIO's and Ceph's behaviour.",
  ),
  requireEncryption: setting(
    'Encryption',
    kinds.isOn,
    'off',
    'No object is stored without server-side encryption: where nothing else asks for it, it is SSE-S3.',
  ),
  compatibility: setting(
    'Encryption',
    choice('aws', 'ceph'),
    'aws',
    'Whose answers to give where AWS and Ceph differ (a short list: docs/reference/s3-compatibility.md).',
  ),
  defaultKey: setting(
    'Encryption',
    keyName,
    'strongroom-default',
    'The key for SSE-S3, and for SSE-KMS where neither the request nor the bucket names one. Made at start if missing.',
  ),
  staticKey: secret(
    'Keys',
    textLike('`name:key`, the key being 32 bytes in base64', /^[0-9A-Za-z_-]{1,80}:[0-9A-Za-z+/]{43}=$/),
    undefined,
    "A key to import at start if it is missing, and to use as `defaultKey`; MinIO's `MINIO_KMS_SECRET_KEY`.",
  ),
  keyStore: setting(
    'Keys',
    kinds.path,
    undefined,
    'A YAML file whose section `keystore` says where keys are kept: a config file of KES, as it is. In `strongroom.yaml` the section itself may stand under `kms`. Without it keys are kept in the data directory, sealed.',
  ),
  kesEndpoints: setting(
    'Keys',
    kinds.servers,
    '',
    'KES servers, those of MinIO or `strongroom kes server`, that keep the keys instead of this server; when one fails the next is asked. In `strongroom.yaml` also `endpoints` in the group `kes` under `kms`, and so the next five.',
  ),
  kesApiKey: secret(
    'Keys',
    textLike('an API key as `strongroom kes identity new` makes them', /^kes:v1:[0-9A-Za-z+/]{44}$/),
    undefined,
    'Who this server is to the KES servers: an API key, or `kesCertFile` and `kesKeyFile`.',
  ),
  kesCertFile: setting(
    'Keys',
    kinds.path,
    undefined,
    'The client certificate shown to the KES servers. It is read again every 15 minutes and when the server reloads.',
  ),
  kesKeyFile: setting('Keys', kinds.path, undefined, 'The private key of that certificate.'),
  kesKeyPassword: secret(
    'Keys',
    kinds.text,
    undefined,
    'Decrypts that private key, where it is an encrypted one (RFC 1423).',
  ),
  kesCa: setting(
    'Keys',
    kinds.path,
    undefined,
    'Certificates, a file or a directory of files, by which the KES servers are trusted beside those that the runtime trusts; `CAs` in `certsDir` if not set.',
  ),
  rootKeyFile: setting(
    'Keys',
    kinds.path,
    undefined,
    'A file with the root key (32 bytes in base64). If no source of the root key is set, one is made in the data directory, which is good for trying out only.',
  ),
  rootKeyPassphraseFile: setting(
    'Keys',
    kinds.path,
    undefined,
    'A file with a passphrase from which the root key is derived (Argon2id).',
  ),
  rootKeyCredential: setting(
    'Keys',
    textLike('the name of a credential', /^[^/\0]{1,255}$/),
    undefined,
    'The name of a credential in `$CREDENTIALS_DIRECTORY` (systemd `LoadCredential=`) that holds the root key.',
  ),
  kmsTimeout: setting(
    'Keys',
    kinds.durationMs,
    '5s',
    'How long a request waits for the key service before it answers 503.',
  ),
  kmsConcurrency: setting('Keys', count(1, 10_000), '64', 'Calls to the key service in flight at one time.'),
  kmsQueue: setting(
    'Keys',
    count(0, 100_000),
    '1024',
    'Requests that may wait for the key service; more are answered 503 at once.',
  ),
  dataKeyCacheEntries: setting('Keys', count(1, 1_000_000), '10000', 'Data keys kept in memory.'),
  dataKeyCacheTime: setting('Keys', kinds.durationMs, '5m', 'How long a data key is kept in memory.'),
  rootUser: secret(
    'Credentials',
    textLike('at least 3 characters, without spaces, `=`, `,` or `/`', /^[^\s=,/\0]{3,128}$/),
    undefined,
    'Access key of the first account. If not set, both are derived from the keyring: `strongroom credentials` prints them.',
  ),
  rootPassword: secret(
    'Credentials',
    textLike('at least 8 characters', /^[^\0]{8,256}$/),
    undefined,
    'Secret key of the first account. Prefer the environment or the file: a flag can be seen by other users of the machine.',
  ),
  workers: setting(
    'Limits',
    count(1, 256),
    '1',
    'Processes that serve requests. With more than one, the process that was started only commits, and accepts connections for the others: for machines with more cores than one process uses. See docs/operations/workers.md.',
  ),
  maxConnections: setting('Limits', count(1, 1_000_000), '10000', 'Open connections; more are refused.'),
  headerTimeout: setting('Limits', kinds.durationMs, '10s', 'For the TLS handshake, and for the header of a request.'),
  idleTimeout: setting('Limits', kinds.durationMs, '75s', 'A connection without a request is closed after this.'),
  stallTimeout: setting(
    'Limits',
    kinds.durationMs,
    '60s',
    'A body of which not one byte moves for this long is given up.',
  ),
  drainTimeout: setting(
    'Limits',
    kinds.durationMs,
    '30s',
    'How long requests in flight may take to end when the server is stopped.',
  ),
  logLevel: setting(
    'Logs and metrics',
    choice('debug', 'info', 'warn', 'error', 'silent'),
    'info',
    'What is written to standard output.',
  ),
  logFormat: setting(
    'Logs and metrics',
    choice('auto', 'text', 'json'),
    'auto',
    'One JSON object per line, or text for people; `auto` is text on a terminal and JSON elsewhere.',
  ),
  accessLog: setting(
    'Logs and metrics',
    choice('auto', 'on', 'off'),
    'auto',
    'One line per request; `auto` is off on a terminal and on elsewhere.',
  ),
  metricsAccess: setting(
    'Logs and metrics',
    choice('local', 'public'),
    'local',
    'Who may read the metrics: this machine, or everybody. With `metricsToken` the token opens them in either case.',
  ),
  metricsToken: secret(
    'Logs and metrics',
    textLike('at least 16 characters without spaces', /^[!-~]{16,512}$/),
    undefined,
    'Bearer token for the metrics.',
  ),
} as const

export type SettingName = keyof typeof settingTable

type ValueOf<D> = D extends Definition<infer T, infer W> ? (W extends string ? T : T | undefined) : never

/** Settings, parsed and validated; sizes in bytes, durations in milliseconds. */
export type Settings = { readonly [N in SettingName]: ValueOf<(typeof settingTable)[N]> }

/** All names, in the order of the reference. */
export const settingNames = Object.keys(settingTable) as readonly SettingName[]

export const isSettingName = (name: string): name is SettingName => Object.hasOwn(settingTable, name)

/** `defaultEncryption` → `STRONGROOM_DEFAULT_ENCRYPTION`. */
export const environmentNameOf = (name: SettingName): string =>
  `STRONGROOM_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

/** `defaultEncryption` → `default-encryption`. */
export const flagNameOf = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
