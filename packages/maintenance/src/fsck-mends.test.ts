import {
  blobKey,
  bucketCountKey,
  bucketNameKey,
  dataKey,
  decodeObjectRecord,
  encodeBlobRecord,
  encodeObjectRecord,
  garbageBlobKey,
  garbageTableKey,
  garbageUploadKey,
  keyCountKey,
  keyKey,
  keyNameKey,
  manifestKey,
  ownedBucketKey,
  parseId,
  sessionKey,
  tableKey,
  uploadKey,
  useUploadKey,
  useVersionKey,
} from '@strongroom/engine'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Damage, garbage, Store } from './damage.fixture.ts'
import { populate } from './populate.fixture.ts'
import { kindsOf, TestDeployment } from './test-deployment.fixture.ts'

const mended: readonly Damage[] = [
  {
    does: 'a lost name of a bucket',
    finds: ['bucket-index'],
    says: 'bucket plain',
    damage: async (store) => store.test.delete(await store.entryAt(bucketNameKey.encode('plain'))),
  },
  {
    does: 'a lost entry of an owner',
    finds: ['bucket-index'],
    damage: async (store) => store.test.delete(await store.entryAt(ownedBucketKey.encode('200000000002', 'foreign'))),
  },
  {
    does: 'a name that leads to another bucket',
    finds: ['bucket-index'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: bucketNameKey.encode('plain'), value: await store.bucketIdOf('versioned') }] }),
  },
  {
    does: 'a name that leads nowhere',
    finds: ['bucket-index'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: bucketNameKey.encode('gone'), value: Buffer.alloc(16, 3) }] }),
  },
  {
    does: 'a name with something that is no id',
    finds: ['bucket-index'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: bucketNameKey.encode('plain'), value: Buffer.alloc(3) }] }),
  },
  {
    does: 'a lost name of a key',
    finds: ['key-name'],
    damage: async (store) => store.test.delete(await store.test.entry(keyNameKey.tag)),
  },
  {
    does: 'a lost current version',
    finds: ['current-version'],
    says: '"three"',
    damage: async (store) => store.test.delete(await store.current('three')),
  },
  {
    does: 'a damaged current version among others',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.current('three')),
  },
  {
    does: 'a current version that is not the newest',
    finds: ['current-version'],
    damage: async (store) => {
      const older = decodeObjectRecord(store.test.records.open(await store.versionOf('three', 1)))
      await store.test.replace(await store.current('three'), encodeObjectRecord(older))
    },
  },
  {
    does: 'a current version that forgot the null version',
    finds: ['current-version'],
    damage: async (store) => {
      const entry = await store.current('from-before')
      const { nullSequence: _, ...record } = decodeObjectRecord(store.test.records.open(entry))
      await store.test.replace(entry, encodeObjectRecord(record))
    },
  },
  {
    does: 'a lost delete marker',
    finds: ['current-version'],
    damage: async (store) => store.test.delete(await store.current('deleted')),
  },
  {
    does: 'a version that is lost and is the current one',
    finds: ['current-version'],
    damage: async (store) => store.test.delete(await store.versionOf('three', 0)),
  },
  {
    does: 'a version that is damaged and is the current one',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.versionOf('three', 0)),
  },
  {
    does: 'a count of a blob that is too high',
    finds: ['reference-count'],
    damage: async (store) =>
      store.test.replace({ key: blobKey.encode(await store.blobIdOf('kms')) }, encodeBlobRecord({ count: 2 })),
  },
  {
    does: 'a count of a shared blob that is too low',
    finds: ['reference-count'],
    says: 'counts 1 reference, and there are 2',
    damage: async (store) =>
      store.test.replace({ key: blobKey.encode(await store.blobIdOf('blob')) }, encodeBlobRecord({ count: 1 })),
  },
  {
    does: 'a lost count of a blob',
    finds: ['reference-count'],
    damage: async (store) => store.test.delete(await store.entryAt(blobKey.encode(await store.blobIdOf('kms')))),
  },
  {
    does: 'a damaged count of a blob',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.entryAt(blobKey.encode(await store.blobIdOf('kms')))),
  },
  {
    does: 'a lost count of shared inline data',
    finds: ['reference-count'],
    damage: async (store) => store.test.delete(await store.entryAt(blobKey.encode(await store.blobIdOf('inline')))),
  },
  {
    does: 'a lost count of a part table',
    finds: ['reference-count'],
    damage: async (store) =>
      store.test.delete(await store.entryAt(tableKey.encode(await store.tableIdOf('multipart-kms')))),
  },
  {
    does: 'a count of a part table that is too low',
    finds: ['reference-count'],
    damage: async (store) =>
      store.test.replace(
        { key: tableKey.encode(await store.tableIdOf('multipart-kms')) },
        encodeBlobRecord({ count: 1 }),
      ),
  },
  {
    does: 'a count of a blob that nothing refers to',
    finds: ['reference-count'],
    damage: async (store) => {
      const blobId = `${store.test.engine.sessionId}${'ab'.repeat(16)}`
      await store.test.writeBlob(blobId, Buffer.alloc(100))
      const id = parseId(blobId, 24) ?? Buffer.alloc(0)
      await store.test.replace({ key: blobKey.encode(id) }, encodeBlobRecord({ count: 1 }))
    },
  },
  {
    does: 'a count of a part table that nothing refers to',
    finds: ['reference-count'],
    damage: async (store) =>
      store.test.replace({ key: tableKey.encode(Buffer.alloc(16, 9)) }, encodeBlobRecord({ count: 1 })),
  },
  {
    does: 'a blob without a record whose writer is gone',
    finds: ['leftover-blob'],
    damage: async (store) => store.test.writeBlob('cd'.repeat(24), Buffer.alloc(100)),
  },
  {
    does: 'inline data that nothing refers to',
    finds: ['leftover-data'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: dataKey.encode(Buffer.alloc(24, 5)), value: Buffer.alloc(40) }] }),
  },
  {
    does: 'inline data that nothing refers to, with a count',
    finds: ['leftover-data'],
    damage: async (store) => {
      await store.test.commit({ puts: [{ key: dataKey.encode(Buffer.alloc(24, 5)), value: Buffer.alloc(40) }] })
      await store.test.replace({ key: blobKey.encode(Buffer.alloc(24, 5)) }, encodeBlobRecord({ count: 2 }))
    },
  },
  {
    does: 'pieces that no record names',
    finds: ['leftover-chunks'],
    damage: async (store) => {
      const id = Buffer.alloc(16, 5)
      const bodies = Array.from({ length: 90 }, (_, chunk) => manifestKey.encode(id, chunk))
      for (const key of bodies) await store.test.replace({ key }, Buffer.alloc(10))
    },
  },
  {
    does: 'parts of an upload that is gone',
    finds: ['leftover-parts'],
    damage: async (store) => store.test.delete(await store.test.entry(uploadKey.tag)),
  },
  {
    does: 'a lost entry of the key index',
    finds: ['key-index'],
    damage: async (store) =>
      store.test.delete(await store.test.entry(useVersionKey.tag, ({ key }) => useVersionKey.decode(key)[3] === 'kms')),
  },
  {
    does: 'a lost entry of the key index for an upload',
    finds: ['key-index'],
    damage: async (store) => store.test.delete(await store.test.entry(useUploadKey.tag)),
  },
  {
    does: 'entries of the key index for what is not there',
    finds: ['key-index', 'key-index'],
    damage: async (store) => {
      const [keyId] = keyKey.decode((await store.test.entry(keyKey.tag)).key)
      const bucketId = await store.bucketIdOf('plain')
      const keys = [
        useVersionKey.encode(keyId, 1, bucketId, 'never', 1),
        useUploadKey.encode(keyId, 1, bucketId, Buffer.alloc(16, 3)),
      ]
      await store.test.commit({ puts: keys.map((key) => ({ key, value: new Uint8Array(0) })) })
    },
  },
  {
    does: 'counters of a bucket that are off',
    finds: ['counter', 'counter'],
    damage: async (store) => {
      const bucketId = await store.bucketIdOf('plain')
      await store.test.commit({
        adds: [0, 2].map((what) => ({ key: bucketCountKey.encode(bucketId, what), delta: 7 - 8 * what })),
      })
    },
  },
  {
    does: 'a counter of a key in a bucket that does not use it',
    finds: ['counter'],
    damage: async (store) => {
      const [keyId] = keyKey.decode((await store.test.entry(keyKey.tag)).key)
      const key = keyCountKey.encode(keyId, 1, await store.bucketIdOf('foreign'), 1)
      await store.test.commit({ adds: [{ key, delta: 1 }] })
    },
  },
  {
    does: 'a blob that is noted as garbage and in use',
    finds: ['garbage-in-use'],
    damage: async (store) => {
      const id = await store.blobIdOf('kms')
      await store.test.delete(await store.entryAt(blobKey.encode(id)))
      await store.test.replace({ key: garbageBlobKey.encode(id) }, garbage())
    },
  },
  {
    does: 'a part table that is noted as garbage and in use',
    finds: ['garbage-in-use'],
    damage: async (store) =>
      store.test.replace({ key: garbageTableKey.encode(await store.tableIdOf('multipart-kms')) }, garbage()),
  },
  {
    does: 'an upload that is noted as garbage and runs',
    finds: ['garbage-in-use'],
    damage: async (store) => {
      const [, , uploadId] = uploadKey.decode((await store.test.entry(uploadKey.tag)).key)
      await store.test.replace({ key: garbageUploadKey.encode(uploadId) }, garbage())
    },
  },
  {
    does: 'a damaged note of garbage',
    finds: ['damaged-record'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: garbageBlobKey.encode(Buffer.alloc(24, 7)), value: Buffer.alloc(60) }] }),
  },
  {
    does: 'a damaged session of another writer',
    finds: ['damaged-record'],
    damage: async (store) =>
      store.test.commit({ puts: [{ key: sessionKey.encode(Buffer.alloc(8, 7)), value: Buffer.alloc(60) }] }),
  },
]

let test: TestDeployment

beforeEach(async () => {
  test = await TestDeployment.open()
  await populate(test)
})

afterEach(() => test.close())

describe('fsck mends', () => {
  it.each(mended)('$does', async ({ damage, finds, says = '' }) => {
    await damage(new Store(test))
    const found = await test.fsck()
    expect(kindsOf(found)).toEqual(finds)
    expect(found.findings[0]?.detail).toContain(says)
    expect(found.findings.every(({ repairable, repaired }) => repairable && !repaired)).toBe(true)
    const repaired = await test.fsck({ repair: true })
    expect(kindsOf(repaired)).toEqual(expect.arrayContaining([...finds]))
    expect(repaired.unrepaired).toBe(0)
    await test.engine.sweep()
    expect(await test.fsck({ verifyData: true })).toMatchObject({ findings: [], withheld: 0 })
  })
})
