/**
 * Buckets: names, owners, settings, and deleting them while others write.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestEngine, otherRequester, rootRequester, type TestEngine } from './engine.fixture.ts'
import { expectExactBooks } from './recount.fixture.ts'

let test: TestEngine
beforeEach(async () => {
  test = await createTestEngine()
})
afterEach(() => test.close())

describe('creating a bucket', () => {
  it('says who has the name already', async () => {
    await test.bucket('taken')
    const create = (requester = rootRequester) => test.engine.createBucket({ requester, name: 'taken' })
    await expect(create()).rejects.toMatchObject({ code: 'BucketAlreadyOwnedByYou' })
    await expect(create(otherRequester)).rejects.toMatchObject({ code: 'BucketAlreadyExists' })
  })

  it('makes it with its settings in one commit, or not at all', async () => {
    const tags = Array.from({ length: 50 }, (_, i) => ({ key: `key-${i}`, value: 'v'.repeat(256) }))
    let commits = 0
    const commit = test.metadata.commit.bind(test.metadata)
    test.metadata.commit = (what) => {
      commits += 1
      return commit(what)
    }
    const settings = { objectOwnership: 'BucketOwnerEnforced', tags } as const
    const made = await test.engine.createBucket({ requester: rootRequester, name: 'whole', ...settings })
    expect(commits).toBe(1)
    expect(made).toMatchObject(settings)
    expect(await test.engine.bucket('whole')).toMatchObject(settings)
  })

  it('has one winner among many', async () => {
    const creates = Array.from({ length: 20 }, () => test.engine.createBucket({ requester: rootRequester, name: 'b' }))
    const outcomes = await Promise.allSettled(creates)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('listing buckets', () => {
  it('shows those of the account, by name, in pages', async () => {
    for (const name of ['b', 'a', 'ab', 'c', 'ac']) await test.bucket(name)
    await test.engine.createBucket({ requester: otherRequester, name: 'aa' })
    const list = async (rest: object) => {
      const page = await test.engine.listBuckets({ accountId: rootRequester.accountId, limit: 10, ...rest })
      return [page.buckets.map(({ name }) => name).join(' '), page.truncated]
    }
    expect(await list({})).toEqual(['a ab ac b c', false])
    expect(await list({ limit: 2 })).toEqual(['a ab', true])
    expect(await list({ limit: 3, after: 'ab' })).toEqual(['ac b c', false])
    expect(await list({ prefix: 'a', after: 'a' })).toEqual(['ab ac', false])
    expect(await list({ prefix: 'a', after: 'b' })).toEqual(['', false])
    expect(await list({ prefix: 'b', after: 'a' })).toEqual(['b', false])
  })
})

describe('changing a bucket', () => {
  it('keeps what other changes did meanwhile', async () => {
    const bucket = await test.bucket()
    const encryption = { algorithm: 'AES256', bucketKeyEnabled: false, blocksSseC: true } as const
    const tags = [{ key: 'k', value: 'v' }]
    await Promise.all([
      test.engine.changeBucket(bucket, { versioning: 'enabled' }),
      test.engine.changeBucket(bucket, { encryption }),
      test.engine.changeBucket(bucket, { tags }),
    ])
    expect(await test.engine.bucket('bucket')).toMatchObject({ versioning: 'enabled', encryption, tags })
    await test.engine.changeBucket(bucket, { encryption: undefined })
    await test.engine.changeBucket(bucket, { tags: undefined })
    const bare = await test.engine.bucket('bucket')
    expect([bare.encryption, bare.tags, bare.versioning]).toEqual([undefined, undefined, 'enabled'])
  })

  it('never writes a default key that it could not read again', async () => {
    const bucket = await test.bucket()
    const rule = { algorithm: 'aws:kms', bucketKeyEnabled: false, blocksSseC: false } as const
    await test.engine.changeBucket(bucket, { encryption: { ...rule, keyId: 'k'.repeat(2_048) } })
    const longer = test.engine.changeBucket(bucket, { encryption: { ...rule, keyId: 'k'.repeat(2_049) } })
    await expect(longer).rejects.toMatchObject({ code: 'invalid' })
    expect((await test.engine.bucket('bucket')).encryption?.keyId).toHaveLength(2_048)
  })

  it('keeps tags that outgrow its record, and removes them with it', async () => {
    const bucket = await test.bucket()
    const tags = Array.from({ length: 50 }, (_, i) => ({ key: `${i}`, value: '\u20ac'.repeat(256) }))
    expect((await test.engine.changeBucket(bucket, { tags })).tags).toEqual(tags)
    await test.engine.changeBucket(bucket, { versioning: 'enabled' })
    expect((await test.engine.bucket('bucket')).tags).toEqual(tags)
    await test.engine.changeBucket(bucket, { tags: tags.slice(1) })
    await test.engine.deleteBucket(bucket)
    await expectExactBooks(test)
  })
})

describe('deleting a bucket', () => {
  it('is refused while anything is in it: an object, a delete marker, an upload', async () => {
    const bucket = await test.bucket('b', 'enabled')
    const refused = () => expect(test.engine.deleteBucket(bucket)).rejects.toMatchObject({ code: 'BucketNotEmpty' })
    const { versionId } = await test.put(bucket, 'x', 'x')
    await refused()
    const marker = await test.engine.deleteObject({ bucket, name: 'x' })
    await refused()
    for (const id of [versionId, marker.versionId]) {
      if (id !== undefined) await test.engine.deleteObject({ bucket, name: 'x', versionId: id })
    }
    await test.engine.deleteBucket(bucket)
    await expect(test.engine.bucket('b')).rejects.toMatchObject({ code: 'NoSuchBucket' })
    await expect(test.engine.deleteBucket(bucket)).rejects.toMatchObject({ code: 'NoSuchBucket' })
  })

  it('shares nothing with a bucket that is made under its name later', async () => {
    const first = await test.bucket()
    await test.engine.deleteBucket(first)
    const second = await test.bucket()
    await expect(test.put(first, 'x', 'x')).rejects.toMatchObject({ code: 'NoSuchBucket' })
    expect(second.id).not.toBe(first.id)
    expect((await test.engine.bucket('bucket')).id).toBe(second.id)
  })

  it('and writing into it at the same moment: no write is acknowledged that is then lost', async () => {
    for (let round = 0; round < 20; round += 1) {
      const name = `race-${round}`
      const bucket = await test.bucket(name)
      const [remove, ...puts] = await Promise.allSettled([
        test.engine.deleteBucket(bucket),
        ...Array.from({ length: 5 }, (_, i) => test.put(bucket, `${i}`, 'x')),
      ])
      const written = puts.filter(({ status }) => status === 'fulfilled').length
      expect(remove?.status === 'fulfilled' && written > 0).toBe(false)
      for (const put of puts) {
        if (put.status === 'rejected') {
          expect(put.reason).toMatchObject({ code: expect.stringMatching(/^(NoSuchBucket|OperationAborted)$/) })
        }
      }
    }
    await expectExactBooks(test)
  })

  it('that was cut short counts for nothing after a while', async () => {
    const bucket = await test.bucket()
    const commit = test.metadata.commit.bind(test.metadata)
    let commits = 0
    test.metadata.commit = (change) => {
      commits += 1
      return commits === 1 ? commit(change) : Promise.reject(new Error('the process is gone'))
    }
    await expect(test.engine.deleteBucket(bucket)).rejects.toThrow('the process is gone')
    test.metadata.commit = commit
    await expect(test.put(bucket, 'x', 'x')).rejects.toMatchObject({ code: 'OperationAborted' })
    test.clock.nowMs += 61_000
    await test.put(bucket, 'x', 'x')
    await expect(test.engine.deleteBucket(bucket)).rejects.toMatchObject({ code: 'BucketNotEmpty' })
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
  })
})
