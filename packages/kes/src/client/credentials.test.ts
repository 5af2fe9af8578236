import { X509Certificate } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryKeyStore } from '@strongroom/kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KesServer } from '../contract.ts'
import { startKesServer } from '../server/kes-server.ts'
import { identityOfSeed } from './api-key.ts'
import { credentialsSource } from './credentials.ts'
import { KesClient } from './kes-client.ts'
import { makeCertificate } from './make-certificate.ts'

const pki = join(import.meta.dirname, '../../testdata/config/pki')
const apiKey = 'kes:v1:AAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
const day = 86_400_000
const seedOf = (first: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => first + i)

describe('credentials of a KES client', () => {
  let directory: string
  const files = (): { certFile: string; keyFile: string } => ({
    certFile: join(directory, 'client.crt'),
    keyFile: join(directory, 'client.key'),
  })

  async function writePair(seed: Uint8Array): Promise<void> {
    const { cert, key } = await makeCertificate(seed)
    await writeFile(files().certFile, cert)
    await writeFile(files().keyFile, key)
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-credentials-'))
    await cp(pki, join(directory, 'pki'), { recursive: true })
  })

  afterEach(() => rm(directory, { recursive: true }))

  it('make the certificate of an API key anew long before it ends, and not before', async () => {
    let time = Date.parse('2026-01-01T00:00:00Z')
    const source = credentialsSource({ apiKey }, () => time)
    const first = await source.load()
    expect(Date.parse(new X509Certificate(first.cert).validTo) - time).toBe(90 * day)
    time += 59 * day
    expect(await source.load()).toBe(first)
    time += 2 * day
    const second = await source.load()
    expect(second.cert).not.toBe(first.cert)
    expect(second.identity).toBe(first.identity)
    expect(Date.parse(new X509Certificate(second.cert).validTo) - time).toBe(90 * day)
  })

  it('are read from files, an encrypted key with its password', async () => {
    const certFile = join(directory, 'pki/server.crt')
    const keyFile = join(directory, 'pki/server_rfc1423.key')
    const load = (password?: string) =>
      credentialsSource({ certFile, keyFile, ...(password === undefined ? {} : { password }) }, Date.now).load()
    expect((await load('secret')).key).toContain('-----BEGIN PRIVATE KEY-----')
    await expect(load()).rejects.toMatchObject({ message: expect.stringContaining('password required') })
    await expect(load('wrong')).rejects.toMatchObject({ message: expect.stringContaining('password is wrong') })
  })

  it('are refused when key and certificate are not of each other', async () => {
    const source = credentialsSource(
      { certFile: join(directory, 'pki/server.crt'), keyFile: join(directory, 'pki/server2.key') },
      Date.now,
    )
    await expect(source.load()).rejects.toMatchObject({
      code: 'invalid-credentials',
      message: expect.stringContaining('does not belong to'),
    })
  })

  describe('that are replaced', () => {
    let server: KesServer
    let client: KesClient

    beforeEach(async () => {
      const [cert, key] = await Promise.all(
        ['server.crt', 'server.key'].map((name) => readFile(join(pki, name), 'utf8')),
      )
      server = await startKesServer({
        endpoints: [{ host: '127.0.0.1', port: 0 }],
        tls: { load: async () => ({ cert: cert ?? '', key: key ?? '' }) },
        adminIdentity: identityOfSeed(seedOf(0)),
        policies: [{ name: 'p', allow: ['/v1/key/*', '/v1/log/audit'], identities: [identityOfSeed(seedOf(0x20))] }],
        openKeyStore: async () => new MemoryKeyStore(),
      })
      await writePair(seedOf(0))
      client = await KesClient.open({
        endpoints: [`127.0.0.1:${server.addresses[0]?.port}`],
        credentials: files(),
        ca: [cert ?? ''],
      })
    })

    afterEach(async () => {
      await client.close()
      await server.close()
    })

    it('count from the next request on', async () => {
      expect(await client.describeSelf()).toMatchObject({ isAdmin: true, identity: identityOfSeed(seedOf(0)) })
      await writePair(seedOf(0x20))
      await client.reload()
      expect(client.identity).toBe(identityOfSeed(seedOf(0x20)))
      expect(await client.describeSelf()).toMatchObject({ isAdmin: false, policy: 'p' })
    })

    it('leave requests in flight as they are', async () => {
      await client.createKey('k')
      const controller = new AbortController()
      const lines = client.log('audit', controller.signal)[Symbol.asyncIterator]()
      let isOpen = false
      const first = lines.next().then((line) => {
        isOpen = true
        return line
      })
      while (!isOpen) await client.generateDataKey('k', Buffer.from('{}'))
      const calls = Array.from({ length: 20 }, () => client.generateDataKey('k', Buffer.from('{}')))
      await writePair(seedOf(0x20))
      await client.reload()
      expect((await Promise.all(calls)).map(({ keyVersion }) => keyVersion)).toEqual(Array(20).fill(1))
      await client.createKey('later')
      for (let line = await first; !String(line.value).includes('/later'); line = await lines.next()) {
        expect(line.done).toBe(false)
      }
      controller.abort()
      await lines.return?.()
    })

    it('are left as they were when the new ones cannot be read', async () => {
      await writeFile(files().certFile, 'not a certificate')
      await expect(client.reload()).rejects.toMatchObject({ code: 'invalid-credentials' })
      expect(await client.describeSelf()).toMatchObject({ isAdmin: true })
    })
  })
})
