/**
 * Sessions, the sweeper and the reclaimer: nothing that is needed goes, nothing else stays.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { createTestEngine, pattern, rootRequester, type TestEngine } from './engine.fixture.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { keyKey, sessionKey } from './tables.ts'

let first: TestEngine
let bucket: Bucket
beforeEach(async () => {
  first = await createTestEngine()
  bucket = await first.bucket()
})
afterEach(() => first.close())

/** Another process over the same stores. */
const another = () => createTestEngine(first.options)

async function blobIds({ blobs }: TestEngine): Promise<string[]> {
  const ids: string[] = []
  for await (const session of blobs.sessions()) for await (const { blobId } of blobs.list(session)) ids.push(blobId)
  return ids
}

describe('a sweep', () => {
  it('removes what a dead writer left unfinished, and keeps what it committed', async () => {
    await first.put(bucket, 'kept', pattern(100_000))
    const writer = await first.blobs.create(`${first.engine.sessionId}${'ab'.repeat(16)}`)
    await writer.write([pattern(50_000)])
    await writer.sync()
    const second = await another()
    expect(await blobIds(first)).toHaveLength(2)
    const report = await second.engine.sweep()
    expect(report).toMatchObject({ blobsRemoved: 1 })
    expect(report.sessionsEnded).toBeGreaterThanOrEqual(1)
    expect((await second.get(bucket, 'kept')).bytes).toEqual(pattern(100_000))
    expect(await second.engine.sweep()).toEqual({
      sessionsEnded: 0,
      blobsRemoved: 0,
      garbageRemoved: 0,
      keysDestroyed: [],
    })
    await expectExactBooks(second)
  })

  it('spares sessions that are named as alive', async () => {
    const second = await another()
    await second.engine.sweep({ liveSessions: new Set([first.engine.sessionId]) })
    await first.put(bucket, 'x', pattern(100_000))
    expect((await second.get(bucket, 'x')).bytes).toEqual(pattern(100_000))
  })

  it('a writer whose session was ended under it cannot commit a blob, only fail', async () => {
    const second = await another()
    let sweep: Promise<unknown> | undefined
    async function* slow() {
      yield pattern(60_000)
      sweep = second.engine.sweep()
      await sweep
      yield pattern(40_000)
    }
    const put = first.put(bucket, 'x', '', { body: { sizeBytes: 100_000, content: slow() } })
    const clientMessage = 'The server has lost its turn to write and has to be started again.'
    await expect(put).rejects.toMatchObject({ code: 'ServiceUnavailable', clientMessage })
    await expect(first.get(bucket, 'x')).rejects.toMatchObject({ code: 'NoSuchKey' })
    // Small objects need no session.
    await first.put(bucket, 'small', 'x')
    await expectExactBooks(second)
  })

  it('goes past damaged records of sessions and keys, which are not its to judge', async () => {
    const writer = await first.blobs.create(`${first.engine.sessionId}${'cd'.repeat(16)}`)
    await writer.write([pattern(50_000)])
    await writer.sync()
    const second = await another()
    const damaged = [sessionKey.encode(Buffer.alloc(8, 0)), keyKey.encode(Buffer.alloc(16, 0))]
    await first.metadata.commit({ puts: damaged.map((key) => ({ key, value: Buffer.from('not a record') })) })
    expect(await second.engine.sweep()).toMatchObject({ blobsRemoved: 1 })
  })

  it('finishes garbage whose removal failed', async () => {
    await first.put(bucket, 'x', pattern(100_000))
    const remove = first.blobs.delete.bind(first.blobs)
    first.blobs.delete = () => Promise.reject(new Error('the medium is read-only'))
    await first.engine.deleteObject({ bucket, name: 'x' })
    await first.engine.idle()
    expect(await blobIds(first)).toHaveLength(1)
    first.blobs.delete = remove
    expect(await first.engine.sweep()).toMatchObject({ garbageRemoved: 1 })
    expect(await blobIds(first)).toEqual([])
    await expectExactBooks(first)
  })

  it('takes back, or finishes, a deletion of a key that was cut short', async () => {
    await first.engine.createKey({ requester: rootRequester, name: 'k' })
    const destroy = first.kms.deleteKey.bind(first.kms)
    const cutShort = async (deleteKey: typeof destroy) => {
      const commit = first.metadata.commit.bind(first.metadata)
      first.kms.deleteKey = async (name) => {
        first.metadata.commit = () => Promise.reject(new Error('the process is gone'))
        await deleteKey(name)
      }
      await expect(first.engine.deleteKey('k')).rejects.toThrow('the process is gone')
      Object.assign(first.metadata, { commit })
      first.kms.deleteKey = destroy
      first.clock.nowMs += 601_000
      await first.engine.sweep()
    }
    await cutShort(() => Promise.reject(new Error('the process is gone')))
    await first.put(bucket, 'x', 'x', { encryption: { mode: 'sse-kms', keyId: 'k' } })
    await first.engine.deleteObject({ bucket, name: 'x' })
    await cutShort(destroy)
    await expect(first.engine.describeKey('k')).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
  })
})

describe('an engine that was closed', () => {
  it('leaves a session that the next sweep settles once', async () => {
    await first.put(bucket, 'x', pattern(100_000))
    const second = await another()
    await first.engine.close()
    await second.engine.sweep()
    expect((await second.get(bucket, 'x')).bytes).toEqual(pattern(100_000))
    await expectExactBooks(second)
  })
})
