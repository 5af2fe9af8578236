/**
 * A KMS that takes its time holds up what waits for it, and nothing else.
 *
 * @module
 */

import { DelegatingKms, KeyService, type KmsCallOptions, MemoryKeyStore } from '@strongroom/kms'
import { MemoryMetadataStore, type Snapshot } from '@strongroom/storage'
import { describe, expect, it } from 'vitest'
import { createTestEngine, pattern, rootRequester } from './engine.fixture.ts'
import { beginUpload, uploadObject } from './uploads.fixture.ts'

/** A store that counts its open snapshots. */
class CountingStore extends MemoryMetadataStore {
  open = 0

  override snapshot(): Snapshot {
    const snapshot = super.snapshot()
    const release = snapshot.release.bind(snapshot)
    this.open += 1
    snapshot.release = () => {
      this.open -= 1
      release()
    }
    return snapshot
  }
}

/** Answers when it is told to. */
class SlowKms extends DelegatingKms {
  waiting = 0
  isSlow = false
  #answer = () => {}
  readonly #answered = new Promise<void>((resolve) => {
    this.#answer = resolve
  })

  answer(): void {
    this.isSlow = false
    this.#answer()
  }

  protected override async call<T, O extends KmsCallOptions>(
    _operation: string,
    _name: string,
    options: O | undefined,
    run: (options: O | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.isSlow) {
      this.waiting += 1
      await this.#answered
    }
    return run(options)
  }
}

describe('a KMS that takes its time', () => {
  it('holds up what needs it, and no snapshot: of those there are fewer than requests', async () => {
    const metadata = new CountingStore()
    const slow = new SlowKms(new KeyService(new MemoryKeyStore()))
    const waits = await createTestEngine({ metadata, kms: slow })
    try {
      const place = await waits.bucket()
      for (const [name, size] of Object.entries({ small: 10, large: 200_000 }))
        await waits.put(place, name, pattern(size))
      await uploadObject(waits, place, 'multipart', [pattern(20)])
      const [first, second] = [await beginUpload(waits, place, 'a'), await beginUpload(waits, place, 'b')]
      const part = await second.put(1, pattern(30))
      slow.isSlow = true
      const running = Promise.all([
        waits.get(place, 'small'),
        waits.get(place, 'large'),
        waits.get(place, 'multipart'),
        first.put(1, pattern(5)),
        second.complete([part]),
      ])
      await expect.poll(() => slow.waiting).toBe(5)
      expect(metadata.open).toBe(0)
      slow.answer()
      const [small, large, multipart] = await running
      const sizes = [small, large, multipart].map(({ bytes }) => bytes.length)
      expect(sizes).toEqual([10, 200_000, 20])
      expect((await waits.get(place, 'b')).bytes).toEqual(pattern(30))
    } finally {
      await waits.close()
    }
  })

  it('holds up two hundred copies of every kind, and no snapshot', async () => {
    const metadata = new CountingStore()
    const slow = new SlowKms(new KeyService(new MemoryKeyStore()))
    const waits = await createTestEngine({ metadata, kms: slow })
    try {
      const place = await waits.bucket()
      const dual = { encryption: { mode: 'dsse-kms' } } as const
      await waits.put(place, 'shared', pattern(20_000), { encryption: { mode: 'sse-kms' } })
      await waits.put(place, 'read', pattern(20_000), dual)
      const uploads = await Promise.all(Array.from({ length: 50 }, (_, i) => beginUpload(waits, place, `part-${i}`)))
      slow.isSlow = true
      const running = uploads.flatMap(({ target }, i) => [
        ...['shared', 'read'].flatMap((name) => [
          waits.engine.copyObject({
            requester: rootRequester,
            source: { bucket: place, name },
            bucket: place,
            name: `${name}-${i}`,
            encryption: { mode: 'sse-kms' },
          }),
        ]),
        ...['shared', 'read'].map((name) =>
          waits.engine.uploadPartCopy({ ...target, partNumber: 1, source: { bucket: place, name } }),
        ),
      ])
      const all = Promise.all(running)
      await expect.poll(() => slow.waiting).toBe(200)
      expect(metadata.open).toBe(0)
      slow.answer()
      expect((await all).map(({ sizeBytes }) => sizeBytes)).toEqual(running.map(() => 20_000))
      expect((await waits.get(place, 'read-7')).bytes.equals(pattern(20_000))).toBe(true)
      expect((await waits.get(place, 'shared-7')).bytes.equals(pattern(20_000))).toBe(true)
    } finally {
      await waits.close()
    }
  })
})
