/**
 * SIGKILL under load (issue 3, section 6): whatever was acknowledged is there, whole, after the next start; what was under
 * way is there as it was or as it was to be, never as a mixture; and once the sweeper has been round, nothing is left over.
 *
 * @module
 */

import { createHash, randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keyOne, sseC, sseKms } from '../support/encryption-headers.ts'
import { caOf, Program, run } from '../support/program.ts'
import { RawClient, type RawRequest, type RawResponse } from '../support/raw-client.ts'

/** More of them by `npm run crash-matrix`. */
const rounds = Number(process.env.KILL_ROUNDS ?? 3)
const workers = 8
const namesPerWorker = 6
const region = 'us-east-1'
const credentials = { accessKeyId: 'kill-root', secretAccessKey: 'kill-root-secret' }
const bucket = 'killed'
const versionedBucket = 'killed-versions'

let data = ''
let program: Program | undefined
let client: RawClient

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'strongroom-kill-'))
})

afterEach(async () => {
  client?.close()
  await program?.kill()
  await rm(data, { recursive: true, force: true })
})

async function start(): Promise<Program> {
  const variables = {
    STRONGROOM_ROOT_USER: credentials.accessKeyId,
    STRONGROOM_ROOT_PASSWORD: credentials.secretAccessKey,
  }
  program = await Program.start({ data, args: ['--log-level', 'debug', '--region', region], variables })
  client = new RawClient({ host: '127.0.0.1', port: program.port, ca: await caOf(data) }, credentials, region)
  return program
}

/** SHA-256 of a content, or that there is no object. */
type State = string

const absent: State = 'absent'

const hashOf = (content: Uint8Array): State => createHash('sha256').update(content).digest('hex')

/** What is known of a name: what was acknowledged, and what a request under way at the time of the kill was to make of it. */
interface Known {
  acknowledged: State
  underWay: State | undefined
  /** Of what was acknowledged; a client's key is needed for reading it. */
  headers: Record<string, string>
  headersUnderWay: Record<string, string>
}

const modes: readonly Record<string, string>[] = [{}, sseKms(), sseC(keyOne)]

/** One client on names of its own, so that it knows what they must hold. */
class Worker {
  readonly known = new Map<string, Known>()
  readonly #contents = new Map<State, Buffer>()
  /** Acknowledged versions, by id. */
  readonly versions = new Map<string, State>()
  readonly #id: number
  readonly #onAcknowledged: () => void

  constructor(id: number, onAcknowledged: () => void) {
    this.#id = id
    this.#onAcknowledged = onAcknowledged
    for (let index = 0; index < namesPerWorker; index += 1) {
      const known = { acknowledged: absent, underWay: undefined, headers: {}, headersUnderWay: {} }
      this.known.set(`worker-${id}/name-${index}`, known)
    }
  }

  /** Works until the server is gone. @throws if it answers what it should not */
  async work(): Promise<void> {
    const steps = [this.#put, this.#put, this.#putLarge, this.#copy, this.#multipart, this.#delete, this.#putVersion]
    for (;;) {
      const step = steps[randomInt(steps.length)]
      if (!step || !(await step.call(this))) return
    }
  }

  #anyName(): [string, Known] {
    const entry = [...this.known][randomInt(this.known.size)]
    if (!entry) throw new Error('there are no names')
    return entry
  }

  #content(sizeBytes: number): Buffer {
    const content = randomBytes(sizeBytes)
    this.#contents.set(hashOf(content), content)
    return content
  }

  /** Resolves to whether the server was there to answer. */
  async #change(
    [name, known]: [string, Known],
    next: State,
    headers: Record<string, string>,
    send: () => Promise<RawResponse | undefined>,
  ): Promise<boolean> {
    known.underWay = next
    known.headersUnderWay = headers
    const answer = await send()
    if (!answer) return false
    expect([name, answer.status, answer.code]).toEqual([name, next === absent ? 204 : 200, undefined])
    Object.assign(known, { acknowledged: next, headers, underWay: undefined })
    this.#onAcknowledged()
    return true
  }

  #putContent(content: Buffer): Promise<boolean> {
    const target = this.#anyName()
    const headers = modes[randomInt(modes.length)] ?? {}
    return this.#change(target, hashOf(content), headers, () =>
      tried({ method: 'PUT', bucket, name: target[0], headers, body: content }),
    )
  }

  #put(): Promise<boolean> {
    return this.#putContent(this.#content(randomInt(6_000)))
  }

  #putLarge(): Promise<boolean> {
    return this.#putContent(this.#content(10_000 + randomInt(1_000_000)))
  }

  async #copy(): Promise<boolean> {
    const [source, { acknowledged, headers }] = this.#anyName()
    const target = this.#anyName()
    // A source with a client's key needs headers that this test has no use for.
    if (acknowledged === absent || 'x-amz-server-side-encryption-customer-key' in headers || source === target[0])
      return true
    return this.#change(target, acknowledged, {}, () =>
      tried({ method: 'PUT', bucket, name: target[0], headers: { 'x-amz-copy-source': `/${bucket}/${source}` } }),
    )
  }

  async #multipart(): Promise<boolean> {
    const target = this.#anyName()
    const [name] = target
    const created = await tried({ method: 'POST', bucket, name, query: { uploads: undefined } })
    const uploadId = created?.element('UploadId')
    if (!uploadId) return false
    const content = this.#content(randomInt(300_000))
    const parts = [content, randomBytes(randomInt(30_000))]
    const etags: string[] = []
    for (const [index, body] of parts.entries()) {
      const part = await tried({
        method: 'PUT',
        bucket,
        name,
        query: { partNumber: String(index + 1), uploadId },
        body,
      })
      if (!part) return false
      expect(part.status).toBe(200)
      etags.push(String(part.headers.etag))
    }
    if (randomInt(3) === 0) return (await tried({ method: 'DELETE', bucket, name, query: { uploadId } })) !== undefined
    const list = `<Part><PartNumber>1</PartNumber><ETag>${etags[0]}</ETag></Part>`
    const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`
    return this.#change(target, hashOf(content), {}, () =>
      tried({ method: 'POST', bucket, name, query: { uploadId }, body }),
    )
  }

  #delete(): Promise<boolean> {
    const target = this.#anyName()
    return this.#change(target, absent, {}, () => tried({ method: 'DELETE', bucket, name: target[0] }))
  }

  async #putVersion(): Promise<boolean> {
    const content = this.#content(randomInt(20_000))
    const answer = await tried({ method: 'PUT', bucket: versionedBucket, name: `worker-${this.#id}`, body: content })
    if (!answer) return false
    this.versions.set(String(answer.headers['x-amz-version-id']), hashOf(content))
    return true
  }

  /** Reads everything and compares it with what is known; what was under way is known from then on. */
  async verify(): Promise<void> {
    for (const [name, known] of this.known) {
      const found = await this.#read(name, known)
      const allowed = known.underWay === undefined ? [known.acknowledged] : [known.acknowledged, known.underWay]
      expect(allowed, name).toContain(found)
      if (found !== known.acknowledged) known.headers = known.headersUnderWay
      Object.assign(known, { acknowledged: found, underWay: undefined })
    }
    for (const [versionId, hash] of this.versions) {
      const name = `worker-${this.#id}`
      const answer = await client.send({ method: 'GET', bucket: versionedBucket, name, query: { versionId } })
      expect([versionId, answer.status, hashOf(answer.body)]).toEqual([versionId, 200, hash])
    }
  }

  async #read(name: string, { headers, headersUnderWay, underWay }: Known): Promise<State> {
    const customerKeys = [headers, ...(underWay === undefined ? [] : [headersUnderWay])].map(readHeaders)
    for (const own of customerKeys) {
      const answer = await client.send({ method: 'GET', bucket, name, headers: own })
      if (answer.status === 404) return absent
      if (answer.status === 200) return hashOf(answer.body)
      // With or without a client's key: whichever of the two it is.
      expect(answer.status).toBe(400)
    }
    throw new Error(`${name} cannot be read`)
  }
}

/** The headers that a GET needs of those that a PUT had. */
function readHeaders(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.includes('customer')))
}

/** Undefined: the connection broke. */
async function tried(request: RawRequest): Promise<RawResponse | undefined> {
  try {
    return await client.send(request)
  } catch {
    return undefined
  }
}

it(
  'keeps every acknowledged write whole through SIGKILL under load',
  async () => {
    let writes = 0
    let killAfter = Number.POSITIVE_INFINITY
    const onAcknowledged = () => {
      writes += 1
      // Any moment will do: seven others are in the middle of something.
      if (writes === killAfter) setTimeout(() => running.signal('SIGKILL'), randomInt(30))
    }
    const team = Array.from({ length: workers }, (_, id) => new Worker(id, onAcknowledged))
    let running = await start()
    for (const name of [bucket, versionedBucket])
      expect((await client.send({ method: 'PUT', bucket: name })).status).toBe(200)
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    const versioning = { method: 'PUT', bucket: versionedBucket, query: { versioning: undefined }, body }
    expect((await client.send(versioning)).status).toBe(200)

    for (let round = 0; round < rounds; round += 1) {
      killAfter = writes + 20 + randomInt(80)
      await Promise.all(team.map((worker) => worker.work()))
      expect(await running.exited()).toBeNull()
      expect(writes).toBeGreaterThanOrEqual(killAfter)
      client.close()

      running = await start()
      await Promise.all(team.map((worker) => worker.verify()))
      await running.line('swept')
      const check = await run(['fsck', '--verify-data', '--json', '--data', data])
      const report = JSON.parse(check.out)
      expect(report.findings).toEqual([])
      // Nobody writes now: a blob without a record would be left over.
      expect(report).toMatchObject({ unrepaired: 0, withheld: 0 })
      expect(report.checked.blobsBeingWritten).toBeUndefined()
    }
    expect(await running.stop()).toBe(0)
  },
  60_000 + rounds * 20_000,
)
