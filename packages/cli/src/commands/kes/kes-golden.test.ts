import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KesServer, makeCertificate, startKesServer } from '@strongroom/kes'
import { MemoryKeyStore } from '@strongroom/kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runKes } from './run-kes.fixture.ts'

interface Row {
  readonly args: readonly string[]
  readonly tty: boolean
  readonly exit: number
  readonly stdout: string
  readonly stderr?: string
}

const testdata = join(import.meta.dirname, '../../../testdata/kes')
const rows: readonly Row[] = JSON.parse(await readFile(join(testdata, 'cli.json'), 'utf8'))

const adminKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const userKey = 'kes:v1:ACAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/'
const user = '824c89aa8efb95ef93629b4519599129cace4adac9a6180daba31ceed41ecee6'

type Variables = Readonly<Record<string, string>>

/** Variables of the rows that were not run as the admin with `KES_API_KEY`. `<pki>`, `<server>`, `<closed>` are put in. */
const environments: ReadonlyMap<number, Variables> = new Map<number, Variables>([
  [34, { KES_API_KEY: userKey }],
  [88, { KES_API_KEY: userKey }],
  [120, {}],
  [121, { MINIO_KES_API_KEY: adminKey, KES_API_KEY: 'nonsense' }],
  [122, { MINIO_KES_API_KEY: '', KES_API_KEY: adminKey }],
  [123, { KES_API_KEY: userKey, MINIO_KMS_KES_API_KEY: 'nonsense' }],
  [124, { MINIO_KMS_KES_API_KEY: adminKey }],
  [125, { MINIO_KES_KEY_FILE: '<pki>/user.key', KES_CLIENT_CERT: '<pki>/user.crt' }],
  [126, { KES_CLIENT_KEY: '<pki>/user.key' }],
  [127, { KES_API_KEY: adminKey, KES_CLIENT_KEY: '<pki>/user.key', KES_CLIENT_CERT: '<pki>/user.crt' }],
  [128, { KES_API_KEY: 'kes:v1:' }],
  [129, { KES_API_KEY: adminKey.slice(4) }],
  [130, { KES_API_KEY: `kes:${adminKey.slice(7)}` }],
  [131, { KES_API_KEY: adminKey.slice(7) }],
  [132, { KES_API_KEY: adminKey.replace('v1:AA', 'v1:AQ') }],
  [133, { KES_API_KEY: 'kes:v1:AAAA' }],
  [134, { KES_API_KEY: adminKey.replace(/.{4}$/, '') }],
  [135, { KES_API_KEY: '?' }],
  [136, { KES_API_KEY: adminKey.toUpperCase() }],
  [137, { MINIO_KES_SERVER: 'https://<server>', KES_SERVER: 'nowhere', KES_API_KEY: adminKey }],
  [138, { MINIO_KES_SERVER: 'http://<server>', KES_API_KEY: adminKey }],
  [139, { KES_SERVER: '<closed>,<server>', KES_API_KEY: adminKey }],
  [140, { KES_SERVER: '<closed>', KES_API_KEY: adminKey }],
  [142, { KES_API_KEY: userKey }],
])

type Difference = readonly [why: string, expected: Partial<Row>]

const selfInfo = `Identity    ${user}\nPolicy      app\nCreated At  DATE\nRole        User\nCreated By  ${admin}\n`
const adminInfo = (line: string): string => `{"identity":"${line}","admin":true,"created_at":"TIME"}\n`
const arrayOnly = 'KES prints the table behind the array, which no JSON parser takes'
const algorithm = 'KES leaves the algorithm out of the JSON; state and version are ours'
const heading = "KES heads a list of policies with 'Key'"
const keyJson = (name: string): string =>
  `{"name":"${name}","algorithm":"AES256","created_at":"TIME","created_by":"${admin}","state":"enabled","key_version":1}\n`

const differences: ReadonlyMap<number, Difference> = new Map<number, Difference>([
  [6, [algorithm, { stdout: keyJson('i1') }]],
  [60, [algorithm, { stdout: keyJson('i1') }]],
  [9, [arrayOnly, { stdout: '["c1","c2","i1"]\n' }]],
  [63, [arrayOnly, { stdout: '["c1t","c2t","i1","i1t"]\n' }]],
  [12, ['KES takes the * literally and finds nothing', { stdout: 'Key\nc1\nc2\n' }]],
  [66, ['KES takes the * literally and finds nothing', { stdout: 'Key\nc1t\nc2t\n' }]],
  [34, ['KES tells nobody but the admin who he is', { exit: 0, stdout: selfInfo, stderr: '' }]],
  [88, ['KES tells nobody but the admin who he is', { exit: 0, stdout: selfInfo }]],
  [36, ['KES ignores --json here', { stdout: adminInfo(admin) }]],
  [90, ['KES ignores --json here', { stdout: adminInfo(admin) }]],
  [38, [arrayOnly, { stdout: `["${user}","${admin}"]\n` }]],
  [92, [arrayOnly, { stdout: `["${user}","${admin}"]\n` }]],
  [40, [heading, { stdout: 'Policy\napp\n' }]],
  [94, [heading, { stdout: 'Policy\napp\n' }]],
  [41, [arrayOnly, { stdout: '["app"]\n' }]],
  [95, [arrayOnly, { stdout: '["app"]\n' }]],
  [
    119,
    [
      'our words for a certificate that is not trusted',
      { stderr: 'Error: failed to list keys: https://<server>: the certificate of the server is not trusted\n' },
    ],
  ],
  [139, ['KES shows the first server named, whichever answered', { stdout: '○ <closed>\n● <server>\n' }]],
  [
    140,
    [
      'our words for a server that is not there',
      { stderr: 'Error: failed to create key "x": https://<closed>: connection refused\n' },
    ],
  ],
  [
    142,
    [
      'KES speaks of keys where it lists policies',
      { stderr: 'Error: failed to list policies: not authorized: insufficient permissions\n' },
    ],
  ],
])

/** Calls of something that Strongroom does not have. */
const leftOut: ReadonlyMap<number, string> = new Map([[116, 'strongroom version prints the version']])

describe('strongroom kes, called as kes was', () => {
  let directory: string
  let server: KesServer
  let placeholders: readonly (readonly [name: string, value: string])[]

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-cli-kes-'))
    await writePki(directory)
    const [cert, key] = await Promise.all(
      ['server.crt', 'server.key'].map((name) => readFile(join(testdata, name), 'utf8')),
    )
    server = await startKesServer({
      endpoints: [{ host: '127.0.0.1', port: 0 }],
      tls: { load: async () => ({ cert: cert ?? '', key: key ?? '' }) },
      adminIdentity: admin,
      policies: [{ name: 'app', allow: ['/v1/key/*'], deny: ['/v1/key/delete/*'], identities: [user] }],
      openKeyStore: async () => new MemoryKeyStore(),
    })
    placeholders = [
      ['<pki>', directory],
      ['<server>', `127.0.0.1:${server.addresses[0]?.port}`],
      ['<closed>', await closedAddress()],
    ]
  })

  afterAll(async () => {
    await server.close()
    await rm(directory, { recursive: true })
  })

  const fill = (text: string): string =>
    placeholders
      .reduce((filled, [name, value]) => filled.replaceAll(name, value), text)
      .replace(/^pki\//, `${directory}/`)
      .replace(/^n\.(key|crt)$/, `${directory}/n.$1`)
      .replace('127.0.0.1:<port>', placeholders[1]?.[1] ?? '')

  const unfill = (text: string): string =>
    placeholders
      .reduceRight((plain, [name, value]) => plain.replaceAll(value, name), text)
      .replaceAll('<pki>/n.', 'n.')
      .replaceAll('<pki>', 'pki')

  it('has 146 calls to compare with', () => {
    expect(rows).toHaveLength(146)
  })

  it.each(rows.map((row, index) => ({ index, row, call: row.args.join(' ') })))('$index: kes $call', async (each) => {
    const { index, row } = each
    if (leftOut.has(index)) return
    const variables = environments.get(index) ?? { KES_API_KEY: adminKey }
    const environment = Object.fromEntries(
      Object.entries({ KES_SERVER: '<server>', ...variables }).map(([name, value]) => [name, fill(value)]),
    )
    const result = await runKes(row.args.map(fill), { environment, isTerminal: row.tty })
    const [, own = {}] = differences.get(index) ?? []
    const expected = { ...row, ...own }
    expect(result.exitCode).toBe(expected.exit)
    const actual = row.tty ? result.out + result.error : result.out
    expect(mask(unfill(actual))).toBe(mask(expected.stdout))
    if (!row.tty) expect(mask(unfill(result.error))).toBe(mask(expected.stderr ?? ''))
  })

  it('differs where it says so, and nowhere without need', () => {
    for (const [index, [why, own]] of differences) {
      const row = rows[index]
      const isDifferent = Object.entries(own).some(
        ([name, value]) => mask(String(value)) !== mask(String(Reflect.get(row ?? {}, name))),
      )
      expect(isDifferent, `${index}: ${why}`).toBe(true)
    }
  })
})

/** What changes from run to run, and how the program is called. */
function mask(text: string): string {
  const masked = text
    // A terminal is asked for its colours by KES.
    .replace('\u001b]11;?\u001b\\\u001b[6n', '')
    .replace(/(['$] ?| {4}|`)kes (?=[a-z-])/g, '$1strongroom kes ')
    .replaceAll('127.0.0.1:<port>', '<server>')
    .replaceAll('127.0.0.1:<closed port>', '<closed>')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME')
    .replace(/"(plaintext|ciphertext)":"[^"]*"/g, '"$1":"B64"')
    .replace(/(plaintext: +|ciphertext: +)\S+/g, '$1B64')
    .replace(/kes:v1:A[\w+/=]{43,}/g, (key) => (key === adminKey || key === userKey ? key : 'KEY'))
    .replace(/\b[0-9a-f]{64}\b/g, (identity) => (identity === admin || identity === user ? identity : 'ID'))
    .replace(/(Uptime +)\d+ seconds/, '$1N seconds')
    .replace(/(Latency +)\d+ms/, '$1Nms')
    .replace(/(Heap +|Stack +)[\d.]+[KM]?B/g, '$1SIZE')
    .replace(/(OS +)\w+/, '$1OS')
    .replace(/(CPUs +)\d+ \w+/, '$1N ARCH')
    .replace(/"(uptime|num_cpu|num_cpu_used|mem_heap_used|mem_stack_used|keystore_latency)": ?\d+/g, '"$1":N')
    .replace(/"(os|arch)": ?"\w+"/g, '"$1":"X"')
    .replace(/ +$/gm, '')
  return sortRoutes(masked)
}

/** KES gives its routes in random order, and has none of ours. */
function sortRoutes(text: string): string {
  if (!text.includes('/v1/policy/read/')) return text
  if (!text.startsWith('[')) return text.split('\n').filter(isOfKes).sort().join('\n')
  const routes: unknown[] = JSON.parse(text)
  return routes
    .map((route) => JSON.stringify(route))
    .filter(isOfKes)
    .sort()
    .join('\n')
}

const isOfKes = (line: string): boolean => !line.includes('/strongroom/v1/')

async function writePki(directory: string): Promise<void> {
  const { cert, key } = await makeCertificate(Uint8Array.from({ length: 32 }, (_, i) => 0x20 + i))
  await writeFile(join(directory, 'user.crt'), cert)
  await writeFile(join(directory, 'user.key'), key)
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(join(directory, 'rsa.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }))
}

async function closedAddress(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}
