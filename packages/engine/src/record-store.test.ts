import { randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { encodeObjectRecord, type ObjectVersion } from './object-record.ts'
import { RecordStore } from './record-store.ts'

const record: ObjectVersion = {
  kind: 'object',
  sequence: 7,
  isNull: true,
  inVersions: false,
  lastModifiedMs: 1_790_000_000_000,
  ownerAccountId: '100000000001',
  sizeBytes: 0,
  etag: { digest: Buffer.alloc(16, 1), partCount: 0 },
  tagCount: 0,
  details: { metadata: { userMetadata: new Map() }, tags: [] },
  envelope: {
    mode: 'none',
    form: 'object',
    iv: Buffer.alloc(32, 2),
    sealedObjectKey: Buffer.alloc(64, 3),
    keyringKeyId: 1,
    salt: Buffer.alloc(16, 4),
  },
  data: { kind: 'none' },
}

const key = Buffer.from('a place')
const sealer = new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) })
let opened: number
let store: RecordStore

const entryOf = (at: Uint8Array, value: Uint8Array) => ({ key: at, value: Buffer.from(value), version: 1 })
const sealed = (changes: Partial<ObjectVersion> = {}) => sealer.seal(key, encodeObjectRecord({ ...record, ...changes }))

beforeEach(() => {
  opened = 0
  store = new RecordStore({
    seal: (at, body) => sealer.seal(at, body),
    open: (at, bytes) => {
      opened += 1
      return sealer.open(at, bytes)
    },
  })
})

describe('records of objects that are kept decoded', () => {
  it('opens the same bytes under the same key once', () => {
    const value = sealed()
    const first = store.decodedObject(entryOf(key, value))
    expect(first).toEqual(record)
    expect(store.decodedObject(entryOf(key, value))).toBe(first)
    expect(opened).toBe(1)
  })

  it('takes no record for what it said before it was overwritten, though its entry had the same version', () => {
    store.decodedObject(entryOf(key, sealed()))
    expect(store.decodedObject(entryOf(key, sealed({ tagCount: 3 })))).toMatchObject({ tagCount: 3 })
  })

  it('does not look at memory that was lent to it again', () => {
    const lent = entryOf(key, sealed())
    store.decodedObject(lent)
    const other = entryOf(key, sealed({ tagCount: 3 }))
    lent.value.set(other.value)
    expect(store.decodedObject(other)).toMatchObject({ tagCount: 3 })
  })

  it('refuses a record that was changed in any byte, or moved, after it was read', () => {
    const value = sealed()
    store.decodedObject(entryOf(key, value))
    for (let at = 0; at < value.length; at += 1) {
      const changed = Buffer.from(value)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => store.decodedObject(entryOf(key, changed))).toThrow()
    }
    expect(() => store.decodedObject(entryOf(key, value.subarray(0, -1)))).toThrow()
    expect(() => store.decodedObject(entryOf(Buffer.from('a pl4ce'), value))).toThrow()
    expect(store.decodedObject(entryOf(key, value))).toEqual(record)
  })

  it('keeps no long record', () => {
    const userMetadata = new Map([['note', 'x'.repeat(1_024)]])
    const value = sealed({ details: { metadata: { userMetadata }, tags: [] } })
    store.decodedObject(entryOf(key, value))
    store.decodedObject(entryOf(key, value))
    expect(opened).toBe(2)
  })
})
