/**
 * What multipart objects and running uploads are bound to (DESIGN 6): parts that are swapped, dropped or replaced do not open,
 * not even for somebody who has the metadata key.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket, EncryptionRequest, UploadTarget } from './contract.ts'
import { createTestEngine, customerKey, encryptionModes, type TestEngine } from './engine.fixture.ts'
import { idBytes, parseId } from './ids.ts'
import { decodeObjectRecord, encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { decodePartTableChunk, encodePartTable, partTableDigest, type TablePart } from './part-table.ts'
import { PartTables } from './part-tables.ts'
import { manifestKey, objectKey, partKey, uploadKey } from './tables.ts'
import { decodePartRecord, decodeUploadRecord, encodePartRecord, encodeUploadRecord } from './upload-record.ts'
import { beginUpload, completed, contentOf, customerKeyOf, fullPartBytes, uploadObject } from './uploads.fixture.ts'

let test: TestEngine
let bucket: Bucket
beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(() => test.close())

const bucketId = () => parseId(bucket.id, idBytes) ?? Buffer.alloc(0)
const uploadId = (target: UploadTarget) => parseId(target.uploadId, idBytes) ?? Buffer.alloc(0)

async function valueAt(key: Uint8Array): Promise<Uint8Array> {
  const snapshot = test.metadata.snapshot()
  try {
    const entry = await snapshot.get(key)
    if (!entry) throw new Error('no such entry')
    return entry.value
  } finally {
    snapshot.release()
  }
}

const opened = async (key: Uint8Array) => test.context.records.open({ key, value: await valueAt(key), version: 0 })
const putRaw = (key: Uint8Array, value: Uint8Array) => test.metadata.commit({ puts: [{ key, value }] })
const putBody = (key: Uint8Array, body: Uint8Array) => putRaw(key, test.context.records.seal(key, body))

const forget = () => {
  // A table that was read before is known by its digest, whatever the store says now.
  Object.assign(test.context, { partTables: new PartTables(test.context.records) })
}

interface Stored {
  readonly record: ObjectVersion
  readonly manifest: Extract<ObjectVersion['data'], { kind: 'manifest' }>
  readonly parts: TablePart[]
}

async function stored(name: string): Promise<Stored> {
  const record = decodeObjectRecord(await opened(objectKey.encode(bucketId(), name)))
  if (record.kind !== 'object' || record.data.kind !== 'manifest') throw new Error('not a multipart object')
  const parts: TablePart[] = []
  for (let chunk = 0; chunk < record.data.chunkCount; chunk += 1) {
    parts.push(...decodePartTableChunk(await opened(manifestKey.encode(record.data.id, chunk))))
  }
  return { record, manifest: record.data, parts }
}

/** Puts another part table in place of an object's, and the record that names it by its digest if that is to be changed. */
async function replaceTable(name: string, { record, manifest }: Stored, parts: TablePart[], renames: boolean) {
  const chunks = encodePartTable(parts)
  for (const [chunk, body] of chunks.entries()) await putBody(manifestKey.encode(manifest.id, chunk), body)
  if (renames) {
    const data = {
      ...manifest,
      tableDigest: partTableDigest(chunks),
      partCount: parts.length,
      chunkCount: chunks.length,
    }
    await putBody(objectKey.encode(bucketId(), name), encodeObjectRecord({ ...record, data }))
  }
  forget()
}

const codes = /^(not-authentic|corrupt|AccessDenied|KMS\.InvalidCiphertextException)$/
const refused = { code: expect.stringMatching(codes) }

describe.each(Object.entries(encryptionModes))('a multipart object with %s', (_, encryption: EncryptionRequest) => {
  const contents = [contentOf(fullPartBytes, 1), contentOf(fullPartBytes, 2), contentOf(70_000, 3)]
  const keys = customerKeyOf(encryption)

  it.each([false, true])('does not open with another part table, the record naming it: %s', async (renames) => {
    await uploadObject(test, bucket, 'x', contents, encryption)
    await uploadObject(test, bucket, 'y', contents, encryption)
    const x = await stored('x')
    const y = await stored('y')
    const [one, two, three] = x.parts
    if (!one || !two || !three) throw new Error('three parts expected')
    const tables: TablePart[][] = [
      [two, one, three],
      [{ ...one, segments: two.segments }, { ...two, segments: one.segments }, three],
      [one, two],
      [one, two, three, three],
      [one, two, { ...three, sizeBytes: 60_000 }],
      [one, two, { ...three, segments: y.parts[2]?.segments ?? [] }],
      y.parts,
    ]
    for (const table of tables) {
      await replaceTable('x', x, table, renames)
      await expect(test.get(bucket, 'x', keys)).rejects.toMatchObject(refused)
      await putBody(objectKey.encode(bucketId(), 'x'), encodeObjectRecord(x.record))
    }
    await replaceTable('x', x, x.parts, true)
    expect((await test.get(bucket, 'x', keys)).bytes.equals(Buffer.concat(contents))).toBe(true)
  })

  it('does not open with the table, table key or size of another', async () => {
    await uploadObject(test, bucket, 'x', contents.slice(2), encryption)
    await uploadObject(test, bucket, 'y', contents.slice(2), encryption)
    const { record: x, manifest } = await stored('x')
    const { record: y, manifest: other } = await stored('y')
    const changes: Partial<ObjectVersion>[] = [
      { data: other },
      { data: { ...manifest, sealedTableKey: other.sealedTableKey } },
      { data: { ...manifest, id: other.id } },
      { sizeBytes: x.sizeBytes - 1 },
      { etag: { ...x.etag, partCount: 0 } },
      { envelope: y.envelope },
    ]
    for (const change of changes) {
      await putBody(objectKey.encode(bucketId(), 'x'), encodeObjectRecord({ ...x, ...change }))
      await expect(test.get(bucket, 'x', keys)).rejects.toMatchObject(refused)
    }
  })

  it('does not open under the envelope that its upload had', async () => {
    const upload = await beginUpload(test, bucket, 'x', encryption)
    const key = uploadKey.encode(bucketId(), 'x', uploadId(upload.target))
    const { envelope } = decodeUploadRecord(await opened(key))
    await upload.complete([await upload.put(1, contentOf(70_000))])
    const { record } = await stored('x')
    await putBody(objectKey.encode(bucketId(), 'x'), encodeObjectRecord({ ...record, envelope, sizeBytes: 5 }))
    const read = test.get(bucket, 'x', { ...keys, range: { first: 0, last: 1 } })
    // AWS completes SSE-C uploads without the key: there, and only there, such an envelope can be the object's own.
    if (encryption.mode === 'sse-c') await read
    else await expect(read).rejects.toMatchObject(refused)
  })
})

describe('a running upload', () => {
  const encryption = { mode: 'sse-c', customerKey: customerKey(7) } as const

  it('does not open under another name or id, nor with the table key of another', async () => {
    const upload = await beginUpload(test, bucket, 'x', encryption)
    const other = await beginUpload(test, bucket, 'y', encryption)
    const at = uploadKey.encode(bucketId(), 'x', uploadId(upload.target))
    const x = decodeUploadRecord(await opened(at))
    const y = decodeUploadRecord(await opened(uploadKey.encode(bucketId(), 'y', uploadId(other.target))))
    for (const record of [y, { ...x, envelope: y.envelope }, { ...x, sealedTableKey: y.sealedTableKey }]) {
      await putBody(at, encodeUploadRecord(record))
      await expect(upload.put(1, contentOf(5))).rejects.toThrow()
    }
    await putBody(at, encodeUploadRecord(x))
    await upload.put(1, contentOf(5))
  })

  it('whose records were swapped in the store is refused', async () => {
    const upload = await beginUpload(test, bucket, 'x', encryption)
    await upload.put(1, contentOf(5, 1))
    await upload.put(2, contentOf(5, 2))
    const [one, two] = [1, 2].map((number) => partKey.encode(uploadId(upload.target), number))
    if (!one || !two) throw new Error('two keys expected')
    const [first, second] = [await valueAt(one), await valueAt(two)]
    await putRaw(one, second)
    await putRaw(two, first)
    const list = test.engine.listParts({ ...upload.target, after: 0, limit: 9 })
    await expect(list).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('gives an object that does not open if parts were exchanged between uploads', async () => {
    const upload = await beginUpload(test, bucket, 'x', encryption)
    const other = await beginUpload(test, bucket, 'y', encryption)
    const part = await upload.put(1, contentOf(50, 1))
    await other.put(1, contentOf(50, 2))
    const at = partKey.encode(uploadId(upload.target), 1)
    const mine = decodePartRecord(await opened(at))
    const theirs = decodePartRecord(await opened(partKey.encode(uploadId(other.target), 1)))
    await putBody(at, encodePartRecord({ ...mine, segments: theirs.segments }))
    await test.engine.completeUpload({ ...upload.target, parts: completed([part]) })
    await expect(test.get(bucket, 'x', { customerKey: customerKey(7) })).rejects.toMatchObject({
      code: 'not-authentic',
    })
  })
})
