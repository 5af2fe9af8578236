/**
 * The vectors of docs/formats/metadata-records.md: every kind of record, its bytes, and the bytes of its key.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeBucketRecord } from './bucket-record.ts'
import { decodeBlobRecord, decodeGarbageRecord, decodeSessionRecord } from './housekeeping-records.ts'
import { decodeKeyRecord } from './key-record.ts'
import { decodeObjectRecord } from './object-record.ts'
import { decodePartTableChunk } from './part-table.ts'
import * as tables from './tables.ts'
import { decodePartRecord, decodeUploadRecord } from './upload-record.ts'

interface RecordVector {
  readonly name: string
  readonly table: string
  readonly key: string
  readonly keyElements: readonly (string | number)[]
  readonly body: string
  readonly record: unknown
}

const vectors: readonly RecordVector[] = JSON.parse(
  readFileSync(new URL('../testdata/records.json', import.meta.url), 'utf8'),
)
const document = readFileSync(new URL('../../../docs/formats/metadata-records.md', import.meta.url), 'utf8')

const tablesByName = new Map<string, unknown>(Object.entries(tables))

const decoders: Readonly<Record<string, (body: Uint8Array) => unknown>> = {
  bucketKey: decodeBucketRecord,
  keyKey: decodeKeyRecord,
  objectKey: decodeObjectRecord,
  versionKey: decodeObjectRecord,
  uploadKey: decodeUploadRecord,
  partKey: decodePartRecord,
  manifestKey: decodePartTableChunk,
  blobKey: decodeBlobRecord,
  garbageUploadKey: decodeGarbageRecord,
  sessionKey: decodeSessionRecord,
}

/** Bytes as `0x…`, maps as lists of pairs. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (value instanceof Map) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

describe.each(vectors)('$name', ({ table, key, keyElements, body, record }) => {
  it('decodes to what the vector says, at the key that it says', () => {
    expect(plain(decoders[table]?.(Buffer.from(body, 'hex')))).toEqual(record)
    const definition = tablesByName.get(table)
    const { decode } = definition as { decode: (key: Uint8Array) => unknown }
    expect(plain(decode(Buffer.from(key, 'hex')))).toEqual(keyElements)
  })

  it('is shown in the document', () => {
    expect(document).toContain(body)
    expect(document).toContain(key)
  })
})

describe('the document', () => {
  it('lists every table with its tag', () => {
    for (const [name, table] of tablesByName) {
      if (typeof table !== 'object' || table === null || !('tag' in table)) continue
      const tag = Number(table.tag).toString(16).padStart(2, '0')
      expect(document, name).toMatch(new RegExp(`^\\| \`${tag}\` `, 'm'))
    }
  })
})
