/**
 * The search that ends every acceptance test finds what is there (issue: proof, section 2), and what a server keeps in reach
 * after its clients have gone: not one plaintext, no key of a customer, no data key.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sseC, sseKms } from '../support/encryption-headers.ts'
import { caOf, Program } from '../support/program.ts'
import { RawClient } from '../support/raw-client.ts'
import { SecretSearch, shortestSecret } from '../support/secret-search.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'watched'
const customerKey = () => {
  const key = randomBytes(32)
  const md5 = createHash('md5').update(key).digest('base64')
  return { key, headers: sseC({ base64: key.toString('base64'), md5 }) }
}

describe('the search', () => {
  const secret = randomBytes(32)
  const search = new SecretSearch()
  search.add('it', secret)
  const text = (encoding: BufferEncoding, before: number, after: number) =>
    Buffer.from(Buffer.concat([randomBytes(before), secret, randomBytes(after)]).toString(encoding))
  const forms = {
    'as it is': Buffer.concat([randomBytes(5), secret]),
    'in hexadecimal': text('hex', 3, 4),
    'in capital hexadecimal': Buffer.from(secret.toString('hex').toUpperCase()),
    'in base64': text('base64', 0, 0),
    'in base64, one byte later': text('base64', 1, 7),
    'in base64, two bytes later': text('base64', 2, 0),
    'in base64 for URLs': text('base64url', 3, 1),
  }

  it.each(Object.entries(forms))('finds a secret %s', (_, content) => {
    expect(search.foundIn(content)).toHaveLength(1)
    expect(search.foundIn(content.subarray(0, -20))).toEqual([])
  })

  it('does not take what is too short to be told from a word, or is empty space', () => {
    expect(search.add('short', randomBytes(shortestSecret - 1))).toBe(false)
    expect(search.add('zeros', Buffer.alloc(100))).toBe(false)
    expect(search.foundIn(Buffer.alloc(1000))).toEqual([])
  })
})

describe('a server that stops', () => {
  const secret = randomBytes(32)
  const { key, headers } = customerKey()

  async function used(): Promise<TestServer> {
    const server = await startServer({ hasNoWorkers: true })
    await server.raw.send({ method: 'PUT', bucket })
    const written = await server.raw.send({ method: 'PUT', bucket, name: 'name', headers, body: secret })
    const large = Buffer.concat([randomBytes(200_000), secret])
    const streamed = await server.raw.send({ method: 'PUT', bucket, name: 'large', headers: sseKms(), body: large })
    expect([written.status, streamed.status]).toEqual([200, 200])
    return server
  }

  it('was watched: contents, keys of customers, data keys and secrets', async () => {
    const server = await used()
    const { secretAccessKey } = await server.accounts.createAccount('other')
    const known = [secret, key, Buffer.from(secretAccessKey), Buffer.from(server.credentials.secretAccessKey)]
    for (const one of [...known, ...server.kms.dataKeys]) expect(server.leaks.search.foundIn(one)).toHaveLength(1)
    expect(server.kms.dataKeys.length).toBeGreaterThan(0)
    await server.stop()
  })

  const places: Readonly<Record<string, (server: TestServer, text: string) => Promise<unknown>>> = {
    'a file': (server, text) => appendFile(join(server.directory, 'new'), `some text, ${text}`),
    'the access log': async (server, text) => Reflect.apply(Array.prototype.push, server.accessLog, [text]),
    'an error': (server, text) => server.raw.send({ method: 'GET', bucket, name: `none-${text}` }),
  }

  it.each(Object.entries(places))('finds what was planted in %s', async (_, plant) => {
    const server = await used()
    await plant(server, secret.toString('hex'))
    await plant(server, key.toString('base64url'))
    const said = await server.stop().catch((error: Error) => error.message)
    expect(said).toContain('left behind in the open')
    expect(said).toContain('content in hexadecimal')
    expect(said).toContain('the key of a customer in base64')
  })
})

describe('the memory of a server whose clients have gone', () => {
  it('has no plaintext and no key of a customer in any text within reach', async () => {
    const base = await mkdtemp(join(tmpdir(), 'strongroom-heap-'))
    const data = join(base, 'data')
    const credentials = { accessKeyId: 'heap-root', secretAccessKey: randomBytes(20).toString('hex') }
    const program = await Program.start({
      data,
      executable: 'node',
      args: ['--idle-timeout', '1s', '--access-log', 'off'],
      variables: {
        STRONGROOM_RUNTIME: 'node',
        STRONGROOM_ROOT_USER: credentials.accessKeyId,
        STRONGROOM_ROOT_PASSWORD: credentials.secretAccessKey,
        NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${base}`,
      },
    })
    const endpoint = { host: '127.0.0.1', port: program.port, ca: await caOf(data) }
    const client = new RawClient(endpoint, credentials, 'us-east-1')
    try {
      const search = await useUnderEveryMode(client)
      client.close()
      const snapshot = await heapSnapshot(program, base)
      // The snapshot has texts in it: the settings name the account.
      expect(snapshot.includes(credentials.accessKeyId)).toBe(true)
      expect(search.foundIn(snapshot)).toEqual([])
    } finally {
      await program.stop()
      await rm(base, { recursive: true })
    }
  }, 180_000)
})

/** Writes and reads, also with errors; what must not be found after it. */
async function useUnderEveryMode(client: RawClient): Promise<SecretSearch> {
  const search = new SecretSearch()
  await client.send({ method: 'PUT', bucket })
  for (let round = 0; round < 20; round++) {
    const { key, headers } = customerKey()
    search.add('the key of a customer', key)
    for (const encryption of [{}, sseKms(), headers]) {
      const body = randomBytes(1000).toString('hex')
      search.add('content', Buffer.from(body.slice(0, 100)))
      const name = `object-${round}`
      expect((await client.send({ method: 'PUT', bucket, name, headers: encryption, body })).status).toBe(200)
      const read = encryption === headers ? headers : {}
      expect((await client.send({ method: 'GET', bucket, name, headers: read })).text).toBe(body)
    }
    expect((await client.send({ method: 'GET', bucket, name: `object-${round}` })).status).toBe(400)
  }
  return search
}

/** Garbage is collected before it is made. */
async function heapSnapshot(program: Program, directory: string): Promise<Buffer> {
  program.signal('SIGUSR2')
  for (;;) {
    const name = (await readdir(directory)).find((file) => file.endsWith('.heapsnapshot'))
    const content = name === undefined ? Buffer.alloc(0) : await readFile(join(directory, name))
    // A whole document of JSON.
    if (content.subarray(-10).toString().trimEnd().endsWith(']}')) return content
    await new Promise((done) => setTimeout(done, 50))
  }
}
