/**
 * Laws of the record codecs: what was encoded decodes to the same record, and nothing else does.
 *
 * @module
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBucketRecord, decodeBucketTags, encodeBucketRecord, encodeBucketTags } from './bucket-record.ts'
import { decodeDetails, encodeDetails } from './details.ts'
import {
  decodeBlobRecord,
  decodeGarbageRecord,
  decodeSessionRecord,
  encodeBlobRecord,
  encodeGarbageRecord,
  encodeSessionRecord,
} from './housekeeping-records.ts'
import { decodeKeyRecord, encodeKeyRecord } from './key-record.ts'
import { decodeObjectHead, decodeObjectRecord, encodeObjectRecord } from './object-record.ts'
import { decodePartTableChunk, encodePartTable } from './part-table.ts'
import {
  bucketRecords,
  bytesOf,
  detailsArbitrary,
  keyRecords,
  objectRecords,
  partRecords,
  tableParts,
  tagsArbitrary,
  uploadRecords,
} from './records.fixture.ts'
import { decodePartRecord, decodeUploadRecord, encodePartRecord, encodeUploadRecord } from './upload-record.ts'

interface Codec<T> {
  readonly name: string
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T) => Buffer
  readonly decode: (bytes: Uint8Array) => T
}

function codec<T>(
  name: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Buffer,
  decode: (bytes: Uint8Array) => T,
): Codec<unknown> {
  return { name, values, encode: (value) => encode(value as T), decode }
}

const codecs = [
  codec('object', objectRecords, encodeObjectRecord, decodeObjectRecord),
  codec('bucket', bucketRecords, encodeBucketRecord, decodeBucketRecord),
  codec('key', keyRecords, encodeKeyRecord, decodeKeyRecord),
  codec('upload', uploadRecords, encodeUploadRecord, decodeUploadRecord),
  codec('part', partRecords, encodePartRecord, decodePartRecord),
  codec('bucket tags', tagsArbitrary, encodeBucketTags, decodeBucketTags),
  codec('details', detailsArbitrary, encodeDetails, (bytes) => decodeDetails(bytes, undefined)),
  codec('blob', fc.record({ count: fc.nat().map((n) => n + 1) }), encodeBlobRecord, decodeBlobRecord),
  codec(
    'garbage',
    fc.record({ sinceMs: fc.nat(), includedParts: bytesOf(0, 1_250) }),
    encodeGarbageRecord,
    decodeGarbageRecord,
  ),
  codec(
    'session',
    fc.record({ startedAtMs: fc.nat(), state: fc.constantFrom('open', 'ended', 'settled') }),
    encodeSessionRecord,
    decodeSessionRecord,
  ),
]

describe.each(codecs)('the $name record', ({ values, encode, decode }) => {
  it('decodes to what was encoded', () => {
    fc.assert(fc.property(values, (value) => void expect(decode(encode(value))).toEqual(value)))
  })

  it('is refused as corrupt when it is cut short, longer, or of another format', () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const bytes = encode(value)
        const short = bytes.subarray(0, cut % bytes.length)
        const other = Buffer.from(bytes)
        other[0] = 99
        for (const bad of [short, Buffer.concat([bytes, Buffer.of(0)]), other]) {
          expect(() => decode(bad)).toThrow(expect.objectContaining({ code: 'corrupt' }))
        }
      }),
    )
  })

  it('gives one exact error, or a record that encodes to the same bytes, for whatever bytes', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(255), (value, at, byte) => {
        const bytes = Buffer.from(encode(value))
        bytes[at % bytes.length] = byte
        let decoded: unknown
        try {
          decoded = decode(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'corrupt' })
          return
        }
        expect(decode(encode(decoded))).toEqual(decoded)
      }),
    )
  })
})

describe('the head of an object record', () => {
  it('agrees with the whole record', () => {
    fc.assert(
      fc.property(objectRecords, (record) => {
        expect(record).toMatchObject(decodeObjectHead(encodeObjectRecord(record)))
      }),
    )
  })
})

describe('a part table', () => {
  it('comes back from its chunks, none of which outgrows a value', () => {
    fc.assert(
      fc.property(tableParts, (parts) => {
        const chunks = encodePartTable(parts)
        expect(chunks.flatMap(decodePartTableChunk)).toEqual(parts)
        for (const chunk of chunks) expect(chunk.length).toBeLessThan(7_800)
      }),
    )
  })
})
