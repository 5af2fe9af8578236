/**
 * Who asks Google: the settings' service account, a credentials file of any kind that Google's own libraries read, or the
 * machine's own identity. google.aip.dev/auth/4110 to 4117.
 *
 * @module
 */
import { readFile, stat } from 'node:fs/promises'
import { KmsError } from '../../kms-error.ts'
import type { GcpKeyStoreSettings } from '../key-store-settings.ts'
import { isObject } from '../store-client.ts'

/** A service account's own key (AIP-4112). */
export interface GcpServiceAccount {
  readonly kind: 'service-account'
  readonly clientEmail: string
  readonly privateKeyId: string
  /** PEM, PKCS #8. */
  readonly privateKey: string
  readonly tokenUri: string
}

/** A person who logged in with `gcloud auth application-default login` (AIP-4113). */
export interface GcpUser {
  readonly kind: 'user'
  readonly clientId: string
  readonly clientSecret: string
  readonly refreshToken: string
  readonly tokenUri: string
}

/** Workload identity federation: another issuer's token is exchanged for one of Google's (AIP-4117). */
export interface GcpExternalAccount {
  readonly kind: 'external-account'
  readonly audience: string
  readonly subjectTokenType: string
  readonly tokenUri: string
  readonly impersonationUri: string | undefined
  readonly source: GcpTokenFile | GcpTokenAddress
  /** The member of the JSON object that holds the token; `undefined` when the token is all there is. */
  readonly tokenField: string | undefined
}

export interface GcpTokenFile {
  readonly file: string
}

export interface GcpTokenAddress {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** The identity that the machine has: Compute Engine, GKE with workload identity, Cloud Run (AIP-4115). */
export interface GcpMachine {
  readonly kind: 'machine'
  readonly metadataEndpoint: string
}

export type GcpCredentials = GcpServiceAccount | GcpUser | GcpExternalAccount | GcpMachine

const defaultTokenUri = 'https://oauth2.googleapis.com/token'
const defaultMetadataEndpoint = 'http://169.254.169.254'
const maxFileBytes = 1 << 20

type Fields = Readonly<Record<string, unknown>>

/** @throws KmsError `unreachable` when the credentials file cannot be read, `unsupported` when its kind is unknown here */
export async function gcpCredentials(settings: GcpKeyStoreSettings): Promise<GcpCredentials> {
  const { credentials, credentialsFile, metadataEndpoint = defaultMetadataEndpoint } = settings
  if (credentials !== undefined) {
    const { clientEmail, privateKeyId, privateKey, tokenUri = defaultTokenUri } = credentials
    return { kind: 'service-account', clientEmail, privateKeyId, privateKey: withLineEnds(privateKey), tokenUri }
  }
  if (credentialsFile === undefined || credentialsFile === '') return { kind: 'machine', metadataEndpoint }
  const fields = await readCredentialsFile(credentialsFile)
  const read = readers.get(String(fields.type))
  if (read === undefined) {
    throw new KmsError('unsupported', `Google: '${credentialsFile}' holds credentials of a type that is not supported`)
  }
  return read(fields, (name) => {
    const value = fields[name]
    if (typeof value === 'string' && value !== '') return value
    throw new KmsError('unreachable', `Google: '${credentialsFile}' has no ${name}`)
  })
}

type Reader = (fields: Fields, required: (name: string) => string) => GcpCredentials

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    'service_account',
    (fields, required) => ({
      kind: 'service-account',
      clientEmail: required('client_email'),
      privateKeyId: required('private_key_id'),
      privateKey: withLineEnds(required('private_key')),
      tokenUri: text(fields.token_uri) ?? defaultTokenUri,
    }),
  ],
  [
    'authorized_user',
    (fields, required) => ({
      kind: 'user',
      clientId: required('client_id'),
      clientSecret: required('client_secret'),
      refreshToken: required('refresh_token'),
      tokenUri: text(fields.token_uri) ?? defaultTokenUri,
    }),
  ],
  [
    'external_account',
    (fields, required) => {
      const source = isObject(fields.credential_source) ? fields.credential_source : {}
      const format = isObject(source.format) ? source.format : {}
      return {
        kind: 'external-account',
        audience: required('audience'),
        subjectTokenType: required('subject_token_type'),
        tokenUri: required('token_url'),
        impersonationUri: text(fields.service_account_impersonation_url),
        source: tokenSource(source),
        tokenField: format.type === 'json' ? (text(format.subject_token_field_name) ?? 'access_token') : undefined,
      }
    },
  ],
])

function tokenSource(source: Fields): GcpTokenFile | GcpTokenAddress {
  const file = text(source.file)
  if (file !== undefined) return { file }
  const url = text(source.url)
  // Amazon's environments name a url, too, but want a signed request for a token.
  if (url === undefined || source.environment_id !== undefined) {
    throw new KmsError('unsupported', 'Google: of external accounts only those with a token in a file or at a url work')
  }
  const headers = isObject(source.headers) ? Object.entries(source.headers) : []
  return { url, headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])) }
}

async function readCredentialsFile(path: string): Promise<Fields> {
  try {
    const { size } = await stat(path)
    if (size > maxFileBytes) throw new Error('the file is too long')
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (isObject(parsed)) return parsed
  } catch (error) {
    // A parser's message may quote the file.
    const cause = error instanceof SyntaxError ? {} : { cause: error }
    throw new KmsError('unreachable', `Google: the credentials file '${path}' cannot be read`, cause)
  }
  throw new KmsError('unreachable', `Google: the credentials file '${path}' is no JSON object`)
}

/** One line in YAML and in an environment (kes-protocol 8.6). */
const withLineEnds = (pem: string): string => pem.replaceAll('\\n', '\n')

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
