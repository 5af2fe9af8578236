import { access, chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KmsError, MemoryKeyStore } from '@strongroom/kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkKesConfig } from './check-config.ts'

const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const user = '824c89aa8efb95ef93629b4519599129cace4adac9a6180daba31ceed41ecee6'

describe('checking a KES config', () => {
  let directory: string
  let file: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-check-'))
    file = join(directory, 'kes.yml')
    await cp(join(import.meta.dirname, '../../testdata/config/pki'), join(directory, 'pki'), { recursive: true })
    await chmod(join(directory, 'pki/server.key'), 0o600)
    await mkdir(join(directory, 'keys'), { mode: 0o700 })
  })

  afterAll(() => rm(directory, { recursive: true }))

  const write = (more: string): Promise<void> =>
    writeFile(
      file,
      `address: 127.0.0.1:7373
admin:
  identity: \${ADMIN}
tls:
  key: ${directory}/pki/server.key
  cert: ${directory}/pki/server.crt
keystore:
  fs:
    path: ${directory}/keys
${more}`,
    )

  const openKeyStore = async () => new MemoryKeyStore()

  it('says what it means', async () => {
    await write(`policy:
  app:
    allow: [ /v1/key/* ]
    identities: [ ${user} ]
cache:
  expiry:
    any: 1h
    unused: 20s
log:
  error: off
keys:
  - name: first
`)
    const report = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore })
    expect(report).toEqual({
      file,
      problems: [],
      notices: [],
      config: {
        address: '127.0.0.1:7373',
        admin,
        tls: {
          cert: join(directory, 'pki/server.crt'),
          key: join(directory, 'pki/server.key'),
          verifiesClients: false,
          proxies: [],
          names: ['localhost', '127.0.0.1'],
          expires: expect.stringMatching(/^21\d\d-/),
        },
        policies: [{ name: 'app', allow: ['/v1/key/*'], deny: [], identities: [user] }],
        api: [],
        cache: { any: '1h0m0s', unused: '20s', offline: '0s' },
        log: { error: 'off', audit: 'INFO' },
        keys: ['first'],
        keyStore: { description: `Filesystem: ${directory}/keys`, isReachable: true, entries: 0 },
      },
    })
  })

  it('names what has no effect, or another than one may think', async () => {
    await write(`policy:
  app:
    allow: [ v1/x, "/a*b", "/v1/key/?" ]
api:
  /v1/nothing:
    skip_auth: true
  /v1/ready:
    skip_auth: true
  /strongroom/v1/key/purge/:
    skip_auth: true
foo: bar
cache:
  expiry:
    any: 1m
`)
    const { notices } = await checkKesConfig(file, { ADMIN: 'disabled' }, { openKeyStore })
    expect(notices).toEqual([
      `${file}:23: cache.expiry.unused: unset or 0s: KES drops its whole cache every 30s then; here it means 30s`,
      `${file}:20: foo: unknown setting, ignored`,
      'policy.app: "v1/x" matches nothing: paths begin with /',
      'policy.app: "/a*b" has a * that is not at its end: it stands for itself',
      'policy.app: "/v1/key/?" has ? or [ ] in it, which stand for themselves since 2023-10',
      'policy.app: is assigned to nobody',
      'api: "/v1/nothing" is no route: ignored',
      'api: with skip_auth (/v1/ready, /strongroom/v1/key/purge/) clients may connect to every route without a certificate',
      'admin.identity: nobody can have this identity: there is no admin',
    ])
  })

  it('says of wildcards which routes of our own they do not grant', async () => {
    await write(`policy:
  app:
    allow: [ "*", /v1/*, "/strongroom/v1/key/un*", /strongroom/v1/key/lock/my-* ]
    identities: [ ${user} ]
`)
    const { notices } = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore })
    expect(notices).toEqual([
      'policy.app: "*" grants none of the routes that KES does not have (describe, rotate, lock, unlock, recover, purge, schedule-deletion, cancel-deletion): name them, as "/strongroom/v1/key/describe/*"',
      'policy.app: "/strongroom/v1/key/un*" grants none of the routes that KES does not have (unlock): name them, as "/strongroom/v1/key/unlock/*"',
    ])
  })

  it('names keys that others can read, and changes none', async () => {
    const [open, closed] = [join(directory, 'keys/open'), join(directory, 'keys/closed')]
    await write('')
    await writeFile(open, 'x')
    await writeFile(closed, 'x', { mode: 0o600 })
    await Promise.all([chmod(open, 0o644), chmod(join(directory, 'pki/server.key'), 0o640)])
    try {
      const { notices } = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore })
      expect(notices).toEqual([
        `tls.key: ${directory}/pki/server.key can be read by others than its owner (mode 640)`,
        `keystore.fs.path: ${open} can be read by others than its owner (mode 644)`,
      ])
    } finally {
      await Promise.all([rm(open), rm(closed), chmod(join(directory, 'pki/server.key'), 0o600)])
    }
  })

  it('makes no directory of keys', async () => {
    await write('')
    const path = join(directory, 'keys')
    await rm(path, { recursive: true })
    const never = () => Promise.reject(new Error('opened'))
    try {
      const { notices, problems } = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore: never })
      expect(problems).toEqual([])
      expect(notices).toEqual([`keystore.fs.path: ${path} does not exist: a server makes it, and has no keys then`])
      await expect(access(path)).rejects.toThrow()
    } finally {
      await mkdir(path, { mode: 0o700 })
    }
  })

  it('names a misspelt setting before what is missing by it', async () => {
    await write('')
    await writeFile(file, (await readFile(file, 'utf8')).replace('keystore:', 'keystor:'))
    const { problems } = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore })
    expect(problems).toEqual([
      `${file}:7: keystor: unknown setting`,
      expect.stringMatching(/keystore: no key store specified$/),
    ])
  })

  it('lists all that is wrong, each with its line', async () => {
    await write('cache:\n  expiry:\n    any: 300\nlog:\n  error: loud\n')
    const { problems, config } = await checkKesConfig(file, {}, { openKeyStore })
    expect(problems.map((line) => line.replace(file, 'F'))).toEqual([
      'F:3: admin.identity: the environment variable "ADMIN" is not set',
      expect.stringMatching(/^F:2: admin: invalid admin identity/),
      'F:12: cache.expiry.any: expected a duration with its unit, such as 20s or 5m0s',
      expect.stringMatching(/^F:14: log.error: expected DEBUG/),
    ])
    expect(config).toBeUndefined()
  })

  it('says why a key store does not work', async () => {
    await write('')
    const failing = async () => {
      throw new KmsError('unreachable', 'Vault: connection refused')
    }
    const report = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore: failing })
    expect(report.problems).toEqual(['the key store does not work: Vault: connection refused'])
    expect(report.config?.keyStore).toMatchObject({ isReachable: false, detail: 'Vault: connection refused' })
  })

  it('does not wait for ever for a key store', async () => {
    await write('')
    const stalled = () => new Promise<never>(() => undefined)
    const report = await checkKesConfig(file, { ADMIN: admin }, { openKeyStore: stalled, timeoutMs: 20 })
    expect(report.problems).toEqual(['the key store does not work: no answer within 20ms'])
  })
})
