/**
 * Versioning against a model: whatever is put, deleted and switched, every version reads as the model says, and the books
 * are exact.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { createTestEngine, pattern, rootRequester, type TestEngine } from './engine.fixture.ts'
import { expectExactBooks } from './recount.fixture.ts'

interface ModelVersion {
  readonly id: string
  /** Undefined: a delete marker. */
  readonly content: Buffer | undefined
  tags: number
}

type Step =
  | { readonly kind: 'put'; readonly name: string; readonly size: number }
  | { readonly kind: 'delete'; readonly name: string }
  | { readonly kind: 'delete-version'; readonly name: string; readonly pick: number }
  | { readonly kind: 'tag'; readonly name: string; readonly pick: number }
  | { readonly kind: 'switch'; readonly to: 'enabled' | 'suspended' }
  | { readonly kind: 'clock'; readonly byMs: number }

const names = fc.constantFrom('a', 'a\0b', 'ü/')
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('put' as const), name: names, size: fc.constantFrom(0, 5, 9_000) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: names }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete-version' as const), name: names, pick: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('tag' as const), name: names, pick: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('switch' as const),
        to: fc.constantFrom('enabled' as const, 'suspended' as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('clock' as const), byMs: fc.integer({ min: -5_000, max: 5_000 }) }),
    },
  ),
  { minLength: 1, maxLength: 30 },
)

/** Applies steps to the engine and to the model side by side. */
class Run {
  readonly #test: TestEngine
  #bucket: Bucket
  /** Newest first. */
  readonly #model = new Map<string, ModelVersion[]>()
  #count = 0
  readonly #given = new Set<string>()

  constructor(test: TestEngine, bucket: Bucket) {
    this.#test = test
    this.#bucket = bucket
  }

  async apply(step: Step): Promise<void> {
    const { engine, clock } = this.#test
    if (step.kind === 'clock') clock.nowMs += step.byMs
    else if (step.kind === 'switch') this.#bucket = await engine.changeBucket(this.#bucket, { versioning: step.to })
    else if (step.kind === 'put') await this.#put(step.name, step.size)
    else if (step.kind === 'delete') await this.#delete(step.name)
    else if (step.kind === 'delete-version') await this.#deleteVersion(step.name, step.pick)
    else await this.#tag(step.name, step.pick)
  }

  #versions(name: string): ModelVersion[] {
    const versions = this.#model.get(name) ?? []
    this.#model.set(name, versions)
    return versions
  }

  #add(name: string, version: ModelVersion): void {
    if (version.id !== 'null') {
      // Per name; an id that was given out once never means another version, deleted or not.
      expect(this.#given.has(`${name}/${version.id}`)).toBe(false)
      this.#given.add(`${name}/${version.id}`)
    }
    const versions = this.#versions(name)
    const old = versions.findIndex(({ id }) => id === version.id)
    if (version.id === 'null' && old >= 0) versions.splice(old, 1)
    versions.unshift(version)
  }

  async #put(name: string, size: number): Promise<void> {
    this.#count += 1
    const content = Buffer.concat([Buffer.from(`${this.#count}:`), pattern(size)])
    const written = await this.#test.put(this.#bucket, name, size === 0 ? '' : content)
    const { versioning } = this.#bucket
    expect(written.versionId === undefined).toBe(versioning === 'unset')
    if (versioning === 'suspended') expect(written.versionId).toBe('null')
    this.#add(name, { id: written.versionId ?? 'null', content: size === 0 ? Buffer.alloc(0) : content, tags: 0 })
  }

  async #delete(name: string): Promise<void> {
    const { versioning } = this.#bucket
    const deleted = await this.#test.engine.deleteObject({ bucket: this.#bucket, name })
    if (versioning === 'unset') this.#model.set(name, [])
    else this.#add(name, { id: deleted.versionId ?? '', content: undefined, tags: 0 })
    expect(deleted.deleteMarker).toBe(versioning !== 'unset')
  }

  async #deleteVersion(name: string, pick: number): Promise<void> {
    const versions = this.#versions(name)
    const [picked] = versions.splice(pick, 1)
    const versionId = picked?.id ?? '0000000000000001'
    const deleted = await this.#test.engine.deleteObject({ bucket: this.#bucket, name, versionId })
    expect(deleted).toEqual({ versionId, deleteMarker: picked !== undefined && picked.content === undefined })
  }

  async #tag(name: string, pick: number): Promise<void> {
    const version = this.#versions(name)[pick]
    if (!version?.content) return
    version.tags += 1
    // Large enough to outgrow the record.
    const tags = Array.from({ length: version.tags % 11 }, (_, i) => ({ key: `${i}`, value: '\u20ac'.repeat(256) }))
    await this.#test.engine.putTags({ bucket: this.#bucket, name, versionId: version.id, tags })
  }

  async check(): Promise<void> {
    const { engine } = this.#test
    for (const [name, versions] of this.#model) {
      const [current] = versions
      if (current?.content) expect((await this.#test.get(this.#bucket, name)).bytes).toEqual(current.content)
      else await expect(this.#test.get(this.#bucket, name)).rejects.toMatchObject({ code: 'NoSuchKey' })
      for (const { id, content, tags } of versions) {
        const read = this.#test.get(this.#bucket, name, { versionId: id })
        if (content === undefined) {
          await expect(read).rejects.toMatchObject({ code: 'MethodNotAllowed' })
          continue
        }
        const { bytes, head } = await read
        expect(bytes).toEqual(content)
        expect(head.tagCount).toBe(tags % 11)
      }
      const ids = versions.map(({ id }) => id)
      if (!ids.includes('null')) {
        const missing = engine.headObject({ requester: rootRequester, bucket: this.#bucket, name, versionId: 'null' })
        await expect(missing).rejects.toMatchObject({ code: 'NoSuchVersion' })
      }
    }
    const listed = await engine.listVersions({ bucket: this.#bucket, prefix: '', limit: 1_000 })
    const shown = listed.items.map((item) =>
      item.kind === 'item' ? [item.item.name, item.item.versionId, item.item.isLatest, item.item.deleteMarker] : [],
    )
    const names = [...this.#model.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const wanted = names.flatMap((name) =>
      this.#versions(name).map(({ id, content }, index) => [name, id, index === 0, content === undefined]),
    )
    expect(shown).toEqual(wanted)
    await expectExactBooks(this.#test)
  }

  /** Deletes every version of every name. */
  async empty(): Promise<void> {
    for (const [name, versions] of this.#model) {
      for (const { id } of versions) await this.#test.engine.deleteObject({ bucket: this.#bucket, name, versionId: id })
    }
    await this.#test.engine.deleteBucket(this.#bucket)
    await expectExactBooks(this.#test)
  }
}

describe('a bucket whose versioning changes', () => {
  it('gives a version an id that no deleted one had, also at the same moment or after the clock went back', async () => {
    const test = await createTestEngine()
    try {
      const bucket = await test.bucket('bucket', 'enabled')
      const ids = new Set<string | undefined>()
      for (const byMs of [0, 0, -5_000, 5_000]) {
        test.clock.nowMs += byMs
        const { versionId = '' } = await test.put(bucket, 'x', 'x')
        await test.engine.deleteObject({ bucket, name: 'x', versionId })
        ids.add(versionId)
      }
      expect(ids.size).toBe(4)
    } finally {
      await test.close()
    }
  })

  it('reads as a model does, with exact books, and can be emptied', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const test = await createTestEngine()
        try {
          const run = new Run(test, await test.bucket())
          for (const step of sequence) await run.apply(step)
          await run.check()
          await run.empty()
        } finally {
          await test.close()
        }
      }),
      { numRuns: 60, endOnFailure: false, interruptAfterTimeLimit: 15_000 },
    )
  })
})
