import {
  bucketKey,
  bucketNameKey,
  dataKey,
  decodePartRecord,
  formatId,
  keyKey,
  manifestKey,
  ownedBucketKey,
  partKey,
  tableKey,
  uploadKey,
} from '@strongroom/engine'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Damage, Store } from './damage.fixture.ts'
import { populate } from './populate.fixture.ts'
import { kindsOf, TestDeployment } from './test-deployment.fixture.ts'

const reported: readonly Damage[] = [
  {
    does: 'a damaged record of an object',
    finds: ['damaged-record'],
    says: 'bucket plain, object "blob"',
    damage: async (store) => store.test.flip(await store.current('blob')),
  },
  {
    does: 'a damaged record of a multipart object',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.current('multipart-kms')),
  },
  {
    does: 'a record that was put in the place of another',
    finds: ['damaged-record'],
    damage: async (store) => {
      const { value } = await store.current('blob')
      await store.test.commit({ puts: [{ key: (await store.current('kms')).key, value }] })
    },
  },
  {
    does: 'a damaged older version',
    finds: ['damaged-record'],
    says: 'bucket versioned, object "three", version',
    damage: async (store) => store.test.flip(await store.versionOf('three', 1)),
  },
  {
    does: 'a damaged bucket',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.entryAt(bucketKey.encode(await store.bucketIdOf('plain')))),
  },
  {
    does: 'a damaged key',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.test.entry(keyKey.tag)),
  },
  {
    does: 'a damaged upload',
    finds: ['damaged-record'],
    damage: async (store) => store.test.flip(await store.test.entry(uploadKey.tag)),
  },
  {
    does: 'a damaged part',
    finds: ['damaged-record'],
    says: 'part 1',
    damage: async (store) =>
      store.test.flip(await store.test.entry(partKey.tag, ({ key }) => partKey.decode(key)[1] === 1)),
  },
  {
    does: 'a damaged record of an account',
    finds: ['damaged-record'],
    damage: async (store) => store.test.commit({ puts: [{ key: Buffer.of(0x60, 1), value: Buffer.alloc(60) }] }),
  },
  {
    does: 'a table of another release',
    finds: ['unknown-key'],
    damage: async (store) => store.test.commit({ puts: [{ key: Buffer.of(0x50, 1), value: Buffer.alloc(60) }] }),
  },
  {
    does: 'a lost bucket, with its entries',
    finds: ['bucket-missing'],
    damage: async (store) => {
      const id = await store.bucketIdOf('suspended')
      const { key } = await store.entryAt(bucketKey.encode(id))
      const names = [bucketNameKey.encode('suspended'), ownedBucketKey.encode('100000000001', 'suspended')]
      await store.test.commit({ deletes: [key, ...names] })
    },
  },
  {
    does: 'two buckets of one name',
    finds: ['bucket-index', 'bucket-index'],
    says: 'two records',
    damage: async (store) => {
      const id = Buffer.alloc(16, 4)
      const entry = await store.entryAt(bucketKey.encode(await store.bucketIdOf('foreign')))
      await store.test.replace({ key: bucketKey.encode(id) }, store.test.records.open(entry))
      await store.test.delete(await store.entryAt(ownedBucketKey.encode('200000000002', 'foreign')))
      await store.test.commit({ puts: [{ key: ownedBucketKey.encode('200000000002', 'foreign'), value: id }] })
    },
  },
  {
    does: 'lost inline data',
    finds: ['missing-data'],
    says: 'large-metadata',
    damage: async (store) =>
      store.test.delete(await store.entryAt(dataKey.encode(await store.blobIdOf('large-metadata')))),
  },
  {
    does: 'inline data that was cut',
    finds: ['wrong-size'],
    damage: async (store) => {
      const { key, value } = await store.entryAt(dataKey.encode(await store.blobIdOf('large-metadata')))
      await store.test.commit({ puts: [{ key, value: value.subarray(1) }] })
    },
  },
  {
    does: 'a lost blob',
    finds: ['missing-data'],
    says: 'object "kms"',
    damage: async (store) => store.test.blobs.delete(formatId(await store.blobIdOf('kms'))),
  },
  {
    does: 'a blob that was cut',
    finds: ['wrong-size'],
    damage: async (store) =>
      store.test.overwriteBlob(formatId(await store.blobIdOf('kms')), (bytes) => bytes.subarray(0, 300)),
  },
  {
    does: 'a lost blob of a part',
    finds: ['missing-data'],
    says: 'part 1',
    damage: async (store) => {
      const chunk = await store.test.entry(partKey.tag, ({ key }) => partKey.decode(key)[1] === 1)
      const [segment] = decodePartRecord(store.test.records.open(chunk)).segments
      await store.test.blobs.delete(formatId(segment?.blobId ?? Buffer.alloc(0)))
    },
  },
  {
    does: 'a damaged part table of two objects',
    finds: ['part-table', 'part-table'],
    damage: async (store) =>
      store.test.flip(await store.entryAt(manifestKey.encode(await store.tableIdOf('multipart-kms'), 0))),
  },
  {
    does: 'a part table put in the place of another',
    finds: ['part-table', 'part-table'],
    damage: async (store) => {
      const multipart = (await store.test.entries(tableKey.tag)).map(({ key }) => tableKey.decode(key)[0])
      const own = await store.tableIdOf('multipart-kms')
      const other = multipart.find((id) => Buffer.compare(id, own) !== 0) ?? own
      const body = store.test.records.open(await store.entryAt(manifestKey.encode(other, 0)))
      await store.test.replace({ key: manifestKey.encode(own, 0) }, body)
    },
  },
  {
    does: 'lost details',
    finds: ['damaged-details'],
    damage: async (store) => {
      const { overflow } = await store.objectOf('large-metadata')
      await store.test.delete(await store.entryAt(manifestKey.encode(overflow?.id ?? Buffer.alloc(0), 0)))
    },
  },
  {
    does: 'a lost key',
    finds: ['key-missing'],
    damage: async (store) => store.test.kms.deleteKey('deployment-key'),
  },
]

let test: TestDeployment

beforeEach(async () => {
  test = await TestDeployment.open()
  await populate(test)
})

afterEach(() => test.close())

describe('fsck reports and leaves alone', () => {
  it.each(reported)('$does', async ({ damage, finds, says = '' }) => {
    await damage(new Store(test))
    const found = await test.fsck()
    expect(kindsOf(found)).toEqual(finds)
    expect(found.findings[0]?.detail).toContain(says)
    const { commits } = test.metadata.stats()
    const tried = await test.fsck({ repair: true })
    expect(tried.findings).toEqual(found.findings)
    expect(tried.unrepaired).toBe(finds.length)
    expect(test.metadata.stats().commits).toBe(commits)
  })
})
