/**
 * A MinIO environment starts Strongroom: what its variables mean here, which of them cannot be honoured (the start is
 * refused), and which have no meaning (they are listed, never ignored silently). DESIGN 2, spec 7.6.
 *
 * @module
 */
import type { RawSetting, RawSettings } from './raw-setting.ts'
import type { Environment } from './read-environment.ts'
import type { SettingName } from './setting-table.ts'

/** Gives the text of a file, or undefined if there is none. */
export type ReadTextFile = (path: string) => string | undefined

/** Variables whose value is a setting's value; of two for one setting the first in this list counts. */
const plainVariables: readonly (readonly [variable: string, name: SettingName])[] = [
  ['MINIO_ROOT_USER', 'rootUser'],
  ['MINIO_ACCESS_KEY', 'rootUser'],
  ['MINIO_ROOT_PASSWORD', 'rootPassword'],
  ['MINIO_SECRET_KEY', 'rootPassword'],
  ['MINIO_REGION', 'region'],
  ['MINIO_REGION_NAME', 'region'],
  ['MINIO_SITE_REGION', 'region'],
  ['MINIO_DOMAIN', 'domains'],
  ['MINIO_ADDRESS', 'address'],
  ['MINIO_CERTS_DIR', 'certsDir'],
  ['MINIO_VOLUMES', 'data'],
  ['MINIO_KMS_SECRET_KEY', 'staticKey'],
  ['MINIO_KMS_KES_ENDPOINT', 'kesEndpoints'],
  ['MINIO_KMS_KES_KEY_NAME', 'defaultKey'],
  ['MINIO_KMS_KES_API_KEY', 'kesApiKey'],
  ['MINIO_KMS_KES_CERT_FILE', 'kesCertFile'],
  ['MINIO_KMS_KES_KEY_FILE', 'kesKeyFile'],
  ['MINIO_KMS_KES_KEY_PASSWORD', 'kesKeyPassword'],
  ['MINIO_KMS_KES_CAPATH', 'kesCa'],
]

/** Variables that name a file which holds the value. */
const fileVariables: readonly (readonly [variable: string, name: SettingName])[] = [
  ['MINIO_ROOT_USER_FILE', 'rootUser'],
  ['MINIO_ACCESS_KEY_FILE', 'rootUser'],
  ['MINIO_ROOT_PASSWORD_FILE', 'rootPassword'],
  ['MINIO_SECRET_KEY_FILE', 'rootPassword'],
  ['MINIO_KMS_SECRET_KEY_FILE', 'staticKey'],
]

/** Variables with words of their own: word → value of the setting. */
const wordVariables: Readonly<Record<string, readonly [name: SettingName, words: Readonly<Record<string, string>>]>> = {
  MINIO_KMS_AUTO_ENCRYPTION: ['defaultEncryption', { on: 'sse-kms', off: 'none' }],
  MINIO_PROMETHEUS_AUTH_TYPE: ['metricsAccess', { public: 'public', jwt: 'local' }],
}

/** Variables without which the server would not do what was asked: starting all the same would be wrong. */
const refusals: readonly (readonly [prefix: string, reason: string])[] = [
  ['MINIO_KMS_KES_', 'there is no such setting of a KES server'],
  ['MINIO_KMS_SERVER', 'keys in a MinIO KMS server: its protocol is not supported'],
  ['MINIO_KMS_ENCLAVE', 'keys in a MinIO KMS server: its protocol is not supported'],
  ['MINIO_KMS_SSE_KEY', 'keys in a MinIO KMS server: its protocol is not supported'],
  ['MINIO_KMS_API_KEY', 'keys in a MinIO KMS server: its protocol is not supported'],
]

/** Drives or servers as MinIO writes them: `/data{1...4}`, `http://host/data`. */
export const isPathOfMany = (value: string): boolean => /\{.*\.\.\..*\}|^https?:\/\//.test(value)

/** In a variable, spaces stand between several. */
const isListOfMany = (value: string): boolean => /[\s,]/.test(value) || isPathOfMany(value)

/** A secret file may also be given by its name under /run/secrets, as in containers. */
function readSecretFile(path: string, readTextFile: ReadTextFile): string | undefined {
  const text = readTextFile(path) ?? (path.startsWith('/') ? undefined : readTextFile(`/run/secrets/${path}`))
  return text?.replace(/[\r\n]+$/, '')
}

export function readMinioEnvironment(environment: Environment, readTextFile: ReadTextFile): RawSettings {
  const settings: RawSetting[] = []
  const problems: string[] = []
  const notices: string[] = []
  const taken = new Set<SettingName>()
  const known = new Set<string>()
  const take = (name: SettingName, value: string, where: string): void => {
    if (!taken.has(name)) settings.push({ name, value, where })
    taken.add(name)
  }
  const present = (variable: string): string | undefined => {
    known.add(variable)
    return environment[variable] === '' ? undefined : environment[variable]
  }

  for (const [variable, name] of plainVariables) {
    const value = present(variable)
    if (value === undefined) continue
    if (name === 'data' && isListOfMany(value)) {
      problems.push(
        `${variable}: one directory is expected: erasure coding over several drives or servers is not offered here`,
      )
    } else take(name, value, variable)
  }
  for (const [variable, name] of fileVariables) {
    const path = present(variable)
    if (path === undefined) continue
    const value = readSecretFile(path, readTextFile)
    if (value === undefined) problems.push(`${variable}: there is no file ${path}`)
    else take(name, value, variable)
  }
  for (const [variable, [name, words]] of Object.entries(wordVariables)) {
    const word = present(variable)
    if (word === undefined) continue
    const value = words[word]
    if (value === undefined) problems.push(`${variable}: expected ${Object.keys(words).join(' or ')}`)
    else take(name, value, variable)
  }
  const [kesEndpoint, kesKeyName] = [present('MINIO_KMS_KES_ENDPOINT'), present('MINIO_KMS_KES_KEY_NAME')]
  if (kesEndpoint !== undefined && kesKeyName === undefined) {
    problems.push('MINIO_KMS_KES_ENDPOINT: MINIO_KMS_KES_KEY_NAME, the default key, is missing')
  } else if (kesEndpoint === undefined && kesKeyName !== undefined) {
    problems.push('MINIO_KMS_KES_KEY_NAME: MINIO_KMS_KES_ENDPOINT is missing')
  }
  const refused = new Set<string>()
  for (const variable of Object.keys(environment)
    .filter((name) => name.startsWith('MINIO_'))
    .sort()) {
    if (known.has(variable)) continue
    const reason = refusals.find(([prefix]) => variable.startsWith(prefix))?.[1]
    if (reason === undefined) notices.push(`${variable} has no meaning here`)
    else if (!refused.has(reason)) {
      refused.add(reason)
      problems.push(`${variable}: ${reason}`)
    }
  }
  return { settings, problems, notices }
}
