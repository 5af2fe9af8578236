/**
 * The vectors of docs/formats/envelopes.md.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { RecordReader, RecordWriter } from './codec.ts'
import { envelopeKeyOf, sealForVersion, unsealVersion } from './envelope.ts'
import { readEnvelope, writeEnvelope } from './envelope-record.ts'
import { envelopeVectors } from './envelope-vectors.fixture.ts'
import type { LayerKeys } from './layer-keys.ts'

const document = readFileSync(new URL('../../../docs/formats/envelopes.md', import.meta.url), 'utf8')

const manifest = {
  kind: 'manifest',
  partCount: 1,
  chunkCount: 1,
  tableDigest: Buffer.alloc(32),
  sealedTableKey: Buffer.alloc(64),
}

const layers = (outer: Buffer, inner: Buffer | undefined): LayerKeys => (inner ? { outer, inner } : { outer })

describe.each(envelopeVectors)('the envelope of $name', (vector) => {
  const { name, encoded, content, envelope } = vector
  const dataKey = layers(vector.dataKey, vector.innerDataKey)
  const objectKey = layers(vector.objectKey, vector.innerObjectKey)

  it('gives the object key', () => {
    expect(unsealVersion(dataKey, envelope, content)).toEqual(objectKey)
  })

  it('is stored as the bytes that the document shows', () => {
    const writer = new RecordWriter(1)
    writeEnvelope(writer, envelope)
    const record = writer.finish()
    expect(record.subarray(1)).toEqual(encoded)
    expect(readEnvelope(new RecordReader(record, 'test', 1))).toEqual(envelope)
    expect(document).toContain(encoded.toString('hex'))
    expect(document).toContain(name)
  })

  it('opens with no other data key, of no layer', () => {
    const changed = (key: Buffer) => Buffer.from(key.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))
    const { outer, inner } = dataKey
    const others = [
      layers(changed(outer), inner),
      ...(inner ? [layers(outer, changed(inner)), layers(inner, outer)] : []),
    ]
    for (const other of others) {
      expect(() => unsealVersion(other, envelope, content)).toThrow(expect.objectContaining({ code: 'not-authentic' }))
    }
  })

  it.each(Object.keys(content))('opens with another %s only if it is not bound to that', (field) => {
    // The upload's form is bound to less: docs/formats/envelopes.md.
    const bound = envelope.form === 'object' ? Object.keys(content) : ['bucketId', 'name', 'data']
    const different: Record<string, unknown> = {
      bucketId: Buffer.alloc(16, 0xee),
      name: 'other',
      sequence: 1,
      isNull: !content.isNull,
      sizeBytes: content.sizeBytes + 1,
      etag: { digest: Buffer.alloc(16, 0xee), partCount: 0 },
      checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' },
      data: { ...manifest, id: Buffer.alloc(16, 0xee) },
      context: Buffer.from('{"other":"context"}'),
    }
    const unseal = () => unsealVersion(dataKey, envelope, { ...content, [field]: different[field] })
    if (bound.includes(field)) expect(unseal).toThrow(expect.objectContaining({ code: 'not-authentic' }))
    else expect(unseal()).toEqual(objectKey)
  })

  it('sealed anew is another one that opens the same way', () => {
    const again = sealForVersion(dataKey, envelopeKeyOf(envelope), content, objectKey, (size) => Buffer.alloc(size, 9))
    expect(again.sealedObjectKey).not.toEqual(envelope.sealedObjectKey)
    expect(unsealVersion(dataKey, again, content)).toEqual(objectKey)
  })
})
