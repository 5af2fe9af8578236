import type { Bucket, EncryptionRequest } from '@strongroom/engine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientKey, requester, TestDeployment } from './test-deployment.fixture.ts'

/** Neither too many names, so that operations meet, nor nice ones. */
const names = ['a', 'a/b', 'ä\u0000\u0001', '\u{1f600}', ' ']

const modes: readonly EncryptionRequest[] = [
  { mode: 'default' },
  { mode: 'sse-s3' },
  { mode: 'sse-kms', context: new Map([['team', 'blue']]) },
  { mode: 'sse-kms', keyId: 'second', bucketKeyEnabled: true },
  clientKey(9),
]

const sizes = [0, 1, 7_000, 7_800, 20_000, 70_000]

interface Step {
  readonly does:
    | 'put'
    | 'copy'
    | 'delete'
    | 'delete-version'
    | 'multipart'
    | 'start-upload'
    | 'abort'
    | 'versioning'
    | 'tag'
    | 'rotate'
  readonly name: number
  readonly other: number
  readonly mode: number
  readonly size: number
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    does: fc.constantFrom(
      ...(['put', 'put', 'put', 'copy', 'copy', 'delete', 'delete-version', 'multipart', 'multipart'] as const),
      ...(['start-upload', 'abort', 'versioning', 'tag', 'rotate'] as const),
    ),
    name: fc.nat(names.length - 1),
    other: fc.nat(names.length - 1),
    mode: fc.nat(modes.length - 1),
    size: fc.nat(sizes.length - 1),
  }),
  { minLength: 5, maxLength: 40 },
)

class Player {
  readonly #test: TestDeployment
  #bucket: Bucket
  readonly #uploads: Awaited<ReturnType<TestDeployment['startUpload']>>[] = []

  constructor(test: TestDeployment, bucket: Bucket) {
    this.#test = test
    this.#bucket = bucket
  }

  /** What the engine refuses (there is no such object, the client's key is missing) is refused. */
  async play(step: Step): Promise<void> {
    try {
      await this.#do(step)
    } catch (error) {
      expect(error).toMatchObject({ name: 'EngineError' })
    }
  }

  async #do(step: Step): Promise<unknown> {
    const test = this.#test
    const bucket = this.#bucket
    const name = names[step.name] ?? ''
    const encryption = modes[step.mode] ?? { mode: 'default' }
    const size = sizes[step.size] ?? 0
    switch (step.does) {
      case 'put':
        return test.put(bucket, name, size, encryption)
      case 'copy':
        return test.copy(bucket, names[step.other] ?? '', name, { encryption })
      case 'delete':
        return test.engine.deleteObject({ bucket, name })
      case 'delete-version':
        return this.#deleteVersion(name, step.other)
      case 'multipart':
        return test.multipart(bucket, name, encryption, [size])
      case 'start-upload': {
        const upload = await test.startUpload(bucket, name, encryption)
        this.#uploads.push(upload)
        return test.uploadPart(upload, 1 + step.other, size)
      }
      case 'abort': {
        const upload = this.#uploads.shift()
        return upload && test.engine.abortUpload(upload)
      }
      case 'versioning': {
        const versioning = step.other % 2 === 0 ? 'enabled' : 'suspended'
        this.#bucket = await test.engine.changeBucket(bucket, { versioning })
        return
      }
      case 'tag':
        return test.engine.putTags({ bucket, name, tags: [{ key: 'size', value: 'x'.repeat(step.other * 60) }] })
      case 'rotate':
        return test.engine.rotateKey('second')
    }
  }

  async #deleteVersion(name: string, index: number): Promise<unknown> {
    const { items } = await this.#test.engine.listVersions({ bucket: this.#bucket, prefix: name, limit: 100 })
    const versions = items.flatMap((item) => (item.kind === 'item' && item.item.name === name ? [item.item] : []))
    const version = versions[index % Math.max(1, versions.length)]
    if (!version) return
    return this.#test.engine.deleteObject({ bucket: this.#bucket, name, versionId: version.versionId })
  }
}

describe('fsck', () => {
  it('finds nothing after whatever the engine did', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (played, isPlain) => {
        const test = await TestDeployment.open(isPlain ? { defaultEncryption: 'none' } : {})
        try {
          await test.engine.createKey({ requester, name: 'second' })
          const player = new Player(test, await test.bucket('bucket'))
          for (const step of played) await player.play(step)
          const report = await test.fsck({ verifyData: true })
          expect(report.findings).toEqual([])
          expect(report).toMatchObject({ withheld: 0, unrepaired: 0 })
          await test.engine.sweep()
          const swept = await test.fsck()
          expect(swept.findings).toEqual([])
          expect([swept.checked.garbage, swept.checked.blobsBeingWritten]).toEqual([undefined, undefined])
        } finally {
          await test.close()
        }
      }),
      { numRuns: 25 },
    )
  }, 120_000)

  it('finds nothing, and mends nothing, while the engine is at work', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 2, maxLength: 4 }), async (plays) => {
        const test = await TestDeployment.open()
        try {
          await test.engine.createKey({ requester, name: 'second' })
          const bucket = await test.bucket('bucket')
          const playing = plays.map(async (played) => {
            const player = new Player(test, bucket)
            for (const step of played) await player.play(step)
          })
          let isPlaying = true
          const played = Promise.all(playing).finally(() => {
            isPlaying = false
          })
          let checks = 0
          while (isPlaying) {
            // Without waiting for garbage to go: that goes on beside it, too.
            const report = await test.fsckNow({ repair: true, verifyData: checks % 2 === 1 })
            expect(report.findings).toEqual([])
            checks += 1
          }
          await played
          expect((await test.fsck({ verifyData: true })).findings).toEqual([])
        } finally {
          await test.close()
        }
      }),
      { numRuns: 15 },
    )
  }, 120_000)
})
