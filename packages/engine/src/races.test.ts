/**
 * Operations that meet: Complete, Abort and parts of one upload; copies and the end of their source. Whoever wins, nothing
 * is lost and nothing stays behind. The stores answer in ever other orders.
 *
 * @module
 */

import { JitteryMetadataStore } from '@strongroom/storage'
import { afterEach, describe, expect, it } from 'vitest'
import { createTestEngine, customerKey, rootRequester, type TestEngine } from './engine.fixture.ts'
import { EngineError } from './engine-error.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { beginUpload, completed, contentOf, uploadObject } from './uploads.fixture.ts'

const seeds = Array.from({ length: 12 }, (_, seed) => seed * 7_919 + 1)
let test: TestEngine

async function engineWith(seed: number): Promise<void> {
  // Nearly everything into files, for those are what may be left behind.
  test = await createTestEngine({ metadata: new JitteryMetadataStore(seed), inlineLimitBytes: 60 })
}
afterEach(async () => {
  await expectExactBooks(test)
  await test.close()
})

/** What became of operations that ran side by side: `ok`, or the code of the error. */
async function outcomes(running: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(running)
  return settled.map((result) => {
    if (result.status === 'fulfilled') return 'ok'
    if (result.reason instanceof EngineError) return result.reason.code
    throw result.reason
  })
}

describe.each(seeds)('with seed %i', (seed) => {
  it('Complete and Abort: exactly one of them happens', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(100))
    const abort = async () => {
      // Complete asks the KMS first: a head start, so that either may win.
      for (let turn = seed % 24; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve))
      await test.engine.abortUpload(upload.target)
    }
    const [complete, aborted] = await outcomes([upload.complete([part]), abort()])
    expect([complete, aborted]).toSatisfy(
      ([one, two]) => (one === 'ok' && two === 'NoSuchUpload') || (one === 'NoSuchUpload' && two === 'ok'),
    )
    const read = await outcomes([test.get(bucket, 'a')])
    expect(read).toEqual([complete === 'ok' ? 'ok' : 'NoSuchKey'])
  })

  it('Complete and a part sent again: the object has the one or the other, whole', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(100, 1))
    const [complete, again] = await outcomes([upload.complete([part]), upload.put(1, contentOf(100, 2))])
    expect(['ok', 'InvalidPart']).toContain(complete)
    expect(['ok', 'NoSuchUpload', 'OperationAborted']).toContain(again)
    if (complete === 'ok') {
      expect(again).not.toBe('ok')
      expect((await test.get(bucket, 'a')).bytes.equals(contentOf(100, 1))).toBe(true)
      return
    }
    expect(again).toBe('ok')
    const { parts } = await test.engine.listParts({ ...upload.target, after: 0, limit: 9 })
    await test.engine.completeUpload({ ...upload.target, parts: completed(parts) })
    expect((await test.get(bucket, 'a')).bytes.equals(contentOf(100, 2))).toBe(true)
  })

  it('Abort and many parts: none stays', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const upload = await beginUpload(test, bucket, 'a')
    const puts = [1, 2, 3, 4, 2, 1].map((number, index) => upload.put(number, contentOf(100 + index)))
    const [abort] = await outcomes([test.engine.abortUpload(upload.target), ...puts])
    expect(abort).toBe('ok')
    await test.engine.idle()
    expect((await test.engine.keyUsage('deployment-key')).total).toMatchObject({ uploads: 0, parts: 0, partBytes: 0 })
    await test.engine.deleteBucket(bucket)
  })

  it('one part sent by many: the last one stands, the others are gone', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const upload = await beginUpload(test, bucket, 'a')
    const contents = [1, 2, 3, 4, 5].map((each) => contentOf(200, each))
    const results = await outcomes(contents.map((content) => upload.put(1, content)))
    expect(new Set(results)).toEqual(new Set(['ok']))
    const { parts } = await test.engine.listParts({ ...upload.target, after: 0, limit: 9 })
    await test.engine.completeUpload({ ...upload.target, parts: completed(parts) })
    const { bytes } = await test.get(bucket, 'a')
    expect(contents.filter((content) => content.equals(bytes))).toHaveLength(1)
  })

  it('many Completes of one upload: all succeed, with one version', async () => {
    await engineWith(seed)
    const bucket = await test.bucket('versioned', 'enabled')
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(100))
    const results = await outcomes([1, 2, 3, 4].map(() => upload.complete([part])))
    expect(results).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect((await test.engine.listVersions({ bucket, prefix: '', limit: 9 })).items).toHaveLength(1)
  })

  it('a copy and the deletion or the overwriting of its source: the copy is whole, or there is none', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const contents = [contentOf(500, 1), contentOf(500, 2)]
    for (const isMultipart of [false, true]) {
      const encryption = { mode: 'sse-c', customerKey: customerKey(3) } as const
      if (isMultipart) await uploadObject(test, bucket, 'source', contents.slice(0, 1), encryption)
      else await test.put(bucket, 'source', contents[0] ?? '', { encryption })
      const source = { bucket, name: 'source', customerKey: customerKey(3) }
      const copy = (name: string) =>
        test.engine.copyObject({ requester: rootRequester, source, bucket, name, encryption: { mode: 'sse-kms' } })
      const [one, two] = await outcomes([
        copy('one'),
        copy('two'),
        test.put(bucket, 'source', contents[1] ?? '', { encryption }),
        test.engine.deleteObject({ bucket, name: 'source' }),
      ])
      for (const [name, outcome] of [
        ['one', one],
        ['two', two],
      ] as const) {
        expect(['ok', 'NoSuchKey']).toContain(outcome)
        if (outcome !== 'ok') continue
        const { bytes } = await test.get(bucket, name)
        expect(contents.some((content) => content.equals(bytes))).toBe(true)
        await test.engine.deleteObject({ bucket, name })
      }
    }
  })

  it('copies of two objects onto each other: both are whole', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const contents = [contentOf(500, 1), contentOf(600, 2)]
    await test.put(bucket, 'x', contents[0] ?? '')
    await test.put(bucket, 'y', contents[1] ?? '')
    const copy = (from: string, to: string) =>
      test.engine.copyObject({
        requester: rootRequester,
        source: { bucket, name: from },
        bucket,
        name: to,
        encryption: { mode: 'default' },
      })
    expect(await outcomes([copy('x', 'y'), copy('y', 'x'), copy('x', 'y')])).toEqual(['ok', 'ok', 'ok'])
    for (const name of ['x', 'y']) {
      const { bytes } = await test.get(bucket, name)
      expect(contents.some((content) => content.equals(bytes))).toBe(true)
    }
  })

  it('a part copy and the end of its upload and its source', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    await test.put(bucket, 'source', contentOf(500, 1))
    const upload = await beginUpload(test, bucket, 'a')
    const part = await upload.put(1, contentOf(100, 2))
    const source = { bucket, name: 'source' }
    const [copied, complete] = await outcomes([
      test.engine.uploadPartCopy({ ...upload.target, partNumber: 2, source }),
      upload.complete([part]),
      test.engine.deleteObject({ bucket, name: 'source' }),
    ])
    expect(complete).toBe('ok')
    expect(['ok', 'NoSuchKey', 'NoSuchUpload', 'OperationAborted']).toContain(copied)
    expect((await test.get(bucket, 'a')).bytes.equals(contentOf(100, 2))).toBe(true)
  })

  it('uploads and the deletion of their bucket: the bucket goes, or the upload is there', async () => {
    await engineWith(seed)
    const bucket = await test.bucket()
    const [deleted, begun] = await outcomes([test.engine.deleteBucket(bucket), beginUpload(test, bucket, 'a')])
    if (deleted === 'ok') expect(['NoSuchBucket', 'OperationAborted']).toContain(begun)
    else expect([deleted, begun]).toEqual(['BucketNotEmpty', 'ok'])
  })
})
