/**
 * Whatever is put, copied, uploaded and deleted, side by side and in whatever order: counters, key index and reference counts
 * are what the records call for, everything that is listed can be read, and when all is deleted nothing is left.
 *
 * @module
 */

import { JitteryMetadataStore } from '@strongroom/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bucket, EncryptionRequest, UploadTarget } from './contract.ts'
import { createTestEngine, rootRequester, type TestEngine } from './engine.fixture.ts'
import { EngineError } from './engine-error.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { blobKey, dataKey, manifestKey, partKey, rangeOf, tableKey } from './tables.ts'
import { completed, contentOf, fullPartBytes } from './uploads.fixture.ts'

const bucketIndex = fc.nat(1)
const name = fc.constantFrom('a', 'b', 'big')
const mode = fc.constantFrom<EncryptionRequest>(
  { mode: 'sse-s3' },
  { mode: 'sse-kms' },
  { mode: 'sse-kms', keyId: 'other' },
)
const size = fc.constantFrom(0, 20, 200)
const pick = fc.nat(9)
const number = fc.integer({ min: 1, max: 3 })

const operation = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), bucket: bucketIndex, name, mode, size }),
  fc.record({ kind: fc.constant('delete' as const), bucket: bucketIndex, name, pick }),
  fc.record({
    kind: fc.constant('copy' as const),
    from: bucketIndex,
    source: name,
    bucket: bucketIndex,
    name,
    mode,
  }),
  fc.record({ kind: fc.constant('begin' as const), bucket: bucketIndex, name, mode }),
  fc.record({ kind: fc.constant('part' as const), pick, number, size }),
  fc.record({ kind: fc.constant('part-copy' as const), pick, number, from: bucketIndex, source: name }),
  fc.record({ kind: fc.constant('complete' as const), pick }),
  fc.record({ kind: fc.constant('abort' as const), pick }),
)
type Operation = typeof operation extends fc.Arbitrary<infer O> ? O : never

/** What may become of an operation that others get in the way of. */
const expectedCodes = new Set([
  'NoSuchKey',
  'NoSuchUpload',
  'OperationAborted',
  'InvalidPart',
  'EntityTooSmall',
  'InvalidRequest',
])

class Run {
  readonly test: TestEngine
  readonly buckets: readonly Bucket[]
  readonly #uploads: UploadTarget[] = []

  constructor(test: TestEngine, buckets: readonly Bucket[]) {
    this.test = test
    this.buckets = buckets
  }

  /** Runs a batch side by side. */
  async batch(operations: readonly Operation[]): Promise<void> {
    const settled = await Promise.allSettled(operations.map((each) => this.#run(each)))
    for (const result of settled) {
      if (result.status === 'fulfilled') continue
      const isExpected = result.reason instanceof EngineError && expectedCodes.has(result.reason.code)
      if (!isExpected) throw result.reason
    }
  }

  bucketAt(index: number): Bucket {
    const bucket = this.buckets[index]
    if (!bucket) throw new Error('no such bucket')
    return bucket
  }

  async #run(step: Operation): Promise<unknown> {
    const { engine } = this.test
    switch (step.kind) {
      case 'put':
        return this.test.put(this.bucketAt(step.bucket), step.name, contentOf(step.size), { encryption: step.mode })
      case 'delete':
        return this.#delete(this.bucketAt(step.bucket), step.name, step.pick)
      case 'copy': {
        const source = { bucket: this.bucketAt(step.from), name: step.source }
        const bucket = this.bucketAt(step.bucket)
        return engine.copyObject({ requester: rootRequester, source, bucket, name: step.name, encryption: step.mode })
      }
      case 'begin': {
        const place = { requester: rootRequester, bucket: this.bucketAt(step.bucket), name: step.name }
        const metadata = { userMetadata: new Map() }
        const { uploadId } = await engine.createUpload({ ...place, encryption: step.mode, metadata })
        return this.#uploads.push({ ...place, uploadId })
      }
      default:
        return this.#runOnUpload(step)
    }
  }

  async #runOnUpload(step: Extract<Operation, { kind: 'part' | 'part-copy' | 'complete' | 'abort' }>) {
    const { engine } = this.test
    const target = this.#uploads[step.pick % Math.max(this.#uploads.length, 1)]
    if (!target) return
    switch (step.kind) {
      case 'part': {
        const content = contentOf(step.size)
        return engine.uploadPart({ ...target, partNumber: step.number, body: { sizeBytes: step.size, content } })
      }
      case 'part-copy': {
        const source = { bucket: this.bucketAt(step.from), name: step.source }
        return engine.uploadPartCopy({ ...target, partNumber: step.number, source })
      }
      case 'complete': {
        const { parts } = await engine.listParts({ ...target, after: 0, limit: 9 })
        // A part too small to stand in the middle is left out: it has to be given back.
        const fitting = parts.filter((part, index) => part.sizeBytes >= fullPartBytes || index === parts.length - 1)
        if (fitting.length > 0) return engine.completeUpload({ ...target, parts: completed(fitting) })
        return undefined
      }
      default:
        return engine.abortUpload(target)
    }
  }

  async #delete(bucket: Bucket, objectName: string, index: number): Promise<unknown> {
    const { items } = await this.test.engine.listVersions({ bucket, prefix: objectName, limit: 10 })
    const listed = items[index]
    const versionId = listed?.kind === 'item' ? { versionId: listed.item.versionId } : {}
    return this.test.engine.deleteObject({ bucket, name: objectName, ...versionId })
  }

  /** Reads all that is listed. */
  async readAll(): Promise<void> {
    for (const bucket of this.buckets) {
      const { items } = await this.test.engine.listVersions({ bucket, prefix: '', limit: 1_000 })
      for (const listed of items) {
        if (listed.kind !== 'item' || listed.item.deleteMarker) continue
        const { name: objectName, versionId, sizeBytes } = listed.item
        const { bytes } = await this.test.get(bucket, objectName, { versionId })
        expect(bytes).toHaveLength(sizeBytes)
      }
    }
  }

  async deleteAll(): Promise<void> {
    for (const bucket of this.buckets) {
      const { items } = await this.test.engine.listVersions({ bucket, prefix: '', limit: 1_000 })
      for (const listed of items) {
        if (listed.kind !== 'item') continue
        const { name: objectName, versionId } = listed.item
        await this.test.engine.deleteObject({ bucket, name: objectName, versionId })
      }
    }
    for (const target of this.#uploads) {
      await this.test.engine.abortUpload(target).catch((error: unknown) => {
        if (!(error instanceof EngineError) || error.code !== 'NoSuchUpload') throw error
      })
    }
  }
}

describe('the engine', () => {
  it('keeps exact books, whatever happens side by side', async () => {
    const batches = fc.array(fc.array(operation, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(fc.nat(), batches, async (seed, all) => {
        const metadata = new JitteryMetadataStore(seed)
        const test = await createTestEngine({ metadata, inlineLimitBytes: 100 })
        const { engine } = test
        await engine.createKey({ requester: rootRequester, name: 'other' })
        const run = new Run(test, [await test.bucket('plain'), await test.bucket('versioned', 'enabled')])
        const big = { encryption: { mode: 'sse-kms' } } as const
        for (const bucket of run.buckets) await test.put(bucket, 'big', contentOf(fullPartBytes), big)
        for (const batch of all) await run.batch(batch)
        await expectExactBooks(test)
        await run.readAll()
        await run.deleteAll()
        await expectExactBooks(test)
        metadata.isCalm = true
        await expectNothingLeft(test)
        for (const bucket of run.buckets) await engine.deleteBucket(bucket)
        for (const key of ['deployment-key', 'other']) {
          const { total } = await engine.keyUsage(key)
          expect(Object.values(total)).toEqual([0, 0, 0, 0, 0, 0])
        }
        await test.close()
      }),
      { numRuns: 20 },
    )
  }, 180_000)
})

async function expectNothingLeft({ metadata, blobs }: TestEngine): Promise<void> {
  const snapshot = metadata.snapshot()
  try {
    for (const table of [dataKey, blobKey, tableKey, manifestKey, partKey]) {
      expect(await snapshot.list({ ...rangeOf(Buffer.of(table.tag)), limit: 1 })).toEqual([])
    }
  } finally {
    snapshot.release()
  }
  for await (const session of blobs.sessions()) expect(session).toBe('no session has blobs')
}
