import {
  blobKey,
  bucketCountKey,
  bucketNameKey,
  dataKey,
  encodeBlobRecord,
  objectKey,
  sessionKey,
} from '@strongroom/engine'
import type { Commit, MetadataStore } from '@strongroom/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Store } from './damage.fixture.ts'
import type { FsckProgress } from './findings.ts'
import type { AccountsCheck } from './inspection.ts'
import { populate } from './populate.fixture.ts'
import { blobBytes, contentOf, kindsOf, partBytes, requester, TestDeployment } from './test-deployment.fixture.ts'

let test: TestDeployment
let store: Store

beforeEach(async () => {
  test = await TestDeployment.open()
  store = new Store(test)
})

afterEach(() => test.close())

const orphan = 'cd'.repeat(24)

describe('fsck', () => {
  it('finds nothing in an empty deployment', async () => {
    const report = await test.fsck({ verifyData: true })
    expect(report).toMatchObject({ findings: [], unrepaired: 0, withheld: 0, omitted: 0, skipped: [] })
  })

  it('finds nothing where nothing is wrong, however often the records are gone over', async () => {
    const { versioned } = await populate(test)
    await test.multipart(versioned, 'two-parts', { mode: 'sse-kms' }, [partBytes, 100])
    for (const referencesPerPass of [1_000, 3]) {
      const report = await test.fsck({ verifyData: true, referencesPerPass })
      expect(report.findings).toEqual([])
      expect(report).toMatchObject({ unrepaired: 0, withheld: 0, omitted: 0 })
    }
  })

  it('finds the same in many passes as in one', async () => {
    await populate(test)
    await test.delete(await store.entryAt(blobKey.encode(await store.blobIdOf('kms'))))
    await test.commit({ puts: [{ key: dataKey.encode(Buffer.alloc(24, 5)), value: Buffer.alloc(40) }] })
    await test.commit({ adds: [{ key: bucketCountKey.encode(await store.bucketIdOf('plain'), 0), delta: -1 }] })
    const sorted = async (referencesPerPass: number) =>
      (await test.fsck({ referencesPerPass })).findings.map(({ detail }) => detail).sort()
    const once = await sorted(1_000)
    expect(once).toHaveLength(3)
    expect(await sorted(2)).toEqual(once)
  })

  it('changes nothing where nothing is wrong', async () => {
    await populate(test)
    const { commits } = test.metadata.stats()
    await test.fsck({ repair: true, verifyData: true })
    expect(test.metadata.stats().commits).toBe(commits)
  })

  it('holds no snapshot when it has ended, well or not', async () => {
    await populate(test)
    let open = 0
    const metadata: MetadataStore = {
      snapshot() {
        const snapshot = test.metadata.snapshot()
        const release = snapshot.release.bind(snapshot)
        open += 1
        return Object.assign(snapshot, {
          release: () => {
            open -= 1
            release()
          },
        })
      },
      commit: (commit) => test.metadata.commit(commit),
      stats: () => test.metadata.stats(),
      close: async () => {},
    }
    await test.fsck({ metadata, verifyData: true })
    expect(open).toBe(0)
    const control = new AbortController()
    const onProgress = ({ phase }: FsckProgress) => {
      if (phase === 'references') control.abort(new Error('enough'))
    }
    await expect(test.fsck({ metadata, onProgress, signal: control.signal })).rejects.toThrow('enough')
    expect(open).toBe(0)
  })

  it('tells how far it has come, phase by phase', async () => {
    await populate(test)
    const told: FsckProgress[] = []
    const { checked } = await test.fsck({ verifyData: true, onProgress: (progress) => told.push(progress) })
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual([
      ...['index', 'objects', 'uploads', 'references', 'blobs', 'data'],
    ])
    const objects = told.filter(({ phase }) => phase === 'objects')
    expect(objects.at(-1)?.done).toBe((checked.objects ?? 0) + (checked.versions ?? 0))
    expect(objects.every(({ done, total }) => total !== undefined && done <= total)).toBe(true)
  })

  it('lists no more findings than it may, and counts and mends the others', async () => {
    for (let fill = 1; fill <= 5; fill += 1) {
      await test.commit({ puts: [{ key: bucketNameKey.encode(`gone-${fill}`), value: Buffer.alloc(16, fill) }] })
    }
    expect(await test.fsck({ maxFindings: 2 })).toMatchObject({ omitted: 3, unrepaired: 5 })
    const repaired = await test.fsck({ maxFindings: 2, repair: true })
    expect(repaired.findings).toHaveLength(2)
    expect(repaired).toMatchObject({ omitted: 3, unrepaired: 0 })
    expect(await test.fsck()).toMatchObject({ findings: [], omitted: 0 })
  })
})

describe('fsck beside a damaged record', () => {
  it('leaves alone what the record may refer to', async () => {
    await populate(test)
    const blobId = (await store.blobIdOf('kms')).toString('hex')
    await test.flip(await store.current('kms'))
    await test.writeBlob(orphan, Buffer.alloc(100))
    const report = await test.fsck({ repair: true })
    expect(kindsOf(report)).toEqual(['damaged-record'])
    // The blob's count, index entry and counters of the object, and the blob that really is left over.
    expect(report.withheld).toBeGreaterThanOrEqual(6)
    await test.engine.sweep()
    expect(await test.blobs.size(blobId)).toBeGreaterThan(blobBytes)
    expect(await test.blobs.size(orphan)).toBe(100)
  })

  it('still mends what is certain', async () => {
    await populate(test)
    await test.flip(await store.current('kms'))
    await test.delete(await store.entryAt(blobKey.encode(await store.blobIdOf('blob'))))
    const report = await test.fsck({ repair: true })
    expect(report.findings.map(({ kind, repaired }) => [kind, repaired])).toEqual([
      ['damaged-record', false],
      ['reference-count', true],
    ])
  })

  it('mends the rest once the record was written anew', async () => {
    const { plain } = await populate(test)
    const entry = await store.current('kms')
    await test.flip(entry)
    await test.delete({ ...entry })
    await test.put(plain, 'kms', 10)
    const report = await test.fsck({ repair: true })
    expect(new Set(kindsOf(report))).toEqual(new Set(['reference-count', 'key-index', 'counter']))
    expect(report).toMatchObject({ unrepaired: 0, withheld: 0 })
    await test.engine.sweep()
    expect((await test.fsck({ verifyData: true })).findings).toEqual([])
  })
})

describe('fsck beside a running server', () => {
  it('takes a blob that is being written for what it is', async () => {
    const bucket = await test.bucket('bucket')
    let begin = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    let go = () => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const content = contentOf(3_000_000)
    async function* slowly() {
      yield content.subarray(0, 2_500_000)
      begin()
      await gate
      yield content.subarray(2_500_000)
    }
    const put = test.engine.putObject({
      requester,
      bucket,
      name: 'slow',
      body: { sizeBytes: content.length, content: slowly() },
      encryption: { mode: 'default' },
      metadata: { userMetadata: new Map() },
    })
    await begun
    const during = await test.fsck({ repair: true })
    expect(during.findings).toEqual([])
    go()
    await put
    const after = await test.fsck({ verifyData: true })
    expect(after).toMatchObject({ findings: [], checked: { authenticatedBytes: content.length } })
  })

  it('finds nothing missing where objects go while it looks', async () => {
    const { plain } = await populate(test)
    let isFirst = true
    const onProgress = ({ phase }: FsckProgress) => {
      if (phase !== 'objects' || !isFirst) return
      isFirst = false
      deleted = Promise.all(
        ['blob', 'blob-copy', 'kms', 'multipart'].map((name) => test.engine.deleteObject({ bucket: plain, name })),
      ).then(() => test.engine.idle())
    }
    let deleted: Promise<void> = Promise.resolve()
    // Reading sizes gives the deletions the time they need.
    const size = test.blobs.size.bind(test.blobs)
    test.blobs.size = async (blobId) => {
      await deleted
      return size(blobId)
    }
    expect((await test.fsck({ onProgress })).findings).toEqual([])
    expect(isFirst).toBe(false)
  })

  it('leaves alone what changed since it looked', async () => {
    const { plain } = await populate(test)
    const id = await store.blobIdOf('blob')
    await test.replace({ key: blobKey.encode(id) }, encodeBlobRecord({ count: 5 }))
    let changes = 0
    const metadata: MetadataStore = {
      snapshot: () => test.metadata.snapshot(),
      // Just before the repair commits, somebody copies the object.
      async commit(commit: Commit) {
        changes += 1
        if (changes === 1) await test.copy(plain, 'blob', 'another-copy')
        return test.metadata.commit(commit)
      },
      stats: () => test.metadata.stats(),
      close: async () => {},
    }
    const report = await test.fsck({ metadata, repair: true })
    expect(report.findings).toMatchObject([{ kind: 'reference-count', repairable: true, repaired: false }])
    expect(report.findings[0]?.detail).toContain('changed meanwhile')
    expect(await test.fsck({ repair: true })).toMatchObject({ unrepaired: 0, findings: [{ kind: 'reference-count' }] })
    expect((await test.fsck({ verifyData: true })).findings).toEqual([])
  })

  it('removes no blob whose writer came to name it', async () => {
    const bucket = await test.bucket('bucket')
    await test.put(bucket, 'one', blobBytes)
    const blobId = (await store.blobIdOf('one')).toString('hex')
    // Its count is lost, and its session: all that keeps the blob is the object.
    await test.delete(await store.entryAt(blobKey.encode(Buffer.from(blobId, 'hex'))))
    await test.delete(await test.entry(sessionKey.tag))
    const report = await test.fsck()
    expect(kindsOf(report)).toEqual(['reference-count'])
    expect((await test.fsck({ repair: true })).unrepaired).toBe(0)
    expect(await test.blobs.size(blobId)).toBeGreaterThan(blobBytes)
    expect((await test.fsck({ verifyData: true })).findings).toEqual([])
  })
})

describe('fsck with many keys', () => {
  it('goes over tables larger than a page', async () => {
    const bucket = await test.bucket('bucket', 'enabled')
    for (let i = 0; i < 300; i += 1) await test.put(bucket, `name-${i % 7}/${i % 40}`, i % 3)
    const report = await test.fsck({ verifyData: true })
    expect(report).toMatchObject({ findings: [], checked: { versions: 300, objects: 280 } })
    expect(await test.entries(objectKey.tag)).toHaveLength(280)
  })
})

describe('fsck of tables that are another package', () => {
  const key = Buffer.of(0x60, 1)
  const value = Buffer.of(1)
  const place = { table: 'account', account: '100000000002', accessKey: 'SRAK1' }
  const problem = 'a list lacks it'

  /** Says that an entry is missing for as long as it is. */
  const check: AccountsCheck = async (snapshot, onProblem) => {
    if ((await snapshot.get(key)) !== undefined) return 1
    const repair = { checks: [{ key, version: 'absent' as const }], puts: [{ key, value }], deletes: [] }
    await onProblem({ kind: 'account-index', place, problem, repair })
    return 0
  }

  it('reports what their owner finds, and mends it with the commit that it gives', async () => {
    const detail = 'account 100000000002, access key SRAK1: a list lacks it'
    const found = { kind: 'account-index', place, detail, repairable: true }
    expect(await test.fsck({ checkAccounts: check })).toMatchObject({
      findings: [{ ...found, repaired: false }],
      unrepaired: 1,
    })
    const report = await test.fsck({ checkAccounts: check, repair: true })
    expect(report).toMatchObject({ findings: [{ ...found, repaired: true }], unrepaired: 0 })
    expect(await test.fsck({ checkAccounts: check })).toMatchObject({ findings: [], checked: { accountRecords: 1 } })
  })

  it('mends nothing where something else is there by then', async () => {
    const late: AccountsCheck = async (snapshot, onProblem) => {
      await test.commit({ puts: [{ key, value: Buffer.of(2) }] })
      return check(snapshot, onProblem)
    }
    const report = await test.fsck({ checkAccounts: late, repair: true })
    expect(report).toMatchObject({ findings: [{ kind: 'account-index', repaired: false }], unrepaired: 1 })
    expect((await test.entries(0x60)).map((entry) => [...entry.value])).toEqual([[2]])
  })
})
