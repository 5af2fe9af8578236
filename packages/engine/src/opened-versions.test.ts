import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import {
  createTestEngine,
  customerKey,
  encryptionModes,
  pattern,
  rootRequester,
  type TestEngine,
} from './engine.fixture.ts'
import { decodeObjectRecord, encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { OpenedVersions } from './opened-versions.ts'
import { objectKey } from './tables.ts'

let test: TestEngine
let bucket: Bucket
beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

async function storedRecord(name: string): Promise<{ readonly key: Uint8Array; readonly record: ObjectVersion }> {
  const key = objectKey.encode(Buffer.from(bucket.id, 'hex'), name)
  const snapshot = test.metadata.snapshot()
  const entry = await snapshot.get(key)
  snapshot.release()
  if (!entry) throw new Error('no such entry')
  const record = decodeObjectRecord(test.context.records.open(entry))
  if (record.kind !== 'object') throw new Error('not an object')
  return { key, record }
}

describe('an object key that was opened', () => {
  it('is given back for the same record and the same key, and for no other', async () => {
    await test.put(bucket, 'x', pattern(10))
    const { record } = await storedRecord('x')
    const opened = new OpenedVersions(randomBytes)
    const [key, other, secret] = [randomBytes(32), randomBytes(32), randomBytes(32)]
    expect(opened.recall(record, key)).toBeUndefined()
    opened.remember(record, key, secret)
    expect(opened.recall(record, key)).toEqual(secret)
    expect(opened.recall(record, other)).toBeUndefined()
    expect(opened.recall(record, key.subarray(1))).toBeUndefined()
    expect(opened.recall({ ...record }, key)).toBeUndefined()
  })

  it('is a copy each time, which its reader may overwrite', async () => {
    await test.put(bucket, 'x', pattern(10))
    const { record } = await storedRecord('x')
    const opened = new OpenedVersions(randomBytes)
    const [key, secret] = [randomBytes(32), randomBytes(32)]
    opened.remember(record, key, secret)
    opened.recall(record, key)?.fill(0)
    expect(opened.recall(record, key)).toEqual(secret)
  })
})

describe.each(Object.entries(encryptionModes))('with %s', (_, encryption) => {
  const keyed = encryption.mode === 'sse-c' ? { customerKey: encryption.customerKey } : {}
  const read = async () => (await test.get(bucket, 'x', keyed)).bytes

  it('a record that was changed after it had been read does not open', async () => {
    await test.put(bucket, 'x', pattern(1_000), { encryption })
    expect(await read()).toEqual(pattern(1_000))
    expect(await read()).toEqual(pattern(1_000))
    const { key, record } = await storedRecord('x')
    const changed = { ...record, etag: { digest: Buffer.alloc(16), partCount: 0 } }
    await test.metadata.commit({
      puts: [{ key, value: test.context.records.seal(key, encodeObjectRecord(changed)) }],
    })
    await expect(read()).rejects.toThrow()
  })
})

it('another key of a client is refused after the right one was taken, for reading and for looking', async () => {
  const rightKey = customerKey(1)
  await test.put(bucket, 'x', pattern(1_000), { encryption: { mode: 'sse-c', customerKey: rightKey } })
  const wrong = { customerKey: customerKey(2) }
  const input = { requester: rootRequester, bucket, name: 'x' }
  for (let time = 0; time < 2; time += 1) {
    expect((await test.engine.headObject({ ...input, customerKey: rightKey })).contentLength).toBe(1_000)
    await expect(test.engine.headObject({ ...input, ...wrong })).rejects.toMatchObject({
      code: 'AccessDenied',
    })
    await expect(test.engine.getObject({ ...input, ...wrong })).rejects.toMatchObject({
      code: 'AccessDenied',
    })
  }
})

it('a key that is locked or taken from its reader opens nothing that it opened before', async () => {
  const requester = { accountId: '222222222222', isRootAccount: false }
  const name = 'shared-key'
  await test.engine.createKey({ requester: rootRequester, name })
  await test.engine.grantKey(name, requester.accountId)
  await test.put(bucket, 'x', pattern(1_000), { encryption: { mode: 'sse-kms', keyId: name } })
  const read = async () => (await test.get(bucket, 'x', { requester })).bytes
  expect(await read()).toEqual(pattern(1_000))
  await test.engine.lockKey(name)
  await expect(read()).rejects.toMatchObject({ code: 'KMS.DisabledException' })
  await test.engine.unlockKey(name)
  expect(await read()).toEqual(pattern(1_000))
  await test.engine.revokeKey(name, requester.accountId)
  await expect(read()).rejects.toMatchObject({ code: 'AccessDenied' })
})
