/**
 * DSSE-KMS: two layers, each with keys of its own (docs/adr/0015-two-layers-are-two-key-chains.md).
 *
 * @module
 */

import { openBytes, sealBytes, sealedSize, sealKey, unsealKey } from '@strongroom/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from './contract.ts'
import { findDataKey } from './data-keys.ts'
import { bytesOfBody, createTestEngine, pattern, rootRequester, type TestEngine } from './engine.fixture.ts'
import { envelopeKeyOf, sealForVersion } from './envelope.ts'
import { idBytes, parseId } from './ids.ts'
import { innerStreamKey } from './layer-keys.ts'
import { decodeObjectRecord, encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { boundContentOf, openVersion } from './open-version.ts'
import { expectExactBooks } from './recount.fixture.ts'
import { dataKey, objectKey } from './tables.ts'
import { beginUpload, fullPartBytes } from './uploads.fixture.ts'

const dual = { mode: 'dsse-kms', keyId: 'deployment-key' } as const

let test: TestEngine
let bucket: Bucket
beforeEach(async () => {
  test = await createTestEngine()
  bucket = await test.bucket()
})
afterEach(async () => {
  await expectExactBooks(test)
  await test.close()
})

async function valueAt(key: Uint8Array) {
  const snapshot = test.metadata.snapshot()
  try {
    const entry = await snapshot.get(key)
    if (!entry) throw new Error('no such entry')
    return entry
  } finally {
    snapshot.release()
  }
}

const bucketId = () => parseId(bucket.id, idBytes) ?? Buffer.alloc(idBytes)

async function recordOf(name: string): Promise<ObjectVersion> {
  const record = decodeObjectRecord(test.context.records.open(await valueAt(objectKey.encode(bucketId(), name))))
  if (record.kind !== 'object') throw new Error('not an object')
  return record
}

async function store(name: string, record: ObjectVersion): Promise<void> {
  const key = objectKey.encode(bucketId(), name)
  await test.metadata.commit({ puts: [{ key, value: test.context.records.seal(key, encodeObjectRecord(record)) }] })
}

const target = (name: string) => ({
  requester: rootRequester,
  bucketId: bucketId(),
  bucketName: bucket.name,
  name,
})

async function keysOf(name: string) {
  const record = await recordOf(name)
  const snapshot = test.metadata.snapshot()
  const found = await findDataKey(test.context, snapshot, record.envelope)
  snapshot.release()
  if (record.data.kind !== 'single' || record.envelope.mode !== 'dsse-kms') throw new Error('not in two layers')
  const keys = await openVersion(test.context, found, target(name), record, undefined)
  if (!keys.inner) throw new Error('no inner key')
  return { record, stream: record.data, envelope: record.envelope, outer: keys.outer, inner: keys.inner }
}

describe('an object in two layers', () => {
  it('is sealed twice, under keys of two data keys of one key version', async () => {
    const content = pattern(500)
    await test.put(bucket, 'x', content, { encryption: dual })
    const { stream, envelope, outer, inner } = await keysOf('x')
    expect(stream.layers).toBe(2)
    expect(envelope.dataKeyCiphertext).not.toEqual(envelope.innerDataKeyCiphertext)
    const { value } = await valueAt(dataKey.encode(stream.blobId))
    const between = openBytes(unsealKey(outer, stream.sealedKey), stream.nonce, value, sealedSize(content.length))
    // Whoever has only the keys of the outer layer has a sealed stream.
    expect(between.includes(content.subarray(0, 16))).toBe(false)
    const opened = openBytes(innerStreamKey(inner, stream), stream.nonce, between, content.length)
    expect(opened.equals(content)).toBe(true)
  })

  it('is refused if the inner layer was altered and the outer one sealed anew over it', async () => {
    await test.put(bucket, 'x', pattern(500), { encryption: dual })
    const { stream, outer } = await keysOf('x')
    const key = dataKey.encode(stream.blobId)
    const { value } = await valueAt(key)
    const streamKey = unsealKey(outer, stream.sealedKey)
    const between = openBytes(streamKey, stream.nonce, value, sealedSize(500))
    const put = (bytes: Uint8Array) =>
      test.metadata.commit({ puts: [{ key, value: sealBytes(streamKey, stream.nonce, bytes) }] })
    for (const at of [0, 20, between.length - 1]) {
      const altered = Buffer.from(between)
      altered[at] = (altered[at] ?? 0) ^ 1
      await put(altered)
      await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'not-authentic' })
    }
    await put(between)
    expect((await test.get(bucket, 'x')).bytes.equals(pattern(500))).toBe(true)
  })

  it('is refused with the inner key of another, although the outer layer opens', async () => {
    for (const name of ['x', 'y']) await test.put(bucket, name, pattern(500), { encryption: dual })
    const [x, y] = [await keysOf('x'), await keysOf('y')]
    const { sealedInnerKey, innerDataKeyCiphertext } = y.envelope
    await store('x', { ...x.record, envelope: { ...x.envelope, sealedInnerKey } })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'not-authentic' })
    await store('x', { ...x.record, envelope: { ...x.envelope, innerDataKeyCiphertext } })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'KMS.InvalidCiphertextException' })
    // The two chains are not interchangeable, either.
    const swapped = {
      ...x.envelope,
      dataKeyCiphertext: x.envelope.innerDataKeyCiphertext,
      innerDataKeyCiphertext: x.envelope.dataKeyCiphertext,
    }
    await store('x', { ...x.record, envelope: swapped })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'not-authentic' })
    await store('x', x.record)
  })

  it('does not pass for one of one layer, even for who can seal its envelope', async () => {
    await test.put(bucket, 'x', pattern(500), { encryption: dual })
    const { record, stream, outer, inner } = await keysOf('x')
    const { layers: _, ...single } = stream
    const data = { ...single, sealedKey: sealKey(outer, unsealKey(outer, stream.sealedKey)) } as const
    const changed = { ...record, data }
    const opened = await test.kms.decrypt('deployment-key', 1, keyCiphertext(record), associated('x'))
    const openedInner = await test.kms.decrypt('deployment-key', 1, keyCiphertext(record, true), associated('x'))
    const envelope = sealForVersion(
      { outer: Buffer.from(opened), inner: Buffer.from(openedInner) },
      envelopeKeyOf(record.envelope),
      boundContentOf(bucketId(), 'x', changed),
      { outer, inner },
      test.context.random,
    )
    await store('x', { ...changed, envelope })
    await expect(test.get(bucket, 'x')).rejects.toMatchObject({ code: 'not-authentic' })
    await store('x', record)
  })

  it('comes back in ranges that cross packages of either layer, each byte from both', async () => {
    const content = pattern(400_000)
    await test.put(bucket, 'x', content, { encryption: dual })
    for (const [first, last] of [
      [0, 0],
      [65_535, 65_536],
      [131_000, 131_200],
      [65_504, 65_600],
      [0, 399_999],
      [399_999, 399_999],
      [200_000, 380_000],
    ] as const) {
      const read = await test.get(bucket, 'x', { range: { first, last } })
      expect(read.bytes.equals(content.subarray(first, last + 1))).toBe(true)
    }
  })

  it('is made by an upload, and its copy shares the parts under another key', async () => {
    await test.engine.createKey({ requester: rootRequester, name: 'other' })
    const parts = [pattern(fullPartBytes), pattern(70_001)]
    const upload = await beginUpload(test, bucket, 'x', dual)
    const uploaded = []
    for (const [index, part] of parts.entries()) uploaded.push(await upload.put(index + 1, part))
    await upload.complete(uploaded)
    const written = await test.engine.copyObject({
      requester: rootRequester,
      source: { bucket, name: 'x' },
      bucket,
      name: 'y',
      encryption: { mode: 'dsse-kms', keyId: 'other' },
    })
    expect(written.encryption).toEqual({ mode: 'dsse-kms', keyId: 'other', bucketKeyEnabled: false })
    expect(test.engine.stats()).toEqual({ copiesShared: 1, copiesRewritten: 0 })
    await test.engine.deleteObject({ bucket, name: 'x' })
    const read = await test.engine.getObject({ requester: rootRequester, bucket, name: 'y' })
    expect((await bytesOfBody(read.body)).equals(Buffer.concat(parts))).toBe(true)
    expect((await test.engine.keyUsage('other')).total).toMatchObject({ objects: 1, bytes: fullPartBytes + 70_001 })
  })

  it('has both data keys of one version, however the key is rotated meanwhile', async () => {
    const generate = test.kms.generateDataKey.bind(test.kms)
    let rotations = 1
    test.kms.generateDataKey = async (...args) => {
      const made = await generate(...args)
      if (rotations-- > 0) await test.kms.rotateKey('deployment-key')
      return made
    }
    await test.put(bucket, 'x', 'x', { encryption: dual })
    expect((await recordOf('x')).envelope).toMatchObject({ mode: 'dsse-kms', keyVersion: 2 })
    expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
    rotations = 100
    const endless = test.put(bucket, 'y', 'y', { encryption: dual })
    await expect(endless).rejects.toMatchObject({ code: 'ServiceUnavailable' })
  })

  it('takes no bucket key from the request, and none from the rule', async () => {
    const rule = { algorithm: 'aws:kms', keyId: 'deployment-key', bucketKeyEnabled: true, blocksSseC: false } as const
    bucket = await test.engine.changeBucket(bucket, { encryption: rule })
    const { encryption } = await test.put(bucket, 'x', 'x', { encryption: dual })
    expect(encryption).toEqual({ mode: 'dsse-kms', keyId: 'deployment-key', bucketKeyEnabled: false })
    const dualRule = { ...rule, algorithm: 'aws:kms:dsse', bucketKeyEnabled: false } as const
    bucket = await test.engine.changeBucket(bucket, { encryption: dualRule })
    expect((await test.put(bucket, 'y', 'y')).encryption).toEqual(encryption)
    const asked = test.put(bucket, 'z', 'z', { encryption: { mode: 'default', bucketKeyEnabled: true } })
    await expect(asked).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})

function keyCiphertext({ envelope }: ObjectVersion, isInner = false): Uint8Array {
  if (envelope.mode !== 'dsse-kms') throw new Error('not in two layers')
  return isInner ? envelope.innerDataKeyCiphertext : envelope.dataKeyCiphertext
}

function associated(name: string): Uint8Array {
  return Buffer.from(JSON.stringify({ 'aws:s3:arn': `arn:aws:s3:::${bucket.name}/${name}` }))
}
