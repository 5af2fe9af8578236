/**
 * Starting, stopping and administering the program as a person does: DESIGN 2, issue "starts with one command".
 *
 * @module
 */

import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { get, request } from 'node:https'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presign } from '@strongroom/sigv4'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sseKms } from '../support/encryption-headers.ts'
import { caOf, Program, type ProgramOptions, run } from '../support/program.ts'
import { RawClient } from '../support/raw-client.ts'

let base = ''
let data = ''
const running: Program[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-start-'))
  data = join(base, 'data')
})

afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.kill()))
  await rm(base, { recursive: true, force: true })
})

const start = async (options: Partial<ProgramOptions> = {}): Promise<Program> => {
  const program = await Program.start({ data, ...options })
  running.push(program)
  return program
}

const fetchText = async (port: number, path: string): Promise<string> => {
  const ca = await caOf(data)
  return await new Promise((done, failed) => {
    get({ host: '127.0.0.1', port, path, ca, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (piece) => {
        text += piece
      })
      answer.once('end', () => done(`${answer.statusCode} ${text}`))
    }).once('error', failed)
  })
}

const readAll = async (port: number, bytes: string): Promise<string> => {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (piece) => {
    text += piece
  })
  socket.write(bytes)
  await once(socket, 'close')
  return text
}

/** A signed PUT whose body the server waits for. `finish` sends it and resolves with the status. */
async function beginUpload(port: number): Promise<{ finish(): Promise<number | undefined> }> {
  const { accessKeyId, secretAccessKey } = JSON.parse((await run(['credentials', '--json', '--data', data])).out)
  const ca = await caOf(data)
  const raw = new RawClient({ host: '127.0.0.1', port, ca }, { accessKeyId, secretAccessKey }, 'us-east-1')
  expect((await raw.send({ method: 'PUT', bucket: 'bucket' })).status).toBe(200)
  raw.close()
  const signable = { method: 'PUT', rawPath: '/bucket/object', rawQuery: '', headers: { host: `127.0.0.1:${port}` } }
  const credentials = { accessKeyId, secret: Buffer.from(secretAccessKey) }
  const query = presign(signable, { credentials, region: 'us-east-1', expiresSeconds: 60 })
  const headers = { 'content-length': '5', expect: '100-continue' }
  const put = request({
    host: '127.0.0.1',
    port,
    path: `/bucket/object?${query}`,
    method: 'PUT',
    headers,
    ca,
    agent: false,
  })
  const answered = new Promise<number | undefined>((done, failed) => {
    put.once('error', failed)
    put.once('response', (answer) => {
      answer.resume()
      done(answer.statusCode)
    })
  })
  // Looked at by `finish`: it may fail before that.
  answered.catch(() => {})
  put.flushHeaders()
  await once(put, 'continue')
  return {
    finish: () => {
      put.end('hello')
      return answered
    },
  }
}

describe('strongroom server', { timeout: 180_000 }, () => {
  it('makes everything on the first start and reuses it on the second', async () => {
    const first = await start()
    expect(await fetchText(first.port, '/minio/health/live')).toMatch(/^200/)
    expect(await fetchText(first.port, '/minio/health/ready')).toMatch(/^200/)
    expect(await fetchText(first.port, '/strongroom/metrics')).toContain('strongroom_requests_total')
    const [ca, rootKey, credentials] = [
      await caOf(data),
      await readFile(join(data, 'root.key')),
      await run(['credentials', '--data', data]),
    ]
    expect((await stat(join(data, 'root.key'))).mode & 0o777).toBe(0o600)
    expect(await first.stop()).toBe(0)

    await start()
    expect(await caOf(data)).toBe(ca)
    expect(await readFile(join(data, 'root.key'))).toEqual(rootKey)
    expect(await run(['credentials', '--data', data])).toEqual(credentials)
  })

  it('goes on when nobody reads its log any more', async () => {
    const program = await start()
    program.stopReading()
    // Each answer is a line of the access log, and each line fails.
    for (let n = 0; n < 3; n += 1) expect(await fetchText(program.port, '/')).toMatch(/^403/)
    expect(await program.stop()).toBe(0)
  })

  it('writes no secret to a log', async () => {
    const server = await start()
    const { accessKeyId, secretAccessKey } = JSON.parse((await run(['credentials', '--json', '--data', data])).out)
    expect(secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/)
    await server.stop()
    const log = JSON.stringify(server.lines)
    expect(log).not.toContain(secretAccessKey)
    expect(log).not.toContain(accessKeyId)
  })

  it('tells a plain HTTP client on the TLS port what is wrong', async () => {
    const { port } = await start()
    expect(await readAll(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe(
      'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    )
  })

  it('keeps a second instance out and says who holds the directory', async () => {
    const first = await start()
    const second = await run(['server', '--address', '127.0.0.1:0', '--data', data])
    expect(second.code).toBe(5)
    expect(second.error).toContain(`is in use by server on https://127.0.0.1:${first.port}`)
  })

  it('starts again after it was killed', async () => {
    const first = await start()
    await first.kill()
    const second = await start()
    expect(await fetchText(second.port, '/minio/health/ready')).toMatch(/^200/)
  })

  it('lets a request in flight end when it is asked to stop', async () => {
    const server = await start()
    const upload = await beginUpload(server.port)
    server.signal('SIGTERM')
    await server.line('stopping: requests in flight may end; a second signal stops at once')
    expect(await upload.finish()).toBe(200)
    expect(await server.exited()).toBe(0)
  })

  it('lets a request in flight end when a service manager signals all processes, one of which passes it on', async () => {
    const server = await start()
    const upload = await beginUpload(server.port)
    server.signal('SIGTERM')
    server.signal('SIGTERM')
    await server.line('stopping: requests in flight may end; a second signal stops at once')
    expect(await upload.finish()).toBe(200)
    expect(await server.exited()).toBe(0)
  })

  it('stops at once when it is asked twice', async () => {
    const server = await start()
    const upload = await beginUpload(server.port)
    server.signal('SIGTERM')
    await server.line('stopping: requests in flight may end; a second signal stops at once')
    server.signal('SIGINT')
    expect(await server.exited()).toBe(1)
    await expect(upload.finish()).rejects.toThrow()
  })

  it('reads its certificates again on SIGHUP, and keeps the old pair when the new one is broken', async () => {
    await (await start()).stop()
    const certsDir = join(base, 'certs')
    await mkdir(certsDir)
    for (const name of ['public.crt', 'private.key']) await copyFile(join(data, 'certs', name), join(certsDir, name))
    const server = await start({ args: ['--certs-dir', certsDir] })
    await writeFile(join(certsDir, 'public.crt'), 'nonsense')
    server.signal('SIGHUP')
    await server.line('a certificate cannot be used; the one before it stays')
    expect(await fetchText(server.port, '/minio/health/live')).toMatch(/^200/)
  })

  it('refuses a certificate directory that lacks one of the pair', async () => {
    const certsDir = join(base, 'certs')
    await mkdir(certsDir)
    const { code, error } = await run(['server', '--data', data, '--address', '127.0.0.1:0', '--certs-dir', certsDir])
    expect(code).toBe(2)
    expect(error).toMatch(/^strongroom: .*public\.crt/)
  })

  it('names the setting that stops it, in one line', async () => {
    expect(await run(['server', '--data', data, '--regoin', 'x'])).toMatchObject({
      code: 2,
      error: expect.stringMatching(/^strongroom: --regoin: there is no such flag \(did you mean region\?\)\n/),
    })
  })

  it('says so when its address is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = holder.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const result = await run(['server', '--data', data, '--address', `127.0.0.1:${port}`])
    holder.close()
    expect(result).toMatchObject({
      code: 5,
      error: expect.stringContaining(
        `strongroom: 127.0.0.1:${port} is in use by another program: choose another with --address\n`,
      ),
    })
  })

  it('starts in a MinIO environment and lists what has no meaning here', async () => {
    const server = await start({
      variables: {
        MINIO_ROOT_USER: 'minio-admin',
        MINIO_ROOT_PASSWORD: 'minio-password',
        MINIO_KMS_SECRET_KEY: `my-key:${Buffer.alloc(32, 9).toString('base64')}`,
        MINIO_BROWSER: 'off',
      },
    })
    expect(server.lines.map((line) => line.msg)).toContain('MINIO_BROWSER has no meaning here')
    expect((await run(['credentials', '--data', data])).out).toBe(
      'access key  minio-admin\nsecret key  minio-password\n',
    )
    expect((await run(['key', 'list', '--data', data])).out).toContain('my-key')
  })
})

describe('the command line', { timeout: 180_000 }, () => {
  it('works the same on a running server and on a stopped data directory', async () => {
    const server = await start()
    expect(await run(['key', 'create', 'invoices', '--data', data])).toEqual({
      code: 0,
      out: 'made invoices\n',
      error: '',
    })
    const live = await run(['key', 'show', 'invoices', '--json', '--data', data])
    await server.stop()
    expect(await run(['key', 'show', 'invoices', '--json', '--data', data])).toEqual(live)
    expect(await run(['key', 'rotate', 'invoices', '--data', data])).toMatchObject({
      out: 'invoices is at version 2\n',
    })
    expect(await run(['key', 'create', 'invoices', '--data', data])).toMatchObject({ code: 4 })
    expect(await run(['key', 'show', 'none', '--data', data])).toMatchObject({ code: 3 })
    expect(await run(['key', 'create', 'bad name', '--data', data])).toMatchObject({ code: 2 })
    expect(await run(['key', 'grant', 'invoices', '1', '--data', data])).toMatchObject({
      code: 3,
      error: 'strongroom: there is no account 1: see strongroom account list\n',
    })
  })

  it('says what needs a key, and destroys it only by force', async () => {
    const server = await start()
    await run(['key', 'create', 'invoices', '--data', data])
    const { accessKeyId, secretAccessKey } = JSON.parse((await run(['credentials', '--json', '--data', data])).out)
    const endpoint = { host: '127.0.0.1', port: server.port, ca: await caOf(data) }
    const raw = new RawClient(endpoint, { accessKeyId, secretAccessKey }, 'us-east-1')
    await raw.send({ method: 'PUT', bucket: 'bucket' })
    const object = { bucket: 'bucket', name: 'object' }
    expect((await raw.send({ method: 'PUT', ...object, headers: sseKms('invoices'), body: 'hello' })).status).toBe(200)

    const usage = JSON.parse((await run(['key', 'usage', 'invoices', '--json', '--data', data])).out)
    expect(usage.total).toEqual({ objects: 1, versions: 1, bytes: 5, uploads: 0, parts: 0, partBytes: 0 })
    expect(usage.rows).toMatchObject([{ bucket: 'bucket', keyVersion: 1, objects: 1 }])
    expect(await run(['key', 'delete', 'invoices', '--data', data])).toMatchObject({
      code: 4,
      error: expect.stringContaining('invoices is needed by 1 object, 5 B in bucket'),
    })
    expect((await raw.send({ method: 'GET', ...object })).text).toBe('hello')
    const forced = ['key', 'delete', 'invoices', '--force', '--reason', 'end of contract', '--data', data]
    expect(await run([...forced, '--in', '7'])).toMatchObject({ code: 0 })
    expect((await raw.send({ method: 'GET', ...object })).code).toBe('KMS.KMSInvalidStateException')
    expect((await run(['key', 'restore', 'invoices', '--data', data])).out).toContain('it is locked')
    expect(await run(['key', 'unlock', 'invoices', '--data', data])).toMatchObject({ code: 0 })
    expect((await raw.send({ method: 'GET', ...object })).text).toBe('hello')
    expect(await run([...forced, '--now'])).toMatchObject({ code: 0 })
    expect((await raw.send({ method: 'GET', ...object })).status).toBe(403)
    expect((await raw.send({ method: 'HEAD', ...object })).status).toBe(200)
    expect(await fetchText(server.port, '/strongroom/metrics')).toContain('strongroom_open_uploads 0')
    raw.close()
  })

  it('imports a key from standard input', async () => {
    await (await start()).stop()
    const input = Buffer.alloc(32, 1).toString('base64')
    expect(await run(['key', 'import', 'brought', '--data', data], { input })).toMatchObject({
      code: 0,
      out: 'imported brought\n',
    })
  })

  it('checks a deployment, running or stopped, and finds what is missing', async () => {
    const server = await start()
    const { accessKeyId, secretAccessKey } = JSON.parse((await run(['credentials', '--json', '--data', data])).out)
    const endpoint = { host: '127.0.0.1', port: server.port, ca: await caOf(data) }
    const raw = new RawClient(endpoint, { accessKeyId, secretAccessKey }, 'us-east-1')
    await raw.send({ method: 'PUT', bucket: 'bucket' })
    for (const [name, body] of [
      ['small', 'hello'],
      ['large', Buffer.alloc(300_000, 1)],
    ] as const) {
      expect((await raw.send({ method: 'PUT', bucket: 'bucket', name, headers: sseKms(), body })).status).toBe(200)
    }
    raw.close()
    const check = ['fsck', '--verify-data', '--json', '--data', data]
    const live = await run(check)
    expect(JSON.parse(live.out)).toMatchObject({ findings: [], unrepaired: 0, skipped: [], checked: { objects: 2 } })
    expect(await server.stop()).toBe(0)
    expect((await run(check)).code).toBe(0)

    await rm(join(data, 'blobs'), { recursive: true })
    const broken = await run(check)
    expect(broken.code).toBe(6)
    expect(JSON.parse(broken.out).findings).toMatchObject([
      { kind: 'missing-data', place: { bucket: 'bucket', name: 'large' } },
    ])
  })

  it('makes accounts', async () => {
    await start()
    const made = JSON.parse((await run(['account', 'create', 'team', '--json', '--data', data])).out)
    expect(made).toMatchObject({ accountId: expect.stringMatching(/^\d{12}$/), accessKeyId: expect.any(String) })
    expect((await run(['account', 'list', '--data', data])).out).toContain(`${made.accountId}  team`)
  })

  it('prints what a shell must evaluate', async () => {
    const server = await start()
    const { out } = await run(['env', '--data', data])
    expect(out).toContain(`export AWS_ENDPOINT_URL='https://127.0.0.1:${server.port}'\n`)
    expect(out).toContain(`export NODE_EXTRA_CA_CERTS='${join(data, 'certs/ca.crt')}'\n`)
  })

  it('changes the root key without touching root credentials, keys or data', async () => {
    const server = await start()
    await run(['key', 'create', 'invoices', '--data', data])
    const before = [await run(['credentials', '--data', data]), await run(['key', 'show', 'invoices', '--data', data])]
    const rootKey = await readFile(join(data, 'root.key'))
    expect(await run(['root-key', 'rotate', '--data', data])).toMatchObject({ code: 0 })
    expect(await readFile(join(data, 'root.key'))).not.toEqual(rootKey)
    await server.stop()

    const passphrase = join(base, 'passphrase')
    await writeFile(passphrase, 'correct horse battery staple\n')
    expect(await run(['root-key', 'rotate', '--new-passphrase-file', passphrase, '--data', data])).toMatchObject({
      code: 0,
    })
    const variables = { STRONGROOM_ROOT_KEY_PASSPHRASE_FILE: passphrase }
    const again = (args: readonly string[]) => run([...args, '--data', data], { variables })
    expect([await again(['credentials']), await again(['key', 'show', 'invoices'])]).toEqual(before)
    expect(await run(['credentials', '--data', data])).toMatchObject({
      code: 2,
      error: expect.stringContaining('root key'),
    })
  })

  it('says when there is no deployment', async () => {
    expect(await run(['key', 'list', '--data', data])).toMatchObject({
      code: 5,
      error: expect.stringContaining('there is no deployment in'),
    })
    await expect(stat(data)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
