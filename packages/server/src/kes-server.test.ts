import { EventEmitter } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KesServerArguments } from '@strongroom/cli'
import { KesClient } from '@strongroom/kes'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runKesServer } from './kes-server.ts'
import { setUpTls } from './tls-setup.ts'

const adminKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const userKey = 'kes:v1:ACAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/'
const user = '824c89aa8efb95ef93629b4519599129cace4adac9a6180daba31ceed41ecee6'

/** A key service that was started in this process. */
interface Run {
  readonly signals: EventEmitter
  readonly exit: Promise<number>
  /** Resolves with everything written when it contains `text`. */
  until(text: string): Promise<string>
}

function start(given: Partial<KesServerArguments>, environment: Record<string, string> = {}, isTerminal = false): Run {
  const signals = new EventEmitter()
  let written = ''
  const waiting = new Set<() => void>()
  const write = (text: string): void => {
    written += text
    for (const check of waiting) check()
  }
  const exit = runKesServer(
    { isDev: false, isJson: false, ...given },
    { version: '0.1.0', environment, isTerminal, writeOut: write, writeError: write, signals },
  )
  const until = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!written.includes(text)) return
        waiting.delete(check)
        resolve(written)
      }
      waiting.add(check)
      exit.catch(reject)
      check()
    })
  return { signals, exit, until }
}

const running = '=> Server is up and running...'
const addressIn = (written: string): string => /https:\/\/\S+/.exec(written)?.[0] ?? ''

describe('strongroom kes server', () => {
  let directory: string
  const clients: KesClient[] = []

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-kes-server-'))
    await setUpTls(directory)
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close()
    await rm(directory, { recursive: true })
  })

  async function configure(more = ''): Promise<string> {
    const file = join(directory, 'kes.yml')
    await writeFile(
      file,
      `address: 127.0.0.1:0
admin:
  identity: \${ADMIN}
tls:
  key: ${directory}/private.key
  cert: ${directory}/public.crt
keystore:
  fs:
    path: ${directory}/keys
${more}`,
    )
    return file
  }

  async function connect(endpoint: string, apiKey: string): Promise<KesClient> {
    const ca = [await readFile(join(directory, 'ca.crt'), 'utf8')]
    const client = await KesClient.open({ endpoints: [endpoint], credentials: { apiKey }, ca })
    clients.push(client)
    return client
  }

  it('runs by a config of KES, makes the keys it names, and ends upon SIGTERM', async () => {
    const config = await configure('keys:\n  - name: first\n')
    const run = start({ config }, { ADMIN: admin })
    const banner = await run.until(running)
    expect(banner).toContain(`KMS         Filesystem: ${directory}/keys\n`)
    expect(banner).toContain(`Admin       ${admin}\n`)
    const client = await connect(addressIn(banner), adminKey)
    await client.createKey('second')
    expect(await client.listKeys('')).toMatchObject({ names: ['first', 'second'] })
    expect(await readdir(join(directory, 'keys'))).toEqual(['first', 'second'])
    expect(await client.version()).toMatchObject({ version: '0.1.0' })
    expect(await run.until("secret key 'second' created")).toContain(`req.identity=${admin}`)
    run.signals.emit('SIGTERM')
    expect(await run.exit).toBe(0)
    expect(await run.until('Goodbye.')).toContain('\n=> Stopping server... Goodbye.\n')
    await expect(client.version()).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('takes new policies upon SIGHUP, and keeps the old ones when the new config is wrong', async () => {
    const config = await configure()
    const run = start({ config }, { ADMIN: admin })
    const address = addressIn(await run.until(running))
    const client = await connect(address, userKey)
    await expect(client.status()).rejects.toMatchObject({ status: 403 })
    await configure(`policy:\n  p:\n    allow: [ /v1/status ]\n    identities: [ ${user} ]\n`)
    run.signals.emit('SIGHUP')
    await run.until('=> Reloading configuration after SIGHUP signal completed.\n')
    expect(await client.status()).toMatchObject({ version: '0.1.0' })
    await configure('cache:\n  expiry:\n    any: 5\n')
    run.signals.emit('SIGHUP')
    const failed = `Failed to reload server config: ${config}:12: cache.expiry.any: expected a duration`
    await run.until(failed)
    expect(await client.status()).toMatchObject({ version: '0.1.0' })
    run.signals.emit('SIGINT')
    expect(await run.exit).toBe(0)
  })

  it('writes audit as JSON where asked', async () => {
    const run = start({ config: await configure(), isJson: true }, { ADMIN: admin })
    const client = await connect(addressIn(await run.until(running)), adminKey)
    await client.createKey('k')
    const line = (await run.until('/v1/key/create/k')).split('\n').find((text) => text.startsWith('{'))
    expect(JSON.parse(line ?? '')).toMatchObject({ request: { path: '/v1/key/create/k', identity: admin } })
    run.signals.emit('SIGTERM')
    await run.exit
  })

  it('does not start with a config that is wrong, an address that is none, or without a config', async () => {
    const config = await configure('log:\n  error: loud\n')
    await expect(start({ config }, { ADMIN: admin }).exit).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining(`${config}:11: log.error: `),
    })
    const addressed = start({ config: await configure(), address: 'localhost:1' }, { ADMIN: admin })
    await expect(addressed.exit).rejects.toMatchObject({ code: 'invalid-config' })
    await expect(start({}).exit).rejects.toMatchObject({ message: expect.stringContaining('--config') })
    const inMemory = start({ isDev: true, workers: 2, address: '127.0.0.1:0' })
    await expect(inMemory.exit).rejects.toMatchObject({ message: expect.stringContaining('--workers needs a config') })
  })

  it('says which certificate it cannot use', async () => {
    const config = await configure()
    await writeFile(join(directory, 'public.crt'), 'no certificate')
    await expect(start({ config }, { ADMIN: admin }).exit).rejects.toMatchObject({
      code: 'invalid-credentials',
      message: expect.stringContaining(`${directory}/public.crt: `),
    })
  })

  it('has everything made for trying out with --dev, which survives a reload', async () => {
    const run = start({ isDev: true, address: '127.0.0.1:0' }, {}, true)
    const banner = await run.until(running)
    const [apiKey = ''] = /kes:v1:\S+/.exec(banner) ?? []
    const client = await KesClient.open({
      endpoints: [addressIn(banner)],
      credentials: { apiKey },
      insecure: true,
    })
    clients.push(client)
    await client.createKey('k')
    run.signals.emit('SIGHUP')
    await run.until('SIGHUP signal completed')
    expect(await client.listKeys('')).toMatchObject({ names: ['k'] })
    run.signals.emit('SIGTERM')
    expect(await run.exit).toBe(0)
  })

  it('shows the API key of --dev on a terminal only, and takes one that was chosen', async () => {
    const hidden = start({ isDev: true, address: '127.0.0.1:0' })
    expect(await hidden.until(running)).not.toContain('kes:v1:')
    hidden.signals.emit('SIGTERM')
    await hidden.exit
    const chosen = start({ isDev: true, address: '127.0.0.1:0' }, { KES_API_KEY: adminKey }, true)
    const banner = await chosen.until(running)
    expect(banner).toContain(admin)
    expect(banner).not.toContain(adminKey)
    chosen.signals.emit('SIGTERM')
    await chosen.exit
    await expect(start({ isDev: true }, { KES_API_KEY: 'nonsense' }).exit).rejects.toMatchObject({
      code: 'invalid-credentials',
    })
  })
})
