/**
 * EKs: who may use them, what depends on them, what happens without them.
 *
 * @module
 */

import { DelegatingKms, KeyService, KmsError, MemoryKeyStore } from '@strongroom/kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Attempt, CommitLoop } from './commit-loop.ts'
import type { Bucket } from './contract.ts'
import {
  createTestEngine,
  customerKey,
  otherRequester,
  pattern,
  rootRequester,
  type TestEngine,
} from './engine.fixture.ts'
import { assembleEngine, createContext, createEngine } from './engine.ts'
import { deleteKey } from './key-deletion.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { keyKey, keyNameKey } from './tables.ts'
import { beginUpload, completed } from './uploads.fixture.ts'

let test: TestEngine
let bucket: Bucket

/** Destroys keys and is not heard of again. */
class DyingKms extends DelegatingKms {
  override async deleteKey(name: string): Promise<void> {
    await this.inner.deleteKey(name)
    throw new Error('the power went')
  }
}

/** Commits until a key was marked as being deleted, and not after. */
function failingAfterMark(commits: CommitLoop): CommitLoop {
  let isMarked = false
  return Object.create(commits, {
    run: {
      value: async <T>(attempt: Attempt<T>): Promise<T> => {
        if (isMarked) throw new Error('the power went')
        const result = await commits.run(attempt)
        // The record of the key is there already: the first commit that does anything marks it.
        isMarked = typeof result === 'object' && result !== null && 'keyId' in result
        return result
      },
    },
  }) as CommitLoop
}
beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

const kms = (keyId: string) => ({ encryption: { mode: 'sse-kms', keyId } as const })
const make = (name: string, requester = rootRequester) => test.engine.createKey({ requester, name })
const region = 'arn:aws:kms:us-east-1'

describe('a key id', () => {
  beforeEach(() => make('mine'))

  it.each(['mine', 'arn:aws:kms:mine', `${region}:${rootRequester.accountId}:key/mine`])(
    '%s means the key, and is shown as it was sent',
    async (keyId) => {
      const { encryption } = await test.put(bucket, 'x', 'x', kms(keyId))
      expect(encryption).toEqual({ mode: 'sse-kms', keyId, bucketKeyEnabled: false })
      expect((await test.get(bucket, 'x')).head.encryption).toEqual(encryption)
    },
  )

  it.each([
    ['alias/mine', "Invalid keyId 'alias/mine'"],
    ['', "Invalid keyId ''"],
    ['missing', `Key '${region}:100000000001:key/missing' does not exist`],
    [`${region}:300000000003:key/mine`, `Key '${region}:300000000003:key/mine' does not exist`],
    ['arn:aws:kms:eu-west-1:100000000001:key/mine', 'Invalid arn eu-west-1'],
  ])('%s is answered as AWS does', async (keyId, clientMessage) => {
    const put = test.put(bucket, 'x', 'x', kms(keyId))
    await expect(put).rejects.toMatchObject({ code: 'KMS.NotFoundException', clientMessage })
  })
})

describe('a key of another account', () => {
  beforeEach(() => make('mine'))
  const write = () => test.put(bucket, 'x', 'x', { ...kms('mine'), requester: otherRequester })
  const read = () => test.get(bucket, 'y', { requester: otherRequester })

  it('answers as a missing one, for writes and for reads', async () => {
    await test.put(bucket, 'y', 'y', kms('mine'))
    await expect(write()).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
    await expect(read()).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it('can be used with a grant, until that is taken back', async () => {
    await test.put(bucket, 'y', 'y', kms('mine'))
    expect((await test.engine.grantKey('mine', otherRequester.accountId)).grants).toEqual([otherRequester.accountId])
    await write()
    await read()
    await test.engine.revokeKey('mine', otherRequester.accountId)
    await expect(write()).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
    await expect(read()).rejects.toMatchObject({ code: 'AccessDenied' })
  })

  it("is not kept from anybody if it is the deployment's", async () => {
    await test.put(bucket, 'z', 'z', { encryption: { mode: 'sse-kms' }, requester: otherRequester })
    await test.get(bucket, 'z', { requester: otherRequester })
  })

  it('that was put into the key store from outside belongs to the root account', async () => {
    await test.kms.createKey('moved-in')
    const put = (requester = rootRequester) => test.put(bucket, 'x', 'x', { ...kms('moved-in'), requester })
    await expect(put(otherRequester)).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
    await put()
    expect(await test.engine.describeKey('moved-in')).toMatchObject({ ownerAccountId: rootRequester.accountId })
  })
})

describe('key usage', () => {
  it('is exact by key version and bucket, through overwrites, versions, rotation and deletes', async () => {
    await make('k')
    const versioned = await test.bucket('versioned', 'enabled')
    await test.put(bucket, 'a', pattern(10), kms('k'))
    await test.put(bucket, 'b', pattern(100_000), kms('k'))
    await test.put(versioned, 'v', pattern(7), kms('k'))
    await test.engine.rotateKey('k')
    await test.put(versioned, 'v', pattern(5), kms('k'))
    await test.put(bucket, 'a', pattern(20), kms('k'))
    const none = { uploads: 0, parts: 0, partBytes: 0 }
    const usage = await test.engine.keyUsage('k')
    expect(usage.total).toEqual({ objects: 3, versions: 4, bytes: 100_032, ...none })
    expect(usage.rows).toHaveLength(4)
    expect(usage.rows).toEqual(
      expect.arrayContaining([
        { keyVersion: 1, bucket: 'bucket', objects: 1, versions: 1, bytes: 100_000, ...none },
        { keyVersion: 1, bucket: 'versioned', objects: 0, versions: 1, bytes: 7, ...none },
        { keyVersion: 2, bucket: 'bucket', objects: 1, versions: 1, bytes: 20, ...none },
        { keyVersion: 2, bucket: 'versioned', objects: 1, versions: 1, bytes: 5, ...none },
      ]),
    )
    await expectExactBooks(test)
    await test.engine.deleteObject({ bucket, name: 'a' })
    await test.put(bucket, 'b', '')
    await test.engine.deleteObject({ bucket: versioned, name: 'v' })
    expect((await test.engine.keyUsage('k')).total).toEqual({ objects: 0, versions: 2, bytes: 12, ...none })
    await expectExactBooks(test)
  })

  it('of a key that nothing needs is empty', async () => {
    await make('k')
    expect((await test.engine.keyUsage('k')).rows).toEqual([])
    await expect(test.engine.keyUsage('missing')).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
  })
})

describe('deleting a key', () => {
  beforeEach(() => make('k'))

  it('is refused while anything needs it, says what, and changes nothing', async () => {
    await test.put(bucket, 'x', pattern(9), kms('k'))
    await expect(test.engine.deleteKey('k')).rejects.toMatchObject({
      code: 'KeyInUse',
      clientMessage: expect.stringContaining('1 object versions (9 bytes)'),
    })
    await test.put(bucket, 'y', 'y', kms('k'))
    expect((await test.get(bucket, 'x')).bytes).toEqual(pattern(9))
  })

  it('by force takes a reason, tells what it covered, and leaves listings and deletes working', async () => {
    await test.put(bucket, 'x', pattern(9), kms('k'))
    await expect(test.engine.deleteKey('k', { force: true })).rejects.toMatchObject({ code: 'InvalidRequest' })
    const usage = await test.engine.deleteKey('k', { force: true, reason: 'the customer asked for erasure' })
    expect(usage.total).toMatchObject({ objects: 1, bytes: 9 })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({
      code: 'AccessDenied',
      clientMessage: expect.stringContaining('customer master key that does not exist'),
    })
    await expect(test.put(bucket, 'y', 'y', kms('k'))).rejects.toMatchObject({ code: 'KMS.NotFoundException' })
    expect((await test.engine.headObject({ requester: rootRequester, bucket, name: 'x' })).head.sizeBytes).toBe(9)
    await test.engine.deleteObject({ bucket, name: 'x' })
    await expectExactBooks(test)
  })

  it('frees the name: a new key of this name is another key', async () => {
    await test.put(bucket, 'x', 'x', kms('k'))
    await test.engine.deleteKey('k', { force: true, reason: 'test' })
    await make('k')
    await test.put(bucket, 'y', 'y', kms('k'))
    expect((await test.get(bucket, 'y')).bytes.toString()).toBe('y')
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'AccessDenied' })
    expect((await test.engine.keyUsage('k')).total.objects).toBe(1)
  })

  it('that was cut short after the key was gone: a new key of this name has its own owner, id and dependants', async () => {
    await test.put(bucket, 'x', 'x', kms('k'))
    const { id } = await test.engine.describeKey('k')
    const { context } = test
    const destroyed = new DyingKms(context.kms)
    const dying = { ...context, kms: destroyed, commits: failingAfterMark(context.commits) }
    await expect(deleteKey(dying, 'k', { force: true, reason: 'test' })).rejects.toThrow('the power went')
    expect(await test.engine.createKey({ requester: otherRequester, name: 'k' })).toMatchObject({
      ownerAccountId: otherRequester.accountId,
      state: 'enabled',
    })
    expect((await test.engine.describeKey('k')).id).not.toBe(id)
    await test.put(bucket, 'y', 'y', { ...kms('k'), requester: otherRequester })
    expect((await test.engine.keyUsage('k')).total.objects).toBe(1)
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'AccessDenied' })
    test.clock.nowMs += 3_600_000
    await test.engine.sweep()
    expect((await test.get(bucket, 'y', { requester: otherRequester })).bytes.toString()).toBe('y')
    await expectExactBooks(test)
  })

  it('and writing under it at the same moment: one of them is refused', async () => {
    for (let round = 0; round < 10; round += 1) {
      const name = `race-${round}`
      await make(name)
      const [remove, ...puts] = await Promise.allSettled([
        test.engine.deleteKey(name),
        ...Array.from({ length: 5 }, (_, i) => test.put(bucket, `${name}-${i}`, 'x', kms(name))),
      ])
      const written = puts.filter(({ status }) => status === 'fulfilled').length
      expect(remove?.status === 'fulfilled' && written > 0).toBe(false)
      for (let i = 0; i < 5; i += 1) {
        if (puts[i]?.status === 'fulfilled') await test.get(bucket, `${name}-${i}`)
      }
    }
    await expectExactBooks(test)
  })
})

describe('a locked key', () => {
  it('stops reads and writes at once, listings never, and gives all back', async () => {
    await make('k')
    const sseS3 = { encryption: { mode: 'sse-s3' } } as const
    await test.put(bucket, 'x', 'x', kms('k'))
    await test.put(bucket, 's', 's', sseS3)
    await test.engine.lockKey('k')
    await test.engine.lockKey('deployment-key')
    const disabled = { code: 'KMS.DisabledException', clientMessage: `${region}:100000000001:key/k is disabled.` }
    await expect(test.get(bucket, 'x')).rejects.toMatchObject(disabled)
    await expect(test.put(bucket, 'y', 'y', kms('k'))).rejects.toMatchObject(disabled)
    await expect(test.get(bucket, 's')).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    await expect(test.put(bucket, 't', 't', sseS3)).rejects.toMatchObject({ code: 'KMS.DisabledException' })
    expect((await test.engine.listObjects({ bucket, prefix: '', limit: 10 })).items).toHaveLength(2)
    await test.engine.unlockKey('k')
    await test.engine.unlockKey('deployment-key')
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
    await test.put(bucket, 't', 't', sseS3)
  })
})

describe('without the KMS', () => {
  it('the engine starts, lists and deletes', async () => {
    await test.put(bucket, 'x', 'x')
    const unreachable = () => Promise.reject(new KmsError('unreachable', 'the KMS does not answer'))
    Object.assign(test.kms, { createKey: unreachable, generateDataKey: unreachable, describeKey: unreachable })
    const next = await createEngine(test.options)
    expect((await next.listObjects({ bucket, prefix: '', limit: 9 })).items).toHaveLength(1)
    await next.deleteObject({ bucket, name: 'x' })
    await next.sweep()
    await next.close()
  })

  it('the engine starts beside a damaged record of its default key, whether the KMS has the key or lost it', async () => {
    const named = test.metadata.snapshot()
    const id = await named.get(keyNameKey.encode(test.options.defaultKey))
    named.release()
    const key = keyKey.encode(id?.value ?? Buffer.alloc(16))
    await test.metadata.commit({ puts: [{ key, value: Buffer.from('not a record') }] })
    await (await createEngine(test.options)).close()
    const lost = { ...test.options, kms: new KeyService(new MemoryKeyStore()) }
    const next = await createEngine(lost)
    expect(await next.describeKey(test.options.defaultKey)).toMatchObject({ state: 'enabled' })
    await next.close()
  })

  it('only reading and writing encrypted data fails, and quickly', async () => {
    await test.put(bucket, 'kms', 'x', { encryption: { mode: 'sse-kms' } })
    const { etag } = await test.put(bucket, 's3', 'x', { encryption: { mode: 'sse-s3' } })
    await test.put(bucket, 'c', 'x', { encryption: { mode: 'sse-c', customerKey: customerKey(1) } })
    const unreachable = () => Promise.reject(new KmsError('unreachable', 'the KMS does not answer'))
    Object.assign(test.kms, { generateDataKey: unreachable, decrypt: unreachable, describeKey: unreachable })
    Object.assign(test.kms, { peekState: () => undefined })
    const clientMessage = 'The key service cannot be reached. Please try again.'
    const down = { code: 'ServiceUnavailable', clientMessage, headers: { 'retry-after': '1' } }
    for (const name of ['kms', 's3']) {
      await expect(test.get(bucket, name)).rejects.toMatchObject(down)
      const head = await test.engine.headObject({ requester: rootRequester, bucket, name })
      expect(head.contentLength).toBe(1)
      await test.engine.putTags({ bucket, name, tags: [{ key: 'a', value: 'b' }] })
    }
    await expect(test.put(bucket, 'new', 'x')).rejects.toMatchObject(down)
    await expect(test.put(bucket, 'new', 'x', { encryption: { mode: 'sse-kms' } })).rejects.toMatchObject(down)
    await expect(test.put(bucket, 'new', 'x', kms('never-seen'))).rejects.toMatchObject(down)
    expect((await test.get(bucket, 'c', { customerKey: customerKey(1) })).bytes.toString()).toBe('x')
    const { items } = await test.engine.listObjects({ bucket, prefix: '', limit: 10 })
    expect(items[2]).toMatchObject({ item: { name: 's3', etag } })
    for (const name of ['kms', 's3', 'c']) await test.engine.deleteObject({ bucket, name })
    await test.engine.deleteBucket(bucket)
  })
})

describe('bucket keys', () => {
  it('make one KMS call for many objects, and one for each object without them', async () => {
    let calls = 0
    let descriptions = 0
    const service = new KeyService(new MemoryKeyStore())
    const generate = service.generateDataKey.bind(service)
    service.generateDataKey = (...args) => {
      calls += 1
      return generate(...args)
    }
    const describeKey = service.describeKey.bind(service)
    service.describeKey = (...args) => {
      descriptions += 1
      return describeKey(...args)
    }
    const counted = await createTestEngine({ kms: service })
    try {
      const target = await counted.bucket()
      const putMany = (encryption: Parameters<typeof counted.put>[3]) =>
        Promise.all(Array.from({ length: 20 }, (_, i) => counted.put(target, `${i}`, 'x', encryption)))
      await putMany({ encryption: { mode: 'sse-s3' } })
      expect(calls).toBe(1)
      const before = descriptions
      await putMany({ encryption: { mode: 'sse-s3' } })
      expect([calls, descriptions]).toEqual([1, before])
      // The same key, bucket, context and requester: the same data key.
      await putMany({ encryption: { mode: 'sse-kms', bucketKeyEnabled: true } })
      expect(calls).toBe(1)
      const context = new Map([['team', 'blue']])
      await putMany({ encryption: { mode: 'sse-kms', bucketKeyEnabled: true, context } })
      expect(calls).toBe(2)
      await putMany({ encryption: { mode: 'sse-kms' } })
      expect(calls).toBe(22)
      await counted.engine.rotateKey('deployment-key')
      await putMany({ encryption: { mode: 'sse-s3' } })
      expect(calls).toBe(23)
      counted.clock.nowMs += 300_001
      await putMany({ encryption: { mode: 'sse-s3' } })
      expect(calls).toBe(24)
    } finally {
      await counted.close()
    }
  })
})

describe('an encryption context', () => {
  it('may repeat the ARN that S3 binds itself, and claim no other', async () => {
    const put = (arn: string) =>
      test.put(bucket, 'x', 'x', { encryption: { mode: 'sse-kms', context: new Map([['aws:s3:arn', arn]]) } })
    await expect(put('arn:aws:s3:::bucket/x')).resolves.toBeDefined()
    await expect(put('arn:aws:s3:::bucket/y')).rejects.toMatchObject({ code: 'InvalidArgument' })
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
  })
})

describe('the precedence of encryption settings', () => {
  it("takes the request's, else the bucket's, else the deployment's", async () => {
    await make('of-bucket')
    const rule = { algorithm: 'aws:kms', keyId: 'of-bucket', bucketKeyEnabled: true, blocksSseC: false } as const
    const ruled = await test.engine.changeBucket(bucket, { encryption: rule })
    const modeOf = async (target: Bucket, encryption: Parameters<typeof test.put>[3]) =>
      (await test.put(target, 'x', 'x', encryption)).encryption
    expect(await modeOf(bucket, {})).toEqual({ mode: 'sse-s3' })
    expect(await modeOf(ruled, {})).toEqual({ mode: 'sse-kms', keyId: 'of-bucket', bucketKeyEnabled: true })
    expect(await modeOf(ruled, { encryption: { mode: 'sse-s3' } })).toEqual({ mode: 'sse-s3' })
    // AWS: the request's own `aws:kms` takes nothing but the bucket key setting from the rule.
    expect(await modeOf(ruled, { encryption: { mode: 'sse-kms' } })).toEqual({
      mode: 'sse-kms',
      keyId: 'deployment-key',
      bucketKeyEnabled: true,
    })
  })

  it('an upload that began without encryption takes no part and comes to no object once encryption is required', async () => {
    const lenient = await createTestEngine({ defaultEncryption: 'none' })
    const plain = await lenient.bucket()
    const upload = await beginUpload(lenient, plain, 'x')
    const part = await upload.put(1, pattern(9))
    const context = await createContext({ ...lenient.options, requireEncryption: true })
    const strict = assembleEngine(context)
    try {
      const body = { sizeBytes: 1, content: Buffer.from('x') }
      const target = { ...upload.target, requester: rootRequester }
      const refused = { code: 'AccessDenied' }
      await expect(strict.uploadPart({ ...target, partNumber: 2, body })).rejects.toMatchObject(refused)
      await expect(strict.completeUpload({ ...target, parts: completed([part]) })).rejects.toMatchObject(refused)
      await strict.abortUpload(target)
    } finally {
      await strict.close()
      await lenient.close()
    }
  })

  it('never comes to plaintext where encryption is required', async () => {
    const strict = await createTestEngine({ defaultEncryption: 'none', requireEncryption: true })
    try {
      expect((await strict.put(await strict.bucket(), 'x', 'x')).encryption).toEqual({ mode: 'sse-s3' })
    } finally {
      await strict.close()
    }
  })
})
