import { describe, expect, it } from 'vitest'
import { ServerError } from '../server-error.ts'
import { resolveSettings, type SettingsSources } from './resolve-settings.ts'
import { environmentNameOf, flagNameOf, settingNames } from './setting-table.ts'

const resolve = (given: Partial<SettingsSources> & { files?: Record<string, string> }) =>
  resolveSettings({ args: [], environment: {}, readTextFile: (path) => given.files?.[path], ...given })

const problemsOf = (given: Parameters<typeof resolve>[0]): string => {
  try {
    resolve(given)
  } catch (error) {
    if (error instanceof ServerError && error.code === 'invalid-settings') return error.message
    throw error
  }
  return 'none'
}

describe('resolveSettings', () => {
  it('has a default for everything that needs one', () => {
    const { settings, origins, notices } = resolve({})
    expect(settings).toMatchObject({
      address: { host: '127.0.0.1', port: 9000 },
      region: 'us-east-1',
      defaultEncryption: 'sse-s3',
      requireEncryption: false,
      compatibility: 'aws',
      data: './data',
      kmsTimeout: 5000,
      domains: [],
    })
    expect(origins.size).toBe(0)
    expect(notices).toEqual([])
  })

  it('lets flags win over the environment, the environment over the file', () => {
    const files = { 'strongroom.yaml': 'region: eu-file-1\ndata: /from/file\nlogLevel: debug\n' }
    const environment = { STRONGROOM_REGION: 'eu-env-1', STRONGROOM_DATA: '/from/env' }
    const { settings, origins } = resolve({ args: ['--region', 'eu-flag-1'], environment, files })
    expect(settings).toMatchObject({ region: 'eu-flag-1', data: '/from/env', logLevel: 'debug' })
    expect(Object.fromEntries(origins)).toEqual({
      region: '--region',
      data: 'STRONGROOM_DATA',
      logLevel: 'strongroom.yaml:3',
    })
  })

  it('gives every setting a variable and a flag of its own', () => {
    expect(new Set(settingNames.map(environmentNameOf)).size).toBe(settingNames.length)
    for (const name of settingNames) {
      expect(problemsOf({ environment: { [environmentNameOf(name)]: '\0' } })).toContain(environmentNameOf(name))
      expect(problemsOf({ args: [`--${flagNameOf(name)}=\0`] })).toContain(`--${flagNameOf(name)}`)
      expect(problemsOf({ files: { 'strongroom.yaml': `\n${name}: { a: 1 }\n` } })).toContain('strongroom.yaml:2: ')
    }
  })

  it('stops at an unknown setting and names its line', () => {
    expect(problemsOf({ files: { 'strongroom.yaml': 'region: a\n\nregoin: b\n' } })).toBe(
      'strongroom.yaml:3: unknown setting "regoin" (did you mean region?)',
    )
    expect(problemsOf({ environment: { STRONGROOM_REGOIN: 'x' } })).toBe(
      'STRONGROOM_REGOIN: there is no such setting (did you mean STRONGROOM_REGION?)',
    )
    expect(problemsOf({ args: ['--adress', ':1'] })).toMatch(
      /^--adress: there is no such flag \(did you mean address\?\)/,
    )
  })

  it('names the line of an impossible value and what was expected', () => {
    expect(problemsOf({ files: { 'my.yaml': '# c\naddress: 127.0.0.1:99999\n' }, args: ['--config', 'my.yaml'] })).toBe(
      'my.yaml:2: address "127.0.0.1:99999": expected `host:port`, `:port` or `[ipv6]:port`',
    )
    expect(problemsOf({ args: ['--default-encryption', 'rot13'] })).toBe(
      '--default-encryption: defaultEncryption "rot13": expected `sse-s3` or `sse-kms` or `none`',
    )
    expect(problemsOf({ args: ['--region'] })).toBe('--region: a value is missing')
  })

  it('reports broken YAML, a name given twice, and a file that is not there', () => {
    expect(problemsOf({ files: { 'strongroom.yaml': 'region: "a\n' } })).toMatch(/^strongroom\.yaml:\d+: /)
    expect(problemsOf({ files: { 'strongroom.yaml': 'region: a\nregion: b\n' } })).toMatch(
      /^strongroom\.yaml:2: [^:]*unique$/,
    )
    expect(problemsOf({ files: { 'strongroom.yaml': '- a\n' } })).toContain('strongroom.yaml:1: expected settings')
    expect(problemsOf({ args: ['--config', 'none.yaml'] })).toBe('none.yaml: there is no such file')
  })

  it('lists every problem at once', () => {
    expect(problemsOf({ args: ['--region', 'A B', '--kms-timeout', 'soon'] }).split('\n')).toHaveLength(2)
  })

  it('never shows a secret that is not understood', () => {
    const problems = problemsOf({ environment: { STRONGROOM_ROOT_PASSWORD: 'hushhus' } })
    expect(problems).toContain('STRONGROOM_ROOT_PASSWORD')
    expect(problems).not.toContain('hushhus')
  })

  it('reads lists from YAML and from commas', () => {
    expect(resolve({ files: { 'strongroom.yaml': 'domains: [a.example, B.example]\n' } }).settings.domains).toEqual([
      'a.example',
      'b.example',
    ])
    expect(resolve({ args: ['--trusted-proxies', '10.0.0.0/8, ::1'] }).settings.trustedProxies).toEqual([
      '10.0.0.0/8',
      '::1',
    ])
    expect(problemsOf({ args: ['--trusted-proxies', '10.0.0.0/33'] })).toContain('expected addresses or networks')
  })

  it('takes a directory, the short flag of MinIO, switches and an empty host', () => {
    const { settings } = resolve({ args: ['/some/dir', '-S', '/certs', '--require-encryption', '--address', ':9443'] })
    expect(settings).toMatchObject({
      data: '/some/dir',
      certsDir: '/certs',
      requireEncryption: true,
      address: { host: '', port: 9443 },
    })
    const file = { 'strongroom.yaml': 'requireEncryption: on\n' }
    expect(resolve({ files: file, args: ['--no-require-encryption'] }).settings.requireEncryption).toBe(false)
    expect(problemsOf({ args: ['/a', '/b'] })).toContain('one data directory is expected')
    expect(problemsOf({ args: ['/a{1...4}'] })).toContain('one data directory is expected')
    expect(resolve({ args: ['/a b'] }).settings.data).toBe('/a b')
  })

  it('refuses settings that contradict each other', () => {
    expect(problemsOf({ args: ['--root-user', 'alice'] })).toContain('rootPassword is missing')
    expect(problemsOf({ args: ['--root-key-file', 'a', '--root-key-passphrase-file', 'b'] })).toContain('one source')
    expect(problemsOf({ args: ['--plaintext-address', '127.0.0.1:9000'] })).toContain(
      'the TLS listener is on this address',
    )
  })
})

describe('the group kms', () => {
  const withFile = (text: string) => ({ files: { 'strongroom.yaml': text } })

  it('holds the settings of a KES server under their short names', () => {
    const text = 'kms:\n  kes:\n    endpoints: [a:7373, b]\n    certFile: c\n    keyFile: k\n    ca: x\n'
    expect(resolve(withFile(text)).settings).toMatchObject({
      kesEndpoints: ['a:7373', 'b'],
      kesCertFile: 'c',
      kesKeyFile: 'k',
      kesCa: 'x',
    })
  })

  it('or the section of a key store, which is read from this file', () => {
    expect(resolve(withFile('kms:\n  keystore:\n    fs:\n      path: x\n')).settings.keyStore).toBe('strongroom.yaml')
  })

  it.each([
    ['kms: kes\n', 'strongroom.yaml:1: kms is a group of settings'],
    ['kms:\n  vault: x\n', 'strongroom.yaml:2: kms takes kes or keystore, not "vault"'],
    [
      'kms:\n  kes:\n    endpoint: x\n',
      'strongroom.yaml:3: unknown setting kms.kes.endpoint (did you mean endpoints?)',
    ],
    ['kms:\n  kes:\n    ca:\n', 'strongroom.yaml:3: kms.kes.ca has no value'],
    ['kms:\n  kes:\n    endpoints: ["a b"]\n', 'strongroom.yaml:3: kesEndpoints ["a b"]: expected addresses'],
  ])('says of %j what is wrong with it', (text, problem) => {
    expect(problemsOf(withFile(text))).toContain(problem)
  })

  it('names one place for the keys', () => {
    const text = 'kms:\n  kes:\n    endpoints: a\n    apiKey: kes:v1:'.concat('A'.repeat(44), '\n  keystore: {}\n')
    expect(problemsOf(withFile(text))).toBe(
      'strongroom.yaml:5: keys are in the KES servers of strongroom.yaml:3: one or the other',
    )
  })
})

describe('a MinIO environment', () => {
  const key = `my-key:${Buffer.alloc(32, 7).toString('base64')}`

  it('means what it meant there', () => {
    const { settings, notices } = resolve({
      environment: {
        MINIO_ROOT_USER: 'admin',
        MINIO_ROOT_PASSWORD: 'password1',
        MINIO_REGION: 'eu-west-1',
        MINIO_DOMAIN: 's3.example.com',
        MINIO_KMS_SECRET_KEY: key,
        MINIO_KMS_AUTO_ENCRYPTION: 'on',
      },
    })
    expect(settings).toMatchObject({
      rootUser: 'admin',
      rootPassword: 'password1',
      region: 'eu-west-1',
      domains: ['s3.example.com'],
      staticKey: key,
      defaultEncryption: 'sse-kms',
    })
    expect(notices).toEqual([])
  })

  it('gives way to a setting of our own', () => {
    const environment = { MINIO_ROOT_USER: 'admin', MINIO_ROOT_PASSWORD: 'password1', STRONGROOM_ROOT_USER: 'other' }
    expect(resolve({ environment }).settings).toMatchObject({ rootUser: 'other', rootPassword: 'password1' })
  })

  it('reads secrets from files, also by their name under /run/secrets, and stops when one is missing', () => {
    const environment = { MINIO_ROOT_USER_FILE: '/u', MINIO_ROOT_PASSWORD_FILE: 'pw', MINIO_KMS_SECRET_KEY_FILE: '/k' }
    const files = { '/u': 'admin\n', '/run/secrets/pw': 'password1\r\n' }
    expect(resolve({ environment, files: { ...files, '/k': key } }).settings).toMatchObject({
      rootUser: 'admin',
      rootPassword: 'password1',
      staticKey: key,
    })
    expect(problemsOf({ environment, files })).toBe('MINIO_KMS_SECRET_KEY_FILE: there is no file /k')
  })

  it('names the KES servers, the default key and who this server is to them', () => {
    const kes = { MINIO_KMS_KES_ENDPOINT: 'https://kes{1...2}:7373,https://k:7373', MINIO_KMS_KES_KEY_NAME: 'k' }
    const pair = {
      MINIO_KMS_KES_CERT_FILE: '/c',
      MINIO_KMS_KES_KEY_FILE: '/k',
      MINIO_KMS_KES_KEY_PASSWORD: 'p',
      MINIO_KMS_KES_CAPATH: '/ca',
    }
    expect(resolve({ environment: { ...kes, ...pair } }).settings).toMatchObject({
      kesEndpoints: ['https://kes{1...2}:7373', 'https://k:7373'],
      defaultKey: 'k',
      kesCertFile: '/c',
      kesKeyFile: '/k',
      kesKeyPassword: 'p',
      kesCa: '/ca',
    })
    const MINIO_KMS_KES_API_KEY = `kes:v1:${'A'.repeat(44)}`
    expect(resolve({ environment: { ...kes, MINIO_KMS_KES_API_KEY } }).settings.kesApiKey).toBe(MINIO_KMS_KES_API_KEY)
    expect(problemsOf({ environment: { ...kes, ...pair, MINIO_KMS_KES_API_KEY } })).toContain('not both')
    expect(problemsOf({ environment: kes })).toBe(
      'MINIO_KMS_KES_ENDPOINT: kesApiKey is missing, or kesCertFile and kesKeyFile',
    )
    expect(problemsOf({ environment: { ...kes, ...pair, MINIO_KMS_KES_KEY_NAME: '' } })).toBe(
      'MINIO_KMS_KES_ENDPOINT: MINIO_KMS_KES_KEY_NAME, the default key, is missing',
    )
    expect(problemsOf({ environment: pair })).toContain('MINIO_KMS_KES_CERT_FILE, MINIO_KMS_KES_KEY_FILE')
    expect(
      problemsOf({ environment: { ...kes, ...pair, MINIO_KMS_SECRET_KEY: key, MINIO_KMS_KES_KEY_NAME: 'my-key' } }),
    ).toBe('MINIO_KMS_SECRET_KEY: keys are in the KES servers of MINIO_KMS_KES_ENDPOINT: one or the other')
  })

  it('refuses what it cannot do instead of starting without it', () => {
    expect(problemsOf({ environment: { MINIO_KMS_KES_ENDPOINTS: 'x' } })).toContain('no such setting')
    expect(problemsOf({ environment: { MINIO_KMS_SERVER: 'https://kms:7373' } })).toContain('not supported')
  })

  it('lists what has no meaning here', () => {
    const environment = { MINIO_BROWSER: 'off', MINIO_STORAGE_CLASS_STANDARD: 'EC:2', PATH: '/bin' }
    expect(resolve({ environment, args: ['--console-address', ':9001'] }).notices).toEqual([
      'MINIO_BROWSER has no meaning here',
      'MINIO_STORAGE_CLASS_STANDARD has no meaning here',
      '--console-address has no meaning here',
    ])
  })

  it('refuses several drives or servers', () => {
    expect(problemsOf({ environment: { MINIO_VOLUMES: '/data{1...4}' } })).toContain('one directory is expected')
  })
})
