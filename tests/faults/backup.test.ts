/**
 * Backup and restore as docs/operations/backup-and-restore.md has it: its own commands, run under a server that is written to
 * without rest. What was acknowledged before the backup began reads back elsewhere, and everything else is whole.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import { adminCall } from '../support/admin-socket.ts'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import { FaultServer } from '../support/fault-server.ts'
import { run } from '../support/program.ts'
import type { RawRequest } from '../support/raw-client.ts'
import { contentOf } from './crash-operations.fixture.ts'

const page = resolve(import.meta.dirname, '../../docs/operations/backup-and-restore.md')
const bucket = 'backed-up'
const modes: readonly Record<string, string>[] = [{}, sseKms(), sseC(keyOne)]
const sizes = [1_000, 50_000, 700_000]

let base = ''
let server: FaultServer | undefined

afterEach(async () => {
  await server?.kill()
  await rm(base, { recursive: true, force: true })
})

/** The commands below a heading of the page. */
async function commandsBelow(heading: string): Promise<string> {
  const text = await readFile(page, 'utf8')
  const block = text.slice(text.indexOf(`## ${heading}`)).match(/```sh\n([\s\S]*?)```/)?.[1]
  if (block === undefined) throw new Error(`there are no commands below "${heading}"`)
  return block
}

async function sh(commands: string, variables: Record<string, string>): Promise<void> {
  await promisify(execFile)('sh', ['-c', commands], { env: { ...process.env, ...variables } })
}

/** As the page finds it: not that of npm or a start script, which are its parents. */
async function servingProcess(data: string): Promise<string> {
  const { code, out, error } = await run(['status', '--pid', '--data', data])
  expect({ code, error }).toEqual({ code: 0, error: '' })
  return out.trim()
}

/** Content number `turn` of a writer: of a size and under a mode that go with the turn. */
const contentAt = (writer: number, turn: number): Buffer => contentOf(sizes[turn % 3] ?? 0, writer * 10_000 + turn)

/** One client that overwrites one name again and again. */
class Writer {
  readonly #id: number
  readonly #server: FaultServer
  acknowledged = -1
  #isStopped = false

  constructor(id: number, running: FaultServer) {
    this.#id = id
    this.#server = running
  }

  get name(): string {
    return `hot-${this.#id}`
  }

  async work(): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn += 1) {
      const request: RawRequest = { method: 'PUT', bucket, name: this.name, body: contentAt(this.#id, turn) }
      expect((await this.#server.client.send(request)).status).toBe(200)
      this.acknowledged = turn
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** The turn whose content this is. */
  turnOf(content: Buffer): number {
    for (let turn = this.acknowledged + 1; turn >= 0; turn -= 1) {
      if (contentAt(this.#id, turn).equals(content)) return turn
    }
    return -1
  }
}

it('of a running server by the documented commands reads back elsewhere', { timeout: 180_000 }, async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-backup-'))
  const [data, backup, restored] = [join(base, 'data'), join(base, 'backup'), join(base, 'elsewhere')]
  const running = await FaultServer.start(data)
  server = running
  await running.client.send({ method: 'PUT', bucket })
  const quiet = Array.from({ length: 12 }, (_, i) => ({
    name: `quiet-${i}`,
    body: contentOf(sizes[i % 3] ?? 0, 90_000 + i),
    headers: modes[(i >> 1) % 3] ?? {},
  }))
  for (const object of quiet) {
    expect((await running.client.send({ method: 'PUT', bucket, ...object })).status).toBe(200)
  }
  const writers = Array.from({ length: 6 }, (_, id) => new Writer(id, running))
  const work = Promise.allSettled(writers.map((writer) => writer.work()))
  const hasWritten = async (atLeast: number): Promise<void> => {
    while (writers.some(({ acknowledged }) => acknowledged < atLeast)) {
      const failed = await Promise.race([work, running.report().then(() => [])])
      expect(failed.filter(({ status }) => status === 'rejected')).toEqual([])
    }
  }
  await hasWritten(3)

  const before = writers.map(({ acknowledged }) => acknowledged)
  await sh(await commandsBelow('Backing up'), { DATA: data, BACKUP: backup, PID: await servingProcess(data) })
  await hasWritten(Math.max(...before) + 5)
  for (const writer of writers) writer.stop()
  expect((await work).filter(({ status }) => status === 'rejected')).toEqual([])
  const variables = { DATA: restored, BACKUP: backup, ROOT_KEY: join(data, 'root.key') }
  await sh(await commandsBelow('Restoring'), variables)
  await running.stop()
  await rm(data, { recursive: true })

  const again = await FaultServer.start(restored)
  server = again
  for (const { name, body, headers } of quiet) {
    const own = 'x-amz-server-side-encryption-customer-key' in headers ? headers : {}
    const answer = await again.client.send({ method: 'GET', bucket, name, headers: own })
    expect([name, answer.status, answer.body.equals(body)]).toEqual([name, 200, true])
  }
  for (const [index, writer] of writers.entries()) {
    const { status, body } = await again.client.send({ method: 'GET', bucket, name: writer.name })
    expect(status).toBe(200)
    expect(writer.turnOf(body), writer.name).toBeGreaterThanOrEqual(before[index] ?? 0)
  }
  const check = await adminCall(restored, 'fsck', { repair: false, verifyData: true })
  expect(Object(check?.result)).toMatchObject({ findings: [], withheld: 0 })
  expect((await again.client.send({ method: 'PUT', bucket, name: 'new', body: 'new' })).status).toBe(200)
  await again.stop()
  expect(await run(['fsck', '--verify-data', '--data', restored])).toMatchObject({ code: 0 })
})
