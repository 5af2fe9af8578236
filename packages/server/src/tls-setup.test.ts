import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setUpTls } from './tls-setup.ts'

let directory = ''

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-tls-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8')
const day = 86_400_000

/** Connects as a client that trusts the CA only, and gives what the server's certificate says of itself. */
async function handshake(host: string): Promise<string> {
  const server = createServer({ cert: await read('public.crt'), key: await read('private.key') }, (socket) =>
    socket.end(),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', servername: host, ca: await read('ca.crt') })
  try {
    await once(client, 'secureConnect')
    return client.getPeerCertificate().subjectaltname ?? ''
  } finally {
    client.destroy()
    server.close()
  }
}

describe('setUpTls', () => {
  it('makes a certificate that clients accept who trust the CA', async () => {
    expect(await setUpTls(directory)).toEqual({
      certsDirectory: directory,
      caFile: join(directory, 'ca.crt'),
      isNew: true,
    })
    expect(await handshake('localhost')).toContain('DNS:localhost, IP Address:127.0.0.1')
    await expect(handshake('example.com')).rejects.toThrow()
    for (const name of ['private.key', 'ca.key']) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
  })

  it('reuses everything the next time', async () => {
    await setUpTls(directory, { names: ['s3.example.com', '*.s3.example.com', 'fe80::1'] })
    const before = await read('public.crt')
    expect((await setUpTls(directory, { names: ['fe80::1', 'S3.example.com'] })).isNew).toBe(false)
    expect(await read('public.crt')).toBe(before)
  })

  it('issues a new certificate from the same CA for a new name and before the old one expires', async () => {
    await setUpTls(directory)
    const ca = await read('ca.crt')
    expect((await setUpTls(directory, { names: ['other.example'] })).isNew).toBe(true)
    expect(await handshake('other.example')).toContain('DNS:other.example')
    expect((await setUpTls(directory, { now: () => Date.now() + 340 * day })).isNew).toBe(true)
    expect(await read('ca.crt')).toBe(ca)
    const renewed = new X509Certificate(await read('public.crt'))
    expect(Date.parse(renewed.validTo)).toBeGreaterThan(Date.now() + 600 * day)
  })

  it('replaces a pair that a crash left unfitting', async () => {
    await setUpTls(directory)
    await writeFile(join(directory, 'private.key'), await read('ca.key'))
    expect((await setUpTls(directory)).isNew).toBe(true)
    expect(await handshake('localhost')).toContain('localhost')
  })

  it('says when it cannot write', async () => {
    await expect(setUpTls(join(directory, 'none'))).rejects.toMatchObject({ code: 'certificates' })
  })
})
