/**
 * A process that dies between any two commits of Complete, Abort, a part or a copy (DESIGN 1, promise 2): the next one finds
 * the old state or the new one, finishes what was begun, and after the sweeper nothing is left over.
 *
 * @module
 */

import { type Commit, type CommitResult, MemoryMetadataStore, type Snapshot, StorageError } from '@strongroom/storage'
import { describe, expect, it } from 'vitest'
import type { Bucket, UploadTarget } from './contract.ts'
import { createTestEngine, rootRequester, type TestEngine } from './engine.fixture.ts'
import { EngineError } from './engine-error.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { beginUpload, completed, contentOf, fullPartBytes, type TestUpload } from './uploads.fixture.ts'

/** A process's view of a store, which it can use until it dies. */
class MortalStore extends MemoryMetadataStore {
  readonly #store: MemoryMetadataStore
  /** Commits that it still lives to make. */
  commitsLeft = Number.POSITIVE_INFINITY
  /** Whether the last one takes place, without the process hearing of it. */
  dyingCommits = false

  constructor(store: MemoryMetadataStore) {
    super()
    this.#store = store
  }

  override snapshot(): Snapshot {
    return this.#store.snapshot()
  }

  override async commit(commit: Commit): Promise<CommitResult> {
    this.commitsLeft -= 1
    if (this.commitsLeft >= 0) return this.#store.commit(commit)
    if (this.commitsLeft === -1 && this.dyingCommits) await this.#store.commit(commit)
    throw new StorageError('unavailable', 'the process has died')
  }
}

const parts = [contentOf(fullPartBytes, 1), contentOf(300, 2)] as const
const leftOver = contentOf(400, 3)

/** What is prepared before the process dies. */
interface Scene {
  readonly bucket: Bucket
  readonly upload: TestUpload
  readonly complete: (test: TestEngine) => Promise<unknown>
}

async function prepare(test: TestEngine): Promise<Scene> {
  const bucket = await test.bucket('bucket', 'enabled')
  await test.put(bucket, 'source', contentOf(70_000, 4))
  const upload = await beginUpload(test, bucket, 'target', { mode: 'sse-kms' })
  const uploaded = [await upload.put(1, parts[0]), await upload.put(2, parts[1])] as const
  await upload.put(3, leftOver)
  const target: UploadTarget = upload.target
  return { bucket, upload, complete: ({ engine }) => engine.completeUpload({ ...target, parts: completed(uploaded) }) }
}

const actions: Record<string, (test: TestEngine, scene: Scene) => Promise<unknown>> = {
  complete: (test, scene) => scene.complete(test),
  abort: ({ engine }, { upload }) => engine.abortUpload(upload.target),
  part: ({ engine }, { upload }) =>
    engine.uploadPart({
      ...upload.target,
      partNumber: 2,
      body: { sizeBytes: 300, content: parts[1] },
    }),
  'part copy': ({ engine }, { upload, bucket }) =>
    engine.uploadPartCopy({ ...upload.target, partNumber: 3, source: { bucket, name: 'source' } }),
  copy: ({ engine }, { bucket }) =>
    engine.copyObject({
      requester: rootRequester,
      source: { bucket, name: 'source' },
      bucket,
      name: 'copy',
      encryption: { mode: 'sse-kms' },
    }),
}

const cases = Object.keys(actions).flatMap((action) =>
  [false, true].flatMap((dyingCommits) => [0, 1, 2, 3, 4, 5].map((commits) => ({ action, dyingCommits, commits }))),
)

describe.each(cases)(
  'a process that dies in $action after $commits commits, the next one made: $dyingCommits',
  (each) => {
    it('leaves a state from which all goes on', async () => {
      const store = new MemoryMetadataStore()
      const mortal = new MortalStore(store)
      const first = await createTestEngine({ metadata: mortal, inlineLimitBytes: 350 })
      const scene = await prepare(first)
      await first.engine.idle()
      mortal.commitsLeft = each.commits
      mortal.dyingCommits = each.dyingCommits
      await Promise.allSettled([actions[each.action]?.(first, scene)])
      await first.engine.idle()
      mortal.commitsLeft = 0
      const next = await createTestEngine({ ...first.options, metadata: store })
      await next.engine.sweep()
      await expectExactBooks(next)
      const outcome = await scene.complete(next).then(
        () => 'ok',
        (error: unknown) => (error instanceof EngineError ? error.code : error),
      )
      // Parts may have been sent anew; aborted is aborted.
      const expected = { complete: ['ok'], abort: ['ok', 'NoSuchUpload'], part: ['ok', 'InvalidPart'] }[each.action]
      expect(expected ?? ['ok']).toContain(outcome)
      if (outcome === 'ok') {
        const { bytes } = await next.get(scene.bucket, 'target')
        expect(bytes.equals(Buffer.concat(parts))).toBe(true)
        const { items } = await next.engine.listVersions({ bucket: scene.bucket, prefix: 'target', limit: 9 })
        expect(items).toHaveLength(1)
      }
      if (outcome === 'InvalidPart') await next.engine.abortUpload(scene.upload.target)
      await expectExactBooks(next)
      expect((await next.engine.keyUsage('deployment-key')).total).toMatchObject({ uploads: 0, parts: 0 })
      await next.close()
    })
  },
)
