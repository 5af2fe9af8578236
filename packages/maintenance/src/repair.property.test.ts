import { createHash } from 'node:crypto'
import { createEngine } from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { populate } from './populate.fixture.ts'
import { clientKey, requester, TestDeployment } from './test-deployment.fixture.ts'

interface Blow {
  readonly does: 'delete' | 'flip'
  /** Picks one of all entries. */
  readonly pick: number
}

const blows: fc.Arbitrary<Blow[]> = fc.array(
  fc.record({ does: fc.constantFrom('delete' as const, 'flip' as const), pick: fc.nat(1_000_000) }),
  { minLength: 1, maxLength: 6 },
)

const buckets = ['plain', 'versioned', 'suspended']

async function allEntries(test: TestDeployment): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let tag = 0x01; tag <= 0x15; tag += 1) entries.push(...(await test.entries(tag)))
  return entries
}

async function strike(test: TestDeployment, { does, pick }: Blow): Promise<void> {
  const entries = await allEntries(test)
  const entry = entries[pick % entries.length]
  if (!entry) return
  // Entries of the key index are empty: there is nothing to flip.
  await (does === 'delete' || entry.value.length === 0 ? test.delete(entry) : test.flip(entry))
}

/** What can be read of every version, by an engine that remembers nothing: hashes by bucket, name and version. */
async function readable(test: TestDeployment): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const engine = await createEngine(test.options)
  for (const bucketName of buckets) {
    try {
      const bucket = await engine.bucket(bucketName)
      const { items } = await engine.listVersions({ bucket, prefix: '', limit: 1_000 })
      for (const item of items) {
        if (item.kind !== 'item' || item.item.deleteMarker) continue
        const { name, versionId } = item.item
        const hash = await engine
          .getObject({
            requester,
            bucket,
            name,
            ...(bucket.versioning === 'unset' ? {} : { versionId }),
            ...(name === 'customer' ? { customerKey: clientKey(7).customerKey } : {}),
          })
          .then(({ body }) => hashOf(body))
          .catch(() => undefined)
        if (hash !== undefined) found.set(`${bucketName}/${name}/${versionId}`, hash)
      }
    } catch {
      // A bucket that cannot be listed has nothing that can be read.
    }
  }
  await engine.close().catch(() => {})
  return found
}

async function hashOf(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  if (body instanceof Uint8Array) hash.update(body)
  else for await (const piece of body) hash.update(piece)
  return hash.digest('hex')
}

describe('a repair', () => {
  it('loses nothing that could be read, whatever was damaged, and leaves nothing that a second one would mend', async () => {
    await fc.assert(
      fc.asyncProperty(blows, async (struck) => {
        const test = await TestDeployment.open()
        try {
          await populate(test)
          await test.close()
          for (const blow of struck) await strike(test, blow)
          const before = await readable(test)
          await test.fsck({ repair: true })
          const engine = await createEngine(test.options)
          // A record that stays damaged ends a sweep early.
          await engine.sweep().catch((error: unknown) => expect(error).toMatchObject({ code: 'not-authentic' }))
          await engine.close()
          const after = await readable(test)
          for (const [place, hash] of before) expect([place, after.get(place)]).toEqual([place, hash])
          const second = await test.fsck({ repair: true })
          expect(second.findings.filter(({ repaired }) => repaired)).toEqual([])
        } finally {
          await test.close()
        }
      }),
      { numRuns: 25, endOnFailure: true },
    )
  }, 120_000)
})
