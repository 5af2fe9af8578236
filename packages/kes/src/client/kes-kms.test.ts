import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type KeyStore, MemoryKeyStore } from '@strongroom/kms'
import { afterEach, describe, expect, it } from 'vitest'
// biome-ignore lint/style/noRestrictedImports: a suite is for whoever implements the contract, and no part of what a package exports
import { testKms } from '../../../kms/src/kms.suite.ts'
import type { KesServer, KesServerOptions } from '../contract.ts'
import { startKesServer } from '../server/kes-server.ts'
import { type CannedKes, json, refusal, serverCertificate, startCannedKes } from './canned-kes.fixture.ts'
import { KesClient } from './kes-client.ts'
import { KesKms } from './kes-kms.ts'

const apiKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const admin = 'a050837d85070582ccf7394b0988847cc312cb88259b894899f6f239cf1791a5'
const userKey = 'kes:v1:ACAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/'
const user = '824c89aa8efb95ef93629b4519599129cace4adac9a6180daba31ceed41ecee6'
const pki = join(import.meta.dirname, '../../testdata/config/pki')

async function startServer(options: Partial<KesServerOptions> = {}): Promise<KesServer> {
  const key = await readFile(join(pki, 'server.key'), 'utf8')
  return startKesServer({
    endpoints: [{ host: '127.0.0.1', port: 0 }],
    tls: { load: async () => ({ cert: serverCertificate, key }) },
    adminIdentity: admin,
    openKeyStore: async () => new MemoryKeyStore(),
    ...options,
  })
}

/** More time than a client has otherwise: nothing here is about time, and many calls at once are slow on a busy machine. */
const patience = { callTimeoutMs: 60_000, totalTimeoutMs: 100_000 }

const connect = async (endpoint: string, key = apiKey): Promise<KesKms> =>
  new KesKms(
    await KesClient.open({
      endpoints: [endpoint],
      credentials: { apiKey: key },
      ca: [serverCertificate],
      ...patience,
    }),
  )

const addressOf = (server: KesServer): string => `127.0.0.1:${server.addresses[0]?.port}`

let running: KesServer | undefined

testKms('a Strongroom over mTLS', {
  open: async () => {
    running = await startServer()
    return connect(addressOf(running))
  },
  dispose: async () => {
    await running?.close()
    running = undefined
  },
})

describe('a KES server as a KMS', () => {
  const open: { close(): Promise<unknown> }[] = []

  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close()
  })

  async function canned(...args: Parameters<typeof startCannedKes>): Promise<{ kes: CannedKes; kms: KesKms }> {
    const kes = await startCannedKes(...args)
    const kms = await connect(kes.url)
    open.push(kes, kms)
    return { kes, kms }
  }

  it.each([
    [404, 'key does not exist', 'key-not-found'],
    [400, 'key already exists', 'key-exists'],
    [400, 'key does already exist', 'key-exists'],
    [400, 'decryption failed: ciphertext is not authentic', 'not-authentic'],
    [400, 'tls: client certificate is required', 'permission-denied'],
    [403, 'not authorized: insufficient permissions', 'permission-denied'],
    [409, 'key does not support HMAC', 'no-hmac-key'],
    [502, 'failed to read key', 'unreachable'],
    [504, 'key store is not reachable', 'unreachable'],
    [418, 'teapot', 'unsupported'],
  ])('gives %d %j the code %s', async (status, message, code) => {
    const { kms } = await canned(refusal(status, message))
    await expect(kms.hmac('k', Buffer.from('m'))).rejects.toMatchObject({ code, message })
  })

  it('says of a MinIO KES what it cannot do', async () => {
    const { kms } = await canned((_, response) => {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n')
    })
    const dueAt = new Date()
    for (const change of [
      kms.rotateKey('k'),
      kms.lockKey('k'),
      kms.unlockKey('k'),
      kms.scheduleKeyDeletion('k', dueAt),
      kms.cancelKeyDeletion('k'),
    ]) {
      await expect(change).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('MinIO KES') })
    }
  })

  it('works with a MinIO KES, which knows no versions', async () => {
    const key = Buffer.alloc(32, 7).toString('base64')
    const { kes, kms } = await canned(({ path }, response) => {
      if (path.startsWith('/v1/key/describe/')) {
        return json({ name: 'k', algorithm: 'AES256', created_at: '2026-11-23T13:08:59.168778931Z', created_by: user })(
          { method: '', path, headers: {}, body: '' },
          response,
        )
      }
      return json({ plaintext: key, ciphertext: 'AAAA' })({ method: '', path, headers: {}, body: '' }, response)
    })
    expect(await kms.describeKey('k')).toEqual({
      name: 'k',
      state: 'enabled',
      algorithm: 'AES256',
      currentVersion: 1,
      versions: [{ version: 1, createdAt: new Date('2026-11-23T13:08:59.168Z'), createdBy: user }],
    })
    expect(await kms.generateDataKey('k', Buffer.from('{}'))).toMatchObject({ keyVersion: 1 })
    kes.answer = json({ plaintext: 'AAAA', ciphertext: 'AAAA' })
    await expect(kms.generateDataKey('k', Buffer.from('{}'))).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('gives a listing whole or not at all', async () => {
    const { kms } = await canned(json({ names: ['a', 'ab'], continue_at: 'a' }))
    await expect(kms.listKeys('*')).rejects.toMatchObject({ code: 'unsupported' })
    expect(await kms.listKeys('a')).toEqual(['a'])
  })

  it('is reachable for those who may not ask for its status, and not when its key store is gone', async () => {
    const { kes, kms } = await canned(({ path }, response) => {
      const answer = path === '/version' ? json({ version: 'v' }) : refusal(403, 'not authorized')
      answer({ method: '', path, headers: {}, body: '' }, response)
    })
    expect(await kms.status()).toEqual({ reachable: true })
    kes.answer = json({ version: 'v', keystore_unreachable: true })
    expect(await kms.status()).toMatchObject({ reachable: false })
  })

  it('needs no more rights than KES has names for', async () => {
    const server = await startServer({ policies: [{ name: 'p', allow: ['/v1/key/*'], identities: [user] }] })
    const [all, some] = [await connect(addressOf(server)), await connect(addressOf(server), userKey)]
    open.push(server, all, some)
    await all.createKey('k')
    await all.rotateKey('k')
    expect(await some.describeKey('k')).toMatchObject({ currentVersion: 2, versions: [{ version: 1 }, { version: 2 }] })
    await expect(some.rotateKey('k')).rejects.toMatchObject({ code: 'permission-denied' })
    const { keyVersion, ciphertext, plaintext } = await some.generateDataKey('k', Buffer.from('{}'))
    expect(keyVersion).toBe(2)
    expect(await some.decrypt('k', 2, ciphertext, Buffer.from('{}'))).toEqual(plaintext)
  })

  it.each(['{}', '{"due":"soon"}', '{"due":"2026-13-01T00:00:00Z"}', '{"due":5}', ''])(
    'schedules nothing for a time that is none: %s',
    async (body) => {
      const server = await startServer()
      const client = await KesClient.open({
        endpoints: [addressOf(server)],
        credentials: { apiKey },
        ca: [serverCertificate],
      })
      open.push(server, client)
      await client.createKey('k')
      const fields: object | undefined = body === '' ? undefined : JSON.parse(body)
      await expect(client.extension('schedule', 'k', {}, fields)).rejects.toMatchObject({ status: 400 })
      expect(await client.describeKey('k')).toMatchObject({ state: 'enabled' })
    },
  )

  it('finds out by using a key what it may not be told of it', async () => {
    const allow = ['/v1/key/create/*', '/v1/key/generate/*', '/v1/key/decrypt/*']
    const server = await startServer({
      policies: [{ name: 'minio', allow, deny: ['/v1/key/generate/denied'], identities: [user] }],
    })
    const [all, some] = [await connect(addressOf(server)), await connect(addressOf(server), userKey)]
    open.push(server, all, some)
    for (const name of ['k', 'denied']) await all.createKey(name)
    await all.rotateKey('k')
    expect(await some.describeKey('k')).toMatchObject({ state: 'enabled', currentVersion: 2, versions: [{}, {}] })
    await expect(some.describeKey('missing')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(some.describeKey('denied')).rejects.toMatchObject({ code: 'permission-denied' })
    await all.lockKey('k')
    expect(await some.describeKey('k')).toMatchObject({ state: 'locked' })
  })

  it('says that a key is locked, which KES has no word for', async () => {
    const store: KeyStore = new MemoryKeyStore()
    const server = await startServer({ openKeyStore: async () => store })
    const kms = await connect(addressOf(server))
    open.push(server, kms)
    await kms.createKey('k')
    await kms.lockKey('k')
    await expect(kms.encrypt('k', Buffer.from('x'), Buffer.from('{}'))).rejects.toMatchObject({
      code: 'key-disabled',
      message: expect.stringContaining('locked'),
    })
  })
})
