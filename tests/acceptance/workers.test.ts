/**
 * A server with several workers (docs/adr/0020-workers.md): what one of them is told holds in all, and the end of one is the end
 * of its requests only.
 *
 * @module
 */

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ClientRequest } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presign } from '@strongroom/sigv4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { sseKms } from '../support/encryption-headers.ts'
import { pattern } from '../support/pattern.ts'
import { caOf, Program } from '../support/program.ts'
import { RawClient } from '../support/raw-client.ts'

const credentials = { accessKeyId: 'test-root', secretAccessKey: 'test-root-secret' }
const region = 'us-east-1'
const bucket = 'shared'

let data = ''
let program: Program
let ca = ''
const clients: RawClient[] = []

/** With a connection of its own: they go to the workers in turn. */
const client = (): RawClient => {
  const made = new RawClient({ host: '127.0.0.1', port: program.port, ca }, credentials, region)
  clients.push(made)
  return made
}
const threeClients = (): RawClient[] => [client(), client(), client()]

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'strongroom-workers-'))
  program = await Program.start({
    data,
    args: ['--workers', '3', '--access-log', 'on', '--region', region],
    variables: {
      STRONGROOM_ROOT_USER: credentials.accessKeyId,
      STRONGROOM_ROOT_PASSWORD: credentials.secretAccessKey,
    },
  })
  ca = await caOf(data)
  expect((await client().send({ method: 'PUT', bucket })).status).toBe(200)
})

afterAll(async () => {
  for (const made of clients) made.close()
  await program?.kill()
  await rm(data, { recursive: true, force: true })
})

const workerPids = async (): Promise<readonly number[]> => {
  const status = Object((await adminCall(data, 'status'))?.result)
  return status.server.workers
}

/** A PUT of two halves; resolves when the server waits for the first. */
async function beginPut(
  name: string,
  size: number,
): Promise<{ put: ClientRequest; status: Promise<number | undefined> }> {
  const rawPath = `/${bucket}/${name}`
  const signable = { method: 'PUT', rawPath, rawQuery: '', headers: { host: `127.0.0.1:${program.port}` } }
  const secret = Buffer.from(credentials.secretAccessKey)
  const signing = { credentials: { accessKeyId: credentials.accessKeyId, secret }, region, expiresSeconds: 60 }
  const put = request({
    host: '127.0.0.1',
    port: program.port,
    path: `${rawPath}?${presign(signable, signing)}`,
    method: 'PUT',
    headers: { 'content-length': String(size), expect: '100-continue' },
    ca,
    agent: false,
  })
  const status = new Promise<number | undefined>((done, failed) => {
    put.once('error', failed)
    put.once('response', (answer) => {
      answer.resume()
      done(answer.statusCode)
    })
  })
  // Looked at later.
  status.catch(() => {})
  put.flushHeaders()
  await once(put, 'continue')
  return { put, status }
}

describe('three workers', () => {
  it('read what one of them was told is stored, in all others, at once', async () => {
    const [writer, ...readers] = [client(), ...threeClients()]
    for (let round = 0; round < 5; round += 1) {
      for (const [size, name] of [
        [1_000, 'small'],
        [200_000, 'large'],
      ] as const) {
        const body = pattern(size).map((byte) => byte ^ round)
        expect((await writer?.send({ method: 'PUT', bucket, name, body }))?.status).toBe(200)
        const found = await Promise.all(readers.map((reader) => reader.send({ method: 'GET', bucket, name })))
        expect(found.map((answer) => Buffer.compare(answer.body, body))).toEqual([0, 0, 0])
      }
    }
  })

  it('refuse a locked key from the next request on, in all of them, and use it again when it is unlocked', async () => {
    await adminCall(data, 'createKey', 'team')
    const name = 'under-team'
    const readers = threeClients()
    const statuses = async () => {
      const answers = await Promise.all(readers.map((reader) => reader.send({ method: 'GET', bucket, name })))
      return answers.map(({ status, code }) => code ?? status)
    }
    const put = { method: 'PUT', bucket, name, body: 'secret', headers: sseKms('team') }
    expect((await client().send(put)).status).toBe(200)
    expect(await statuses()).toEqual([200, 200, 200])
    for (let round = 0; round < 3; round += 1) {
      await adminCall(data, 'lockKey', 'team')
      expect(await statuses()).toEqual(Array(3).fill('KMS.DisabledException'))
      await adminCall(data, 'unlockKey', 'team')
      expect(await statuses()).toEqual([200, 200, 200])
    }
  })

  it('show one sum of metrics, whichever is asked, and one access log', async () => {
    const before = program.lines.filter((line) => line.operation === 'PutObject').length
    for (const one of threeClients()) await one.send({ method: 'PUT', bucket, name: 'counted', body: 'x' })
    const asked = threeClients().map((one) => one.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' }))
    const texts = (await Promise.all(asked)).map(({ text }) => text)
    const count = (text: string) =>
      /^strongroom_requests_total\{operation="PutObject",status="200"\} (\d+)$/m.exec(text)?.[1]
    expect(texts.map(count)).toEqual(Array(3).fill(String(before + 3)))
    for (const text of texts) expect(text).toMatch(/^strongroom_workers 3$/m)
    expect(program.lines.filter((line) => line.operation === 'PutObject')).toHaveLength(before + 3)
  })

  it('lose the requests of one that is killed, and no others; it is replaced, and nothing is left behind', async () => {
    const half = pattern(300_000)
    const uploads = []
    for (let number = 0; number < 3; number += 1) uploads.push(await beginPut(`cut-${number}`, 2 * half.length))
    for (const { put } of uploads) put.write(half)
    const before = await workerPids()
    expect(before).toHaveLength(3)
    process.kill(before[0] ?? 0, 'SIGKILL')
    await program.line('a worker serves again')
    for (const { put } of uploads) put.end(half)
    const outcomes = await Promise.all(uploads.map(({ status }) => status.catch(() => 'broken off')))
    expect(outcomes.toSorted()).toEqual([200, 200, 'broken off'])
    const found = []
    for (const number of outcomes.keys()) {
      found.push((await client().send({ method: 'HEAD', bucket, name: `cut-${number}` })).status)
    }
    expect(found).toEqual(outcomes.map((outcome) => (outcome === 200 ? 200 : 404)))
    const after = await workerPids()
    expect(after).toHaveLength(3)
    expect(after.filter((pid) => before.includes(pid))).toHaveLength(2)
    const report = Object((await adminCall(data, 'fsck', { verifyData: true }))?.result)
    expect(report.findings).toEqual([])
  })

  it('take nothing back that was acknowledged, when one after the other is killed and replaced under writes', async () => {
    let isOver = false
    const acknowledged: string[] = []
    const writeOn = async (writer: number): Promise<void> => {
      for (let number = 0; !isOver; number += 1) {
        const name = `kept-${writer}-${number}`
        const one = client()
        const status = await one.send({ method: 'PUT', bucket, name, body: name }).then(
          (answer) => answer.status,
          () => undefined,
        )
        one.close()
        if (status === 200) acknowledged.push(name)
      }
    }
    const writing = [0, 1, 2, 3].map(writeOn)
    for (let round = 0; round < 5; round += 1) {
      const before = await workerPids()
      process.kill(before[round % before.length] ?? 0, 'SIGKILL')
      await expect
        .poll(async () => (await workerPids()).filter((pid) => !before.includes(pid)).length, { timeout: 20_000 })
        .toBe(1)
    }
    isOver = true
    await Promise.all(writing)
    expect(acknowledged.length).toBeGreaterThan(20)
    const reader = client()
    const lost = []
    for (const name of acknowledged) {
      if ((await reader.send({ method: 'GET', bucket, name })).text !== name) lost.push(name)
    }
    expect(lost).toEqual([])
    const report = Object((await adminCall(data, 'fsck', { verifyData: true }))?.result)
    expect(report.findings).toEqual([])
  }, 120_000)

  it('finish their requests when all processes are told to stop', async () => {
    const upload = await beginPut('last', 5)
    const workers = await workerPids()
    // As a service manager does.
    for (const pid of [program.pid, ...workers]) process.kill(pid, 'SIGTERM')
    await program.line('stopping: requests in flight may end; a second signal stops at once')
    upload.put.end('hello')
    expect(await upload.status).toBe(200)
    expect(await program.exited()).toBe(0)
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow()
    const faults = program.lines.filter(({ level }) => level === 'error').map(({ msg }) => msg)
    expect(new Set(faults)).toEqual(new Set(['a worker ended; another takes its place']))
  })
})
