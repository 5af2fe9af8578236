import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KesError } from '../kes-error.ts'
import { parseKesAddress, parseKesConfig, parseKesStore } from './kes-config.ts'
import { keyStoreSettings } from './store-settings.ts'

const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const base = `admin: { identity: ${admin} }\ntls: { key: k, cert: c }\n`

const problemsOf = (text: string): readonly string[] => {
  try {
    parseKesConfig(text, 'F', {})
    return []
  } catch (error) {
    if (error instanceof KesError) return error.message.split('\n')
    throw error
  }
}

describe('a config as plain values', () => {
  it('has the defaults of KES', () => {
    expect(parseKesConfig(`${base}keystore: { fs: { path: /keys } }\n`, 'F', {})).toEqual({
      file: 'F',
      address: { host: '0.0.0.0', port: 7373 },
      adminIdentity: admin,
      tls: {
        keyFile: 'k',
        certFile: 'c',
        password: '',
        caPath: '',
        verifyClients: false,
        proxyIdentities: [],
        proxyCertificateHeader: '',
      },
      policies: [],
      api: [],
      cache: { anyMs: 300_000, unusedMs: 30_000, offlineMs: 0 },
      log: { errorLevel: 0, auditLevel: 0 },
      keys: [],
      store: { kind: 'files', path: '/keys' },
      notices: [],
    })
  })

  it('follows anchors, aliases and merges, as YAML has them', () => {
    const text = `${base}keystore: { fs: { path: /keys } }
policy:
  one: &one
    allow: &list [ /v1/key/* ]
    deny: [ /v1/key/delete/* ]
  two:
    <<: *one
    deny: *list
`
    expect(parseKesConfig(text, 'F', {}).policies).toEqual([
      { name: 'one', allow: ['/v1/key/*'], deny: ['/v1/key/delete/*'], identities: [] },
      { name: 'two', allow: ['/v1/key/*'], deny: ['/v1/key/*'], identities: [] },
    ])
  })

  it('takes no setting from what every object has', () => {
    const text = `${base}keystore: { fs: { path: "\${constructor}" } }\n`
    expect(problemsOf(text)).toEqual([
      'F:3: keystore.fs.path: the environment variable "constructor" is not set',
      expect.any(String),
    ])
    expect(problemsOf(`${base}keystore: { fs: { path: x } }\n__proto__: { a: 1 }\n`)).toEqual([])
  })

  it.each([
    ['0.0.0.0:7373', { host: '0.0.0.0', port: 7373 }],
    [':7373', { host: '0.0.0.0', port: 7373 }],
    ['[::1]:1', { host: '::1', port: 1 }],
    ['localhost:7373', undefined],
    ['127.0.0.1', undefined],
    ['127.0.0.1:65536', undefined],
    ['::1:7373', undefined],
  ])('reads the address %j', (text, address) => {
    expect(parseKesAddress(text)).toEqual(address)
  })
})

describe('hostile config files', () => {
  it('are refused in words, whatever they hold', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'a: &x [*x]',
        '<<: *x',
        '? [a]',
        '- - -',
        '%YAML 1.1',
        '---',
        '!!binary x',
        '"\\ud800"',
        'k: |',
        '*x',
      ),
      fc.constantFrom(
        'policy:',
        '  p: {allow: [a]}',
        'keystore:',
        '  fs:',
        '    path: x',
        'tls: &x',
        '  key: *x',
        '  <<: *x',
      ),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        problemsOf(lines.join('\n'))
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['nested too deeply', `a: ${'['.repeat(50_000)}`],
    ['nested on one line', `a:\n  ${'- '.repeat(50_000)}`],
    ['nested by indentation', Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    [
      'aliases of aliases',
      `a0: &a0 {x: 1}\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} {${'<<: *a'.concat(String(i), ', ').repeat(2)}}`).join('\n')}\npolicy: *a40`,
    ],
    ['merging itself', 'policy: &p\n  <<: *p\n  <<: [*p, *p]\n'],
    [
      'ten thousand aliases',
      `x: &x {a: b}\npolicy:\n${Array.from({ length: 10_000 }, (_, i) => `  p${i}: *x`).join('\n')}`,
    ],
    ['ten thousand names', `policy:\n${Array.from({ length: 10_000 }, (_, i) => `  p${i}: {}`).join('\n')}`],
    ['a mistake of syntax in every line', `tls:\n  key: k\n${'policykey: k\n  cert: ./ cert: c\n'.repeat(8_000)}`],
    ['too long', 'x'.repeat(1_048_577)],
  ])('are read or refused soon: %s', (_, text) => {
    const startedAt = process.cpuUsage()
    expect(problemsOf(text).length).toBeGreaterThan(0)
    const { user, system } = process.cpuUsage(startedAt)
    expect((user + system) / 1e6).toBeLessThan(10)
  })
})

describe('the key store of a config', () => {
  const settings = (text: string, environment: Record<string, string> = {}) =>
    keyStoreSettings(parseKesStore(`keystore:\n  ${text}\n`, 'F', environment), environment)

  it.each([
    ['fs: { path: /keys }', { kind: 'files', path: '/keys' }],
    [
      'vault: { endpoint: "https://v:8200", prefix: p, approle: { id: i, secret: s, namespace: / }, tls: { ca: /dev/null } }',
      {
        kind: 'vault',
        endpoint: 'https://v:8200',
        engine: 'kv',
        version: 'v1',
        prefix: 'p',
        login: { method: 'approle', engine: 'approle', id: 'i', secret: 's', namespace: '/' },
        tls: { ca: '/dev/null' },
      },
    ],
    [
      'vault: { endpoint: e, redirect_hosts: ["v2:8200", v3], version: v2, kubernetes: { jwt: j, role: r }, transit: { key: k } }',
      {
        kind: 'vault',
        endpoint: 'e',
        redirectHosts: ['v2:8200', 'v3'],
        engine: 'kv',
        version: 'v2',
        transit: { engine: 'transit', key: 'k' },
        login: { method: 'kubernetes', engine: 'kubernetes', jwt: 'j', role: 'r' },
      },
    ],
    [
      'aws: { secretsmanager: { endpoint: e, region: r, kmskey: k, recovery_window_days: 7, credentials: { accesskey: a, secretkey: s } } }',
      {
        kind: 'aws',
        endpoint: 'e',
        region: 'r',
        recoveryWindowDays: 7,
        kmsKeyId: 'k',
        credentials: { accessKeyId: 'a', secretAccessKey: 's' },
      },
    ],
    ['gcp: { secretmanager: { project_id: p, scopes: [s] } }', { kind: 'gcp', projectId: 'p', scopes: ['s'] }],
    [
      'gcp: { secretmanager: { project_id: p, credentials: { client_email: e, client_id: i, private_key_id: k, private_key: "a\\\\nb" } } }',
      {
        kind: 'gcp',
        projectId: 'p',
        credentials: { clientEmail: 'e', clientId: 'i', privateKeyId: 'k', privateKey: 'a\nb' },
      },
    ],
    [
      'azure: { keyvault: { endpoint: e, managed_identity: { client_id: c } } }',
      { kind: 'azure', endpoint: 'e', managedIdentity: { clientId: 'c' } },
    ],
    [
      'fortanix: { sdkms: { endpoint: e, group_id: g, credentials: { key: k }, tls: { ca: c } } }',
      { kind: 'fortanix', endpoint: 'e', groupId: 'g', credentials: { apiKey: 'k' }, tls: { ca: 'c' } },
    ],
    [
      'gemalto: { keysecure: { endpoint: e, credentials: { token: t, domain: root, retry: 15s } } }',
      { kind: 'gemalto', endpoint: 'e', credentials: { refreshToken: 't', domain: 'root' } },
    ],
    [
      'entrust: { keycontrol: { endpoint: e, vault_id: v, box_id: b, credentials: { username: u, password: p } } }',
      {
        kind: 'entrust',
        endpoint: 'e',
        vaultId: 'v',
        boxId: 'b',
        credentials: { username: 'u', password: 'p' },
      },
    ],
  ])('becomes settings: %s', (text, expected) => {
    expect(settings(text)).toEqual(expected)
  })

  it.each(['6', '31', '7.5', 'a week'])('is refused with a window of recovery of %s days', (days) => {
    const text = `aws: { secretsmanager: { endpoint: e, region: r, recovery_window_days: ${days} } }`
    expect(() => settings(text)).toThrow('F:2: keystore.aws.secretsmanager.recovery_window_days: expected 7 to 30 days')
  })

  it('takes proxies and cloud identities from the environment, as the programs of the clouds do', () => {
    const environment = {
      HTTPS_PROXY: 'http://proxy:3128',
      no_proxy: 'internal',
      AZURE_TENANT_ID: 't',
      AZURE_CLIENT_ID: 'c',
      AZURE_FEDERATED_TOKEN_FILE: '/token',
    }
    expect(settings('azure: { keyvault: { endpoint: e } }', environment)).toEqual({
      kind: 'azure',
      endpoint: 'e',
      workloadIdentity: { tenantId: 't', clientId: 'c', tokenFile: '/token' },
      proxy: { https: 'http://proxy:3128', none: 'internal' },
    })
  })
})
