/**
 * The server as a whole, over mTLS: what is not in the recorded conversation.
 */
import { connect, type TLSSocket } from 'node:tls'
import { KeyService, type KeyStore, KmsError, MemoryKeyStore } from '@strongroom/kms'
import { describe, expect, it } from 'vitest'
import { startKesServer } from './kes-server.ts'
import { certificate, identities, member, startTestServer, type TestAnswer } from './test-server.fixture.ts'

const context = Buffer.from('{"bucket":"bucket/some/object"}').toString('base64')

/** An open connection, of the admin if nobody else is named. */
async function openConnection(port: number, session?: Buffer, as: 'admin' | 'user' = 'admin'): Promise<TLSSocket> {
  const { cert, key } = await certificate(as)
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', cert, key, rejectUnauthorized: false }
    const socket = connect(session === undefined ? options : { ...options, session }, () => resolve(socket))
    socket.once('error', reject)
  })
}

function receive(socket: TLSSocket, until: (text: string) => boolean): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const look = (chunk?: Buffer): void => {
      text += chunk?.toString() ?? ''
      if (chunk !== undefined && !until(text)) return
      socket.off('data', look)
      socket.off('close', look)
      resolve(text)
    }
    socket.on('data', look)
    socket.once('close', () => look())
  })
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
}

describe('audit', () => {
  it('is one line per operation, with identity, key, version, result, address and object', async () => {
    const server = await startTestServer()
    await server.send('PUT', '/v1/key/create/k')
    const generated = await server.send('POST', '/v1/key/generate/k', { context }, 'user')
    const { ciphertext, plaintext } = JSON.parse(generated.body) as { ciphertext: string; plaintext: string }
    await server.send('POST', '/v1/key/decrypt/k', { context, ciphertext }, 'user')
    await server.send('POST', '/v1/key/decrypt/k', { ciphertext }, 'user')
    await server.send('DELETE', '/v1/key/delete/k', undefined, 'user')
    await server.send('GET', '/version')
    await server.server.close()
    const lines = server.audit().trimEnd().split('\n')
    expect(lines).toHaveLength(5)
    const time = 'time=\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}\\S+'
    const whose = (who: string, status: number) =>
      `req\\.ip=127\\.0\\.0\\.1 req\\.identity=${who} res\\.code=${status} res\\.time=[0-9.]+(?:µs|ms|s)`
    const user = identities.user
    expect(lines[0]).toMatch(
      new RegExp(
        `^${time} level=INFO msg="secret key 'k' created" req\\.method=PUT req\\.path=/v1/key/create/k ${whose(identities.admin, 200)} op=key-create result=ok key=k key\\.version=1$`,
      ),
    )
    expect(lines[1]).toMatch(
      new RegExp(`${whose(user, 200)} op=key-generate result=ok key=k key\\.version=1 object=bucket/some/object$`),
    )
    expect(lines[2]).toMatch(/op=key-decrypt result=ok key=k key\.version=1 object=bucket\/some\/object$/)
    expect(lines[3]).toMatch(new RegExp(`${whose(user, 400)} op=key-decrypt result=refused key=k$`))
    expect(lines[4]).toMatch(new RegExp(`${whose(user, 403)} op=key-delete result=denied key=k$`))
    for (const secret of [plaintext, ciphertext]) expect(server.audit() + server.errors()).not.toContain(secret)
  })

  it('reaches those who read the stream as KES’s JSON, headers at once, and the error log, too', async () => {
    const store = new MemoryKeyStore()
    const failing: KeyStore = Object.assign(Object.create(store) as MemoryKeyStore, {
      create: () => Promise.reject(new KmsError('unreachable', 'the store is gone')),
      list: store.list.bind(store),
      get: store.get.bind(store),
      status: store.status.bind(store),
      close: store.close.bind(store),
    })
    const server = await startTestServer({ openKeyStore: async () => failing })
    const audit = await openConnection(server.port)
    const errors = await openConnection(server.port)
    audit.write(get('/v1/log/audit'))
    errors.write(get('/v1/log/error'))
    expect(await receive(audit, (text) => text.endsWith('\r\n\r\n'))).toContain(
      'Content-Type: application/x-ndjson\r\n',
    )
    await receive(errors, (text) => text.endsWith('\r\n\r\n'))
    const line = receive(audit, (text) => text.includes('\n\r\n'))
    const error = receive(errors, (text) => text.includes('\n\r\n'))
    expect((await server.send('PUT', '/v1/key/create/k')).status).toBe(502)
    const event: unknown = JSON.parse((await line).split('\r\n')[1] ?? '')
    expect(event).toMatchObject({
      request: { ip: '127.0.0.1', path: '/v1/key/create/k', identity: identities.admin },
      response: { code: 502, time: expect.any(Number) },
      operation: 'key-create',
      result: 'failed',
      key: 'k',
    })
    // The first is that the store has gone.
    const message: unknown = JSON.parse((await error).split('\r\n')[1] ?? '')
    expect(message).toMatchObject({
      message: expect.stringMatching(/^time=\S+ level=ERROR msg="key store is not reach/),
    })
    const ended = receive(audit, () => false)
    await server.server.close()
    expect(await ended).toContain('0\r\n\r\n')
    errors.destroy()
  })

  it('goes into the log as JSON where asked, and not at all above its level', async () => {
    const json = await startTestServer({ log: { auditFormat: 'json' } })
    await json.send('GET', '/v1/key/list/')
    await json.server.close()
    expect(JSON.parse(json.audit())).toMatchObject({ operation: 'key-list', response: { code: 200 } })
    const off = await startTestServer({ log: { auditLevel: 9, errorLevel: 9 } })
    await off.send('GET', '/v1/key/list/')
    await off.server.close()
    expect(off.audit() + off.errors()).toBe('')
  })
})

describe('a reload', () => {
  it('keeps connections, which meet the new policies, and shows the new certificate to new ones', async () => {
    const server = await startTestServer()
    const socket = await openConnection(server.port)
    const before = socket.getPeerX509Certificate()?.fingerprint256
    socket.write(get('/v1/key/list/'))
    expect(await receive(socket, (text) => text.includes('\r\n\r\n'))).toContain(' 200 ')
    const store = new MemoryKeyStore()
    const next = {
      ...server.options,
      adminIdentity: identities.user,
      policies: [],
      tls: { load: () => certificate('other-server') },
      openKeyStore: async () => store,
      keys: ['fresh'],
    }
    await server.server.reload(next)
    socket.write(get('/v1/key/list/'))
    expect(await receive(socket, (text) => text.includes('\r\n\r\n'))).toContain(' 403 ')
    expect((await server.send('GET', '/v1/key/list/', undefined, 'user')).body).toBe('{"names":["fresh"]}\n')
    const later = await openConnection(server.port)
    expect(later.getPeerX509Certificate()?.fingerprint256).not.toBe(before)
    socket.destroy()
    later.destroy()
  })

  it('ends the log streams of those who may not read them any more, and of nobody else', async () => {
    const reader = { name: 'log', allow: ['/v1/log/*'], identities: [identities.user] }
    const server = await startTestServer({ policies: [reader] })
    const streams = await Promise.all([openConnection(server.port), openConnection(server.port, undefined, 'user')])
    for (const socket of streams) {
      socket.write(get('/v1/log/audit'))
      await receive(socket, (text) => text.includes('\r\n\r\n'))
    }
    const [ofAdmin, ofUser] = streams.map((socket) => receive(socket, (text) => /secret-project|^0\r\n/.test(text)))
    await server.server.reload({ ...server.options, policies: [] })
    await server.send('PUT', '/v1/key/create/secret-project')
    expect(await ofAdmin).toContain('secret-project')
    expect(await ofUser).not.toContain('secret-project')
    for (const socket of streams) socket.destroy()
  })

  it('that cannot be leaves everything as it was', async () => {
    const server = await startTestServer()
    for (const change of [
      { adminIdentity: '' },
      { policies: [{ name: '-' }] },
      { openKeyStore: () => Promise.reject(new KmsError('permission-denied', 'no')) },
      { tls: { load: () => Promise.reject(new Error('gone')) } },
      { tls: { load: async () => ({ cert: 'x', key: 'y' }) } },
    ]) {
      await expect(server.server.reload({ ...server.options, ...change })).rejects.toThrow()
      expect((await server.send('GET', '/v1/key/list/')).status).toBe(200)
    }
    const metrics = await server.send('GET', '/v1/metrics')
    expect(metrics.body).toContain('\nstrongroom_kes_failed_reloads_total 5\n')
  })

  it('lets a request end with the key store that it began with', async () => {
    let land: (() => void) | undefined
    const slow = new MemoryKeyStore()
    let isClosed = false
    const wrapped: KeyStore = {
      create: async () => {
        await new Promise<void>((resolve) => {
          land = resolve
        })
      },
      get: (name) => slow.get(name),
      delete: (name) => slow.delete(name),
      list: (prefix) => slow.list(prefix),
      status: () => slow.status(),
      close: async () => {
        isClosed = true
      },
    }
    const server = await startTestServer({ openKeyStore: async () => wrapped })
    const creating = server.send('PUT', '/v1/key/create/k')
    await expect.poll(() => land !== undefined).toBe(true)
    await server.server.reload({ ...server.options, openKeyStore: async () => new MemoryKeyStore() })
    expect(isClosed).toBe(false)
    land?.()
    // The store that was waited for had nothing in it.
    expect((await creating).status).toBe(404)
    await expect.poll(() => isClosed).toBe(true)
  })
})

describe('a key that moved in from KES under the name of a version', () => {
  it('may stand among those to be made, and a new one may not', async () => {
    const store = new MemoryKeyStore()
    const before = new KeyService(store)
    await before.createKey('elsewhere')
    await store.create('backup-v-2', await store.get('elsewhere'))
    const openKeyStore = async () => store
    const server = await startTestServer({ openKeyStore, keys: ['backup-v-2'] })
    expect((await server.send('POST', '/v1/key/generate/backup-v-2', { context })).status).toBe(200)
    await expect(startTestServer({ openKeyStore, keys: ['backup-v-3'] })).rejects.toMatchObject({
      code: 'invalid-name',
    })
  })
})

describe('a key store that is not there', () => {
  it('stops neither the start nor the server, and is found when it comes', async () => {
    const store = new MemoryKeyStore()
    let isThere = false
    const server = await startTestServer({
      keys: ['configured'],
      keyStoreLabel: 'a store',
      openKeyStore: () => (isThere ? Promise.resolve(store) : Promise.reject(new KmsError('unreachable', 'not yet'))),
    })
    expect(server.errors()).toMatch(/level=ERROR msg="key store is not reachable: not yet" keystore="a store"\n/)
    expect(await server.send('GET', '/v1/ready')).toMatchObject({
      status: 504,
      body: '{"message":"key store is not reachable"\n}',
    })
    expect((await server.send('GET', '/v1/status')).body).toContain('"keystore_unreachable":true')
    expect(await server.send('PUT', '/v1/key/create/k')).toMatchObject({
      status: 502,
      body: '{"message":"failed to create key"\n}',
    })
    expect((await server.send('GET', '/version')).status).toBe(200)
    isThere = true
    await expect.poll(async () => (await server.send('GET', '/v1/ready')).status, { timeout: 10_000 }).toBe(200)
    expect((await server.send('GET', '/v1/key/list/')).body).toBe('{"names":["configured"]}\n')
    expect(server.errors()).toContain('msg="key store is reachable again"')
  })

  it('is fatal at the start only when trying again is no use', async () => {
    const options = (await startTestServer()).options
    const open = () => Promise.reject(new KmsError('permission-denied', 'wrong token'))
    await expect(startKesServer({ ...options, openKeyStore: open })).rejects.toThrow('wrong token')
  })

  it('takes nothing away from loaded keys when it stalls, and nobody waits for longer than the route allows', async () => {
    const inner = new MemoryKeyStore()
    let isStalled = false
    const stall = <T>(work: () => Promise<T>): Promise<T> => (isStalled ? new Promise<T>(() => undefined) : work())
    let now = Date.now()
    const server = await startTestServer(
      {
        api: { '/v1/key/describe/': { timeoutMs: 600 } },
        openKeyStore: async () => ({
          create: (name, value) => stall(() => inner.create(name, value)),
          get: (name) => stall(() => inner.get(name)),
          delete: (name) => stall(() => inner.delete(name)),
          list: (prefix) => inner.list(prefix),
          status: () => stall(() => inner.status()),
          close: () => inner.close(),
        }),
      },
      { now: () => now },
    )
    await server.send('PUT', '/v1/key/create/loaded')
    isStalled = true
    expect((await server.send('POST', '/v1/key/generate/loaded', {})).status).toBe(200)
    now += 5_000
    const startedAt = performance.now()
    expect((await server.send('POST', '/v1/key/generate/loaded', {})).status).toBe(200)
    expect((await server.send('GET', '/v1/key/describe/absent')).status).toBeNull()
    expect(performance.now() - startedAt).toBeLessThan(8_000)
    expect(server.errors()).toContain('msg="request was not answered in time" req.path=/v1/key/describe/absent')
  })
})

describe('routes of our own', () => {
  it('rotate a key: what was sealed before opens, and describe tells the version', async () => {
    const server = await startTestServer()
    await server.send('PUT', '/v1/key/create/k')
    const before = await server.send('POST', '/v1/key/generate/k', { context })
    expect(await server.send('POST', '/strongroom/v1/key/rotate/k')).toMatchObject({ status: 200 })
    const after = await server.send('POST', '/v1/key/generate/k', { context })
    for (const answer of [before, after]) {
      const opened = await server.send('POST', '/v1/key/decrypt/k', {
        context,
        ciphertext: member(answer, 'ciphertext'),
      })
      expect(member(opened, 'plaintext')).toBe(member(answer, 'plaintext'))
    }
    const described = await server.send('GET', '/v1/key/describe/k')
    expect(Object.keys(JSON.parse(described.body) as object)).toEqual([
      'name',
      'algorithm',
      'created_at',
      'created_by',
      'state',
      'key_version',
    ])
    expect([member(described, 'state'), member(described, 'key_version')]).toEqual(['enabled', 2])
    const details = await server.send('GET', '/strongroom/v1/key/describe/k')
    expect(member(details, 'versions')).toMatchObject([{ version: 1 }, { version: 2, created_by: identities.admin }])
    expect((await server.send('GET', '/v1/key/list/')).body).toBe('{"names":["k"]}\n')
  })

  it('lock a key: KES’s clients are told that they may not, people why', async () => {
    const server = await startTestServer()
    await server.send('PUT', '/v1/key/create/k')
    const { body } = await server.send('POST', '/v1/key/generate/k', {})
    expect((await server.send('PUT', '/strongroom/v1/key/lock/k')).status).toBe(200)
    for (const [path, request] of [
      ['generate', {}],
      ['encrypt', {}],
      ['decrypt', { ciphertext: member({ status: 200, body, headers: {} }, 'ciphertext') }],
      ['hmac', {}],
    ] as const) {
      const answer = await server.send('POST', `/v1/key/${path}/k`, request)
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.body)).toEqual({
        message: 'not authorized: insufficient permissions',
        code: 'key-disabled',
        reason: "key 'k' is locked",
      })
    }
    expect(member(await server.send('GET', '/v1/key/describe/k'), 'state')).toBe('locked')
    expect((await server.send('PUT', '/strongroom/v1/key/unlock/k')).status).toBe(200)
    expect((await server.send('POST', '/v1/key/generate/k', {})).status).toBe(200)
  })

  it('are not granted by rules made for KES, not even by one for everything', async () => {
    const server = await startTestServer({
      policies: [{ name: 'all', allow: ['*'], identities: [identities.user] }],
    })
    await server.send('PUT', '/v1/key/create/k')
    for (const [method, path] of [
      ['PUT', 'rotate'],
      ['PUT', 'lock'],
      ['PUT', 'unlock'],
      ['PUT', 'recover'],
      ['DELETE', 'purge'],
      ['GET', 'describe'],
    ] as const) {
      expect((await server.send(method, `/strongroom/v1/key/${path}/k`, undefined, 'user')).status).toBe(403)
      expect((await server.send(method, `/strongroom/v1/key/${path}/-`)).status).toBe(400)
    }
  })

  it('purge and recover what a key store keeps of a deleted key, and create says how', async () => {
    const server = await startTestServer({ openKeyStore: async () => new StoreWithWindow() })
    await server.send('PUT', '/v1/key/create/k')
    await server.send('PUT', '/strongroom/v1/key/rotate/k')
    const { body } = await server.send('POST', '/v1/key/generate/k', {})
    const opens = async (): Promise<TestAnswer> =>
      server.send('POST', '/v1/key/decrypt/k', { ciphertext: member({ status: 200, body, headers: {} }, 'ciphertext') })
    expect(await server.send('DELETE', '/strongroom/v1/key/purge/k')).toMatchObject({ status: 409 })
    expect((await server.send('DELETE', '/v1/key/delete/k')).status).toBe(200)
    expect((await opens()).status).toBe(404)
    const refused = await server.send('PUT', '/v1/key/create/k')
    expect([refused.status, member(refused, 'message')]).toEqual([409, "'k' was deleted: recover or purge it"])
    expect((await server.send('PUT', '/strongroom/v1/key/recover/k')).status).toBe(200)
    expect((await opens()).status).toBe(200)
    await server.send('DELETE', '/v1/key/delete/k')
    expect((await server.send('DELETE', '/strongroom/v1/key/purge/k')).status).toBe(200)
    expect((await server.send('PUT', '/strongroom/v1/key/recover/k')).status).toBe(404)
    expect((await server.send('PUT', '/v1/key/create/k')).status).toBe(200)
    expect((await opens()).status).toBe(400)
  })

  it('have nothing to purge where the store keeps nothing', async () => {
    const server = await startTestServer()
    await server.send('PUT', '/v1/key/create/k')
    await server.send('DELETE', '/v1/key/delete/k')
    expect((await server.send('DELETE', '/strongroom/v1/key/purge/k')).status).toBe(409)
    expect((await server.send('PUT', '/strongroom/v1/key/recover/k')).status).toBe(404)
  })
})

/** Deleted entries stay until they are purged. */
class StoreWithWindow extends MemoryKeyStore {
  readonly #deleted = new Map<string, Uint8Array>()

  override async create(name: string, value: Uint8Array): Promise<void> {
    if (this.#deleted.has(name))
      throw new KmsError('key-pending-deletion', `'${name}' was deleted: recover or purge it`)
    await super.create(name, value)
  }

  override async delete(name: string): Promise<void> {
    this.#deleted.set(name, await this.get(name))
    await super.delete(name)
  }

  async purge(name: string): Promise<void> {
    if (!this.#deleted.delete(name)) await super.delete(name)
  }

  async recover(name: string): Promise<void> {
    const value = this.#deleted.get(name)
    if (value === undefined) throw new KmsError('key-not-found', 'nothing to recover')
    this.#deleted.delete(name)
    await super.create(name, value)
  }
}
