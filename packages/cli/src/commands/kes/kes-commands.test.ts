import { createHash, createPrivateKey } from 'node:crypto'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatApiKey, type KesServer, makeCertificate, startKesServer } from '@strongroom/kes'
import { MemoryKeyStore } from '@strongroom/kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readMetrics } from './kes-metric.ts'
import { type KesResult, type KesRun, runKes } from './run-kes.fixture.ts'

const testdata = join(import.meta.dirname, '../../../testdata/kes')
const adminKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'

let directory: string
let server: KesServer
let environment: Record<string, string>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-cli-kes-'))
  const [cert, key] = await Promise.all(
    ['server.crt', 'server.key'].map((name) => readFile(join(testdata, name), 'utf8')),
  )
  server = await startKesServer({
    endpoints: [{ host: '127.0.0.1', port: 0 }],
    tls: { load: async () => ({ cert: cert ?? '', key: key ?? '' }) },
    adminIdentity: admin,
    openKeyStore: async () => new MemoryKeyStore(),
  })
  environment = {
    KES_SERVER: `127.0.0.1:${server.addresses[0]?.port}`,
    KES_API_KEY: adminKey,
    KES_CAPATH: join(testdata, 'server.crt'),
  }
})

afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

const kes = (line: string, run: Partial<KesRun> = {}): Promise<KesResult> =>
  runKes(line.split(' '), { environment, ...run })

describe('keys over the command line', () => {
  it('are versioned, locked and unlocked', async () => {
    await kes('key create versioned')
    expect(await kes('key rotate versioned --json')).toMatchObject({
      exitCode: 0,
      out: expect.stringContaining('"key_version":2'),
    })
    await kes('key lock versioned')
    expect((await kes('key info versioned')).out).toContain('\nState       locked\nVersion     2')
    expect(await kes('key dek versioned')).toMatchObject({
      exitCode: 1,
      error: "Error: failed to generate data key: key 'versioned' is locked\n",
    })
    await kes('key unlock versioned')
    expect((await kes('key dek versioned')).exitCode).toBe(0)
  })

  it('have routes that KES does not have, which status names', async () => {
    const { out } = await kes('status --api')
    expect(out).toContain('\n  PUT     /v1/key/create/              15s\n')
    expect(out).toContain('\n  PUT     /strongroom/v1/key/lock/     15s\n')
  })

  it('say on a terminal what it was that a policy does not allow', async () => {
    const { KES_API_KEY: _, ...rest } = environment
    const seed = Uint8Array.from({ length: 32 }, () => 0x77)
    const asStranger = { environment: { ...rest, KES_API_KEY: formatApiKey(seed) } }
    const refused = 'Error: failed to create key "k": not authorized: insufficient permissions\n'
    expect((await kes('key create k', asStranger)).error).toBe(refused)
    expect((await kes('key create k', { ...asStranger, isTerminal: true })).error).toBe(
      `${refused}  No rule of this identity's policy allows /v1/key/create/k\n`,
    )
  })

  it('are imported from standard input, where nobody else sees them', async () => {
    const material = Buffer.alloc(32, 7).toString('base64')
    expect(await kes('key import from-input -', { input: `${material}\n` })).toMatchObject({ exitCode: 0, error: '' })
    expect((await kes('key ls from-')).out).toBe('Key\nfrom-input\n')
  })

  it('say nothing of success, but to programs', async () => {
    expect(await kes('key create silent')).toEqual({ exitCode: 0, out: '', error: '' })
    expect(await kes('key rm silent --json')).toEqual({ exitCode: 0, out: '{"names":["silent"]}\n', error: '' })
  })

  it('are encrypted and decrypted with a context', async () => {
    await kes('key create sealing')
    const { out } = await kes('key dek sealing Y3R4 --json')
    const { plaintext, ciphertext }: Record<string, string> = JSON.parse(out)
    expect((await kes(`key decrypt sealing ${ciphertext} Y3R4`)).out).toBe(JSON.stringify({ plaintext }))
  })
})

describe('identities over the command line', () => {
  it('come with files that only their owner can read, and that open the server', async () => {
    const [key, cert] = [join(directory, 'new.key'), join(directory, 'new.crt')]
    const made = JSON.parse((await kes(`identity new --key ${key} --cert ${cert} --dns a,b --expiry 1h --json`)).out)
    expect((await stat(key)).mode & 0o777).toBe(0o600)
    expect((await kes(`identity of ${cert}`)).out).toBe(made.identity)
    expect((await kes(`identity ${key}`)).out).toBe(made.api_key)
    const { KES_API_KEY: _, ...rest } = environment
    const result = await kes('identity info', { environment: { ...rest, KES_CLIENT_KEY: key, KES_CLIENT_CERT: cert } })
    // The server knows no such identity, but it has seen it.
    expect(result.error).toBe('Error: identity does not exist\n')
  })

  it('ask for the password of an encrypted private key', async () => {
    const { cert } = await makeCertificate(Uint8Array.from({ length: 32 }, (_, i) => i))
    const pki = join(import.meta.dirname, '../../../../kes/testdata/config/pki')
    const keyFile = join(pki, 'server_rfc1423.key')
    const certFile = join(pki, 'server.crt')
    await writeFile(join(directory, 'unused.crt'), cert)
    const { KES_API_KEY: _, ...rest } = environment
    const variables = { ...rest, KES_CLIENT_KEY: keyFile, KES_CLIENT_CERT: certFile }
    expect(await kes('identity info', { environment: variables, password: 'secret' })).toMatchObject({
      error: 'Error: identity does not exist\n',
    })
    expect(await kes('identity info', { environment: variables, password: 'wrong' })).toMatchObject({
      error: `Error: ${keyFile}: the password is wrong\n`,
    })
  })
})

describe('logs and metrics over the command line', () => {
  it('show audit as it happens, until interrupted', async () => {
    const controller = new AbortController()
    let seen = ''
    let creating: Promise<KesResult> | undefined
    const watching = kes('log', {
      interrupted: controller.signal,
      onOut: (text) => {
        seen += text
        if (seen.includes('/v1/key/create/audited')) controller.abort()
      },
    })
    // Whoever comes too early for the stream comes again.
    for (let i = 0; !controller.signal.aborted; i++) {
      creating = kes(i === 0 ? 'key create audited' : `key create audited-${i}`)
      await creating
    }
    expect((await watching).exitCode).toBe(0)
    const [heading, line] = seen.split('\n')
    expect(heading).toMatch(/^Time +Status +Identity +IP +Latency +Request$/)
    expect(line).toMatch(/^\d\d:\d\d:\d\d +200 +a050837d85… +127\.0\.0\.1 +[\d.]+(?:ms|µs) +\/v1\/key\/create\/audited/)
  })

  it('show raw events to programs', async () => {
    const controller = new AbortController()
    const lines: string[] = []
    const watching = kes('log --json', {
      interrupted: controller.signal,
      onOut: (text) => {
        lines.push(text)
        controller.abort()
      },
    })
    while (!controller.signal.aborted) await kes('key ls')
    await watching
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ response: { code: 200 }, request: { identity: admin } })
  })

  it('show metrics as KES prints them for programs', async () => {
    const controller = new AbortController()
    const { out } = await kes('metric --rate 1ms', {
      interrupted: controller.signal,
      onOut: () => controller.abort(),
    })
    const metrics: Record<string, unknown> = JSON.parse(out)
    expect(metrics).toMatchObject({
      kes_http_request_success: expect.any(Number),
      kes_http_request_error: expect.any(Number),
      kes_http_request_failure: expect.any(Number),
      kes_http_response_time: { '10000000': expect.any(Number), '10000000000': expect.any(Number) },
      kes_system_up_time: expect.any(Number),
    })
    expect(await kes('metric --rate 1')).toMatchObject({
      exitCode: 1,
      error: expect.stringContaining("invalid rate '1'"),
    })
  })

  it('sum the counters of requests over their codes', () => {
    const text = [
      '# HELP kes_http_request_success x',
      'kes_http_request_success{code="200"} 3',
      'kes_http_request_error{code="400"} 2',
      'kes_http_request_error{code="404"} 5',
      'kes_http_response_time_bucket{le="0.01"} 4',
      'kes_http_response_time_bucket{le="+Inf"} 9',
      'kes_http_response_time_sum 1.5',
      'kes_system_up_time 2.5',
      'process_cpu_seconds_total 4',
    ].join('\n')
    expect(readMetrics(text)).toEqual({
      kes_http_request_success: 3,
      kes_http_request_error: 7,
      kes_http_request_failure: 0,
      kes_http_response_time: { '10000000': 4 },
      kes_system_up_time: 2_500_000_000,
    })
  })
})

/** As KES has stored keys since 2019. */
const storedKey = (seed: string): string =>
  JSON.stringify({ bytes: createHash('sha256').update(seed).digest('base64') })

describe('key stores over the command line', () => {
  const config = async (name: string): Promise<string> => {
    const file = join(directory, `${name}.yml`)
    await writeFile(file, `keystore:\n  fs:\n    path: ${directory}/${name}\n`)
    return file
  }
  const run = (): Partial<KesRun> => ({ environment: { STORE: join(directory, 'checked') } })

  it('move, go on where they stopped, and never overwrite', async () => {
    const [from, to] = [await config('from'), await config('to')]
    await kes(`migrate --from ${from} --to ${to}`, run())
    for (const name of ['a', 'b', 'c']) await writeFile(join(directory, 'from', name), storedKey(name))
    await writeFile(join(directory, 'to', 'b'), storedKey('b'))
    const progress = await kes(`migrate --from ${from} --to ${to}`, { ...run(), showsProgress: true })
    expect(progress).toMatchObject({
      exitCode: 0,
      out: 'Migrated   2 keys successfully!\nUnchanged  1 key that were there already\n',
      error: expect.stringMatching(/\r\[#{30}\] 3 of 3 entries\n$/),
    })
    expect((await readdir(join(directory, 'to'))).sort()).toEqual(['a', 'b', 'c'])
    await rm(join(directory, 'from', 'c'))
    await writeFile(join(directory, 'from', 'c'), storedKey('changed'))
    const conflict = await kes(`migrate --from ${from} --to ${to} --json`, run())
    expect(conflict.exitCode).toBe(1)
    expect(JSON.parse(conflict.out)).toMatchObject({ copied: [], identical: ['a', 'b'], different: ['c'] })
    expect(await readFile(join(directory, 'to', 'c'), 'utf8')).toBe(storedKey('c'))
    expect((await kes(`migrate --from ${from} --to ${to} --merge`, run())).exitCode).toBe(0)
    await writeFile(join(directory, 'from', 'note'), 'not a key')
    expect(await kes(`migrate --from ${from} --to ${to} note`, run())).toMatchObject({
      exitCode: 1,
      out: 'Migrated   0 keys\nNo keys    1 entries, not copied: note\n',
    })
  })

  it('are named when they cannot be opened', async () => {
    await writeFile(join(directory, 'blocked'), 'a file')
    const [from, to] = [await config('from'), await config('blocked')]
    expect(await kes(`migrate --from ${from} --to ${to}`, run())).toMatchObject({
      exitCode: 1,
      error: expect.stringContaining(`Error: ${to}: Filesystem: ${directory}/blocked: `),
    })
  })

  it('are tried by check, which says what a config means', async () => {
    const file = join(directory, 'whole.yml')
    await copyFile(join(testdata, 'server.key'), join(directory, 'whole.key'))
    await chmod(join(directory, 'whole.key'), 0o600)
    await mkdir(join(directory, 'checked'), { mode: 0o700 })
    await writeFile(
      file,
      `address: 127.0.0.1:7373
admin:
  identity: ${admin}
tls:
  key: ${directory}/whole.key
  cert: ${testdata}/server.crt
policy:
  app:
    allow: [ /v1/key/* ]
    deny: [ /v1/key/delete/* ]
keystore:
  fs:
    path: \${STORE}
unknown: 1
`,
    )
    const { out, exitCode } = await kes(`check ${file}`, run())
    expect(exitCode).toBe(0)
    expect(
      out
        .replaceAll(directory, '<dir>')
        .replaceAll(testdata, '<pki>')
        .replace(/until \d{4}-\d\d-\d\d/, 'until D'),
    ).toBe(
      `<dir>/whole.yml is fine

  Address      127.0.0.1:7373
  Admin        ${admin}
  Certificate  <pki>/server.crt, for localhost, 127.0.0.1, until D
  Clients      any certificate; the identity decides
  Policy       app
               allow /v1/key/*
               deny  /v1/key/delete/*
  Cache        any 5m0s, unused 30s, offline 0s
  Log          error INFO, audit INFO
  Key store    Filesystem: <dir>/checked
               reachable, 0 entries

To know:
  <dir>/whole.yml:14: unknown: unknown setting, ignored
  policy.app: is assigned to nobody
`,
    )
    const broken = await kes(`check ${file} --json`)
    expect(broken.exitCode).toBe(1)
    expect(JSON.parse(broken.out)).toMatchObject({
      problems: [
        `${file}:14: unknown: unknown setting`,
        `${file}:13: keystore.fs.path: the environment variable "STORE" is not set`,
        expect.anything(),
      ],
    })
  })
})

it('makes private keys that other tools read', async () => {
  const file = join(directory, 'other.key')
  await kes(`identity new --key ${file}`)
  expect(createPrivateKey(await readFile(file)).asymmetricKeyType).toBe('ed25519')
})
