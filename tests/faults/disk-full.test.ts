/**
 * A medium that fills up (issue 4, section 1; docs/operations/disk-full.md): writes are refused before it is full, all that
 * frees space goes on working, and afterwards writes are taken again. And where a limit is met without a warning, nothing is
 * half-written.
 *
 * @module
 */

import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { FaultServer } from '../support/fault-server.ts'
import { contentOf } from './crash-operations.fixture.ts'

const bucket = 'filling'
const mebibyte = 2 ** 20

let base = ''
let unmount = () => {}
let server: FaultServer | undefined

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-full-'))
})

afterEach(async () => {
  await server?.kill()
  server = undefined
  unmount()
  unmount = () => {}
  await rm(base, { recursive: true, force: true })
})

/** A directory with some 50 MiB of room: a tmpfs of its own where that is allowed, else what a watermark leaves of the disk. */
async function smallMedium(): Promise<readonly string[]> {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', base])
  if (status === 0) {
    unmount = () => void spawnSync('umount', [base])
    return []
  }
  const { bavail, bsize } = await statfs(base)
  return ['--min-free-space', `${Math.floor((bavail * bsize) / mebibyte) - 50}MiB`]
}

const metric = async (name: string): Promise<number> => {
  const answer = await server?.client.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })
  return Number(new RegExp(`^\\w*${name} (\\d+)`, 'm').exec(answer?.text ?? '')?.[1])
}

/** Two uploads each of which fits, but not both: room is taken by what has come, so that one or both end in the middle. */
async function expectBothAnswered(client: FaultServer['client']): Promise<void> {
  const content = contentOf(35 * mebibyte, 10)
  const names = ['one', 'two']
  const put = (name: string) => client.send({ method: 'PUT', bucket, name, body: content })
  const answers = await Promise.all(names.map(put))
  const outcomes = answers.map(({ status, code }) => `${status} ${code ?? ''}`.trim())
  expect(outcomes).toContain('507 XMinioStorageFull')
  for (const [index, name] of names.entries()) {
    expect(['200', '507 XMinioStorageFull']).toContain(outcomes[index])
    const read = await client.send({ method: 'GET', bucket, name })
    if (outcomes[index] === '200') expect(read.body.equals(content)).toBe(true)
    else expect(read.code).toBe('NoSuchKey')
    expect((await client.send({ method: 'DELETE', bucket, name })).status).toBe(204)
  }
}

it('refuses writes before the medium is full, keeps reads, listings and deletions going, and takes writes again', {
  timeout: 180_000,
}, async () => {
  const started = await FaultServer.start(join(base, 'data'), await smallMedium())
  server = started
  const { client } = started
  await client.send({ method: 'PUT', bucket })
  const content = contentOf(2_000_000, 7)
  const written: string[] = []
  for (;;) {
    const name = `object-${written.length}`
    const answer = await client.send({ method: 'PUT', bucket, name, body: content })
    if (answer.status !== 200) {
      expect([answer.status, answer.code]).toEqual([507, 'XMinioStorageFull'])
      expect(answer.message).toContain('full')
      break
    }
    written.push(name)
    expect(written.length).toBeLessThan(100)
  }
  expect(written.length).toBeGreaterThan(5)

  // A small one fits until the watermark itself is reached; a large one never, and its body is not taken.
  const large = await client.send({ method: 'PUT', bucket, name: 'large', body: contentOf(60 * mebibyte, 8) })
  expect([large.status, large.code]).toEqual([507, 'XMinioStorageFull'])
  expect(await metric('writes_refused_for_space')).toBeGreaterThan(1)

  for (const name of written) {
    const answer = await client.send({ method: 'GET', bucket, name })
    expect([name, answer.status, answer.body.equals(content)]).toEqual([name, 200, true])
  }
  const listed = await client.send({ method: 'GET', bucket, query: { 'list-type': '2' } })
  expect(listed.elements('Key')).toHaveLength(written.length)
  for (const name of written) expect((await client.send({ method: 'DELETE', bucket, name })).status).toBe(204)

  // The removal of data goes on in the background, and free space is asked for once a second.
  let answer = await client.send({ method: 'PUT', bucket, name: 'again', body: content })
  while (answer.status === 507) answer = await client.send({ method: 'PUT', bucket, name: 'again', body: content })
  expect(answer.status).toBe(200)
  expect((await client.send({ method: 'DELETE', bucket, name: 'again' })).status).toBe(204)
  await expectBothAnswered(client)
  const check = await adminCall(join(base, 'data'), 'fsck', { repair: false, verifyData: true })
  expect(Object(check?.result).findings).toEqual([])
})

it('with less room than the reserve at its start takes no writes, and everything else', {
  timeout: 180_000,
}, async () => {
  const data = join(base, 'data')
  const first = await FaultServer.start(data)
  server = first
  await first.client.send({ method: 'PUT', bucket })
  await first.client.send({ method: 'PUT', bucket, name: 'x', body: contentOf(100_000, 9) })
  const upload = await first.client.send({ method: 'POST', bucket, name: 'parts', query: { uploads: undefined } })
  const uploadId = upload.element('UploadId') ?? ''
  await first.client.send({ method: 'PUT', bucket, name: 'p', query: { uploadId, partNumber: '1' }, body: 'part' })
  await first.stop()

  const second = await FaultServer.start(data, ['--min-free-space', '99.999%'])
  server = second
  const { client } = second
  const line = await second.program.line('storage is full: writes are refused until space is freed')
  expect(line).toMatchObject({ level: 'error', medium: 'objects' })
  expect(await metric('storage_full')).toBe(1)
  const copySource = { 'x-amz-copy-source': `/${bucket}/x` }
  const refused = [
    { method: 'PUT', bucket, name: 'y', body: 'y' },
    { method: 'PUT', bucket, name: 'empty', body: '' },
    { method: 'PUT', bucket, name: 'y', headers: copySource },
    { method: 'PUT', bucket: 'another' },
    { method: 'POST', bucket, name: 'y', query: { uploads: undefined } },
    { method: 'PUT', bucket, name: 'parts', query: { uploadId, partNumber: '2' }, body: 'part' },
    { method: 'PUT', bucket, name: 'parts', query: { uploadId, partNumber: '2' }, headers: copySource },
  ]
  for (const request of refused) {
    const answer = await client.send(request)
    expect([request, answer.status, answer.code]).toEqual([request, 507, 'XMinioStorageFull'])
  }
  const taken = [
    { method: 'GET', bucket, name: 'x' },
    { method: 'HEAD', bucket, name: 'x' },
    { method: 'GET', bucket },
    { method: 'DELETE', bucket, name: 'parts', query: { uploadId } },
    { method: 'DELETE', bucket, name: 'x' },
    { method: 'DELETE', bucket },
  ]
  for (const request of taken) {
    const { status } = await client.send(request)
    expect([request, status]).toEqual([request, request.method === 'DELETE' ? 204 : 200])
  }
})
