import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KesClient } from '@strongroom/kes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setUpTls } from '../tls-setup.ts'
import { KesPool } from './kes-pool.ts'

const adminKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const userKey = 'kes:v1:ACAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/'
const user = '824c89aa8efb95ef93629b4519599129cace4adac9a6180daba31ceed41ecee6'
const context = Buffer.from('context')
const count = 3

/** Text that comes in pieces. */
class Output {
  text = ''
  #check: (() => void) | undefined

  readonly write = (text: string): void => {
    this.text += text
    this.#check?.()
  }

  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (pattern.test(this.text)) resolve()
      }
      this.#check()
    })
  }
}

describe('a key service of several processes', () => {
  const clients: KesClient[] = []
  const [out, errors] = [new Output(), new Output()]
  let directory: string
  let pool: KesPool

  const configure = (policy: string): Promise<void> =>
    writeFile(
      join(directory, 'kes.yml'),
      `admin:
  identity: \${ADMIN}
tls:
  key: ${directory}/private.key
  cert: ${directory}/public.crt
keystore:
  fs:
    path: ${directory}/keys
${policy}`,
    )

  /** One connection, to the worker after the one that the last led to. */
  async function connect(apiKey = adminKey): Promise<KesClient> {
    const ca = [await readFile(join(directory, 'ca.crt'), 'utf8')]
    const endpoints = pool.addresses.map(({ port }) => `https://127.0.0.1:${port}`)
    const client = await KesClient.open({ endpoints, credentials: { apiKey }, ca })
    clients.push(client)
    await client.version()
    return client
  }

  const connectToAll = async (apiKey?: string): Promise<readonly KesClient[]> => {
    const opened: KesClient[] = []
    while (opened.length < count) opened.push(await connect(apiKey))
    return opened
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-kes-pool-'))
    await setUpTls(directory)
    await configure('')
    pool = await KesPool.open({
      endpoints: [{ host: '127.0.0.1', port: 0 }],
      workers: count,
      told: {
        given: { config: join(directory, 'kes.yml'), isDev: false, isJson: false, workers: count },
        environment: { ADMIN: admin },
        version: '0.1.0',
        startedAtMs: Date.now() - 3_600_000,
      },
      isJson: false,
      writeOut: out.write,
      writeError: errors.write,
    })
  })

  afterAll(async () => {
    for (const client of clients) await client.close()
    await pool.close()
    await rm(directory, { recursive: true })
  })

  it('is locked, unlocked and deleted in every worker before that is answered', async () => {
    const all = await connectToAll()
    const [first, second] = all
    if (first === undefined || second === undefined) throw new Error('there are no clients')
    await first.createKey('key')
    const use = (): Promise<string[]> =>
      Promise.all(
        all.map((client) =>
          client.generateDataKey('key', context).then(
            () => 'used',
            (error: { status?: number }) => `refused ${error.status}`,
          ),
        ),
      )
    expect(await use()).toEqual(['used', 'used', 'used'])
    for (let turn = 0; turn < 3; turn++) {
      await second.extension('lock', 'key')
      expect(await use()).toEqual(['refused 403', 'refused 403', 'refused 403'])
      await first.extension('unlock', 'key')
      expect(await use()).toEqual(['used', 'used', 'used'])
    }
    await second.deleteKey('key')
    expect(await use()).toEqual(['refused 404', 'refused 404', 'refused 404'])
  })

  it('takes new policies in every worker, and none of a config that is wrong', async () => {
    const all = await connectToAll(userKey)
    const statuses = (): Promise<(number | undefined)[]> =>
      Promise.all(
        all.map((client) =>
          client.status().then(
            () => 200,
            (error: { status?: number }) => error.status,
          ),
        ),
      )
    expect(await statuses()).toEqual([403, 403, 403])
    await configure(`policy:\n  p:\n    allow: [ /v1/status ]\n    identities: [ ${user} ]\n`)
    await pool.reload()
    expect(await statuses()).toEqual([200, 200, 200])
    await configure('cache:\n  expiry:\n    any: 5\n')
    await expect(pool.reload()).rejects.toThrow('cache.expiry.any: expected a duration')
    expect(await statuses()).toEqual([200, 200, 200])
    await configure('')
    await pool.reload()
  })

  it('adds its metrics up, writes all audit, and says how long the server runs', async () => {
    const all = await connectToAll()
    const answered = async (): Promise<number> => {
      const text = (await all[0]?.metrics()) ?? ''
      expect(text).toContain('\nstrongroom_kes_reloads_total 2\n')
      return Number(/^kes_http_request_success\{code="200"\} (\d+)$/m.exec(text)?.[1])
    }
    const before = await answered()
    for (const [at, client] of all.entries()) await client.createKey(`metered-${at}`)
    expect(await answered()).toBe(before + count)
    for (const client of all) expect((await client.status()).uptime).toBeGreaterThanOrEqual(3_600)
    for (const at of all.keys())
      await out.until(new RegExp(`^time=.* req\\.path=/v1/key/create/metered-${at} .*\\n`, 'm'))
  })

  it('shows whoever reads the audit log what all workers do', async () => {
    const all = await connectToAll()
    const reader = await connect()
    const controller = new AbortController()
    const lines = reader.log('audit', controller.signal)[Symbol.asyncIterator]()
    const seen = new Set<string>()
    const collected = (async () => {
      while (seen.size < count) {
        const { value, done } = await lines.next()
        if (done === true) break
        const [, at] = /create\/watched-\d+-(\d)/.exec(value) ?? []
        if (at !== undefined) seen.add(at)
      }
    })()
    // Until the reader is there nobody hears of it.
    for (let turn = 0; seen.size < count; turn++) {
      for (const [at, client] of all.entries()) await client.createKey(`watched-${turn}-${at}`)
    }
    await collected
    controller.abort()
  })

  it('goes on without a worker that was killed, and has another take its place', async () => {
    const [victim = 0] = pool.pids
    process.kill(victim, 'SIGKILL')
    await errors.until(/level=ERROR msg="a worker ended; another takes its place" worker=\d reason=SIGKILL\n/)
    expect(await (await connect()).status()).toMatchObject({ version: '0.1.0' })
    await errors.until(/msg="a worker serves again"/)
    expect(pool.pids).toHaveLength(count)
    expect(pool.pids).not.toContain(victim)
    const all = await connectToAll()
    await all[0]?.createKey('after')
    for (const client of all) await client.generateDataKey('after', context)
  })
})
