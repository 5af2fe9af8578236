/**
 * The records of accounts and access keys: a format number, then JSON, sealed whole under a metadata key with the key of the
 * entry as associated data (docs/formats/account-records.md).
 *
 * @module
 */

import { AccountsError } from './accounts-error.ts'

/** Seals records; `RecordSealer` of the crypto package is the one that counts. */
export interface RecordSealing {
  /** @param kvKey the entry's key, bound into the seal */
  seal(kvKey: Uint8Array, body: Uint8Array): Uint8Array
  /** @throws when the record was made for another key, altered, or sealed under an unknown metadata key */
  open(kvKey: Uint8Array, sealed: Uint8Array): Uint8Array
}

export interface AccountRecord {
  readonly name: string
  readonly createdAtMs: number
}

export interface AccessKeyRecord {
  readonly accountId: string
  readonly secretAccessKey: string
  readonly createdAtMs: number
}

const format = 1

type Field = 'string' | 'number'

const accountFields = { name: 'string', createdAtMs: 'number' } as const satisfies Record<keyof AccountRecord, Field>
const accessKeyFields = {
  accountId: 'string',
  secretAccessKey: 'string',
  createdAtMs: 'number',
} as const satisfies Record<keyof AccessKeyRecord, Field>

/** Seals one record for the entry at `kvKey`. */
export function sealRecord(
  sealer: RecordSealing,
  kvKey: Uint8Array,
  record: AccountRecord | AccessKeyRecord,
): Uint8Array {
  const body = Buffer.concat([Buffer.from([format]), Buffer.from(JSON.stringify(record))])
  try {
    return sealer.seal(kvKey, body)
  } finally {
    body.fill(0)
  }
}

/** @throws AccountsError `corrupt` */
export function openAccount(sealer: RecordSealing, kvKey: Uint8Array, sealed: Uint8Array): AccountRecord {
  return open<AccountRecord>(sealer, kvKey, sealed, accountFields)
}

/** @throws AccountsError `corrupt` */
export function openAccessKey(sealer: RecordSealing, kvKey: Uint8Array, sealed: Uint8Array): AccessKeyRecord {
  return open<AccessKeyRecord>(sealer, kvKey, sealed, accessKeyFields)
}

/** Seals the id that a name stands for. */
export function sealId(sealer: RecordSealing, kvKey: Uint8Array, id: string): Uint8Array {
  return sealer.seal(kvKey, Buffer.from(id))
}

/** @throws AccountsError `corrupt` */
export function openId(sealer: RecordSealing, kvKey: Uint8Array, sealed: Uint8Array): string {
  const id = Buffer.from(openBytes(sealer, kvKey, sealed)).toString('latin1')
  if (!/^\d{12}$/.test(id)) throw corrupt()
  return id
}

function open<T>(sealer: RecordSealing, kvKey: Uint8Array, sealed: Uint8Array, fields: Record<keyof T, Field>): T {
  const body = openBytes(sealer, kvKey, sealed)
  try {
    if (body[0] !== format) throw corrupt()
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset + 1, body.length - 1).toString())
    if (!hasFields<T>(value, fields)) throw corrupt()
    return value
  } catch (cause) {
    throw cause instanceof AccountsError ? cause : corrupt(cause)
  } finally {
    body.fill(0)
  }
}

function openBytes(sealer: RecordSealing, kvKey: Uint8Array, sealed: Uint8Array): Uint8Array {
  try {
    return sealer.open(kvKey, sealed)
  } catch (cause) {
    throw corrupt(cause)
  }
}

function hasFields<T>(value: unknown, fields: Record<keyof T, Field>): value is T {
  if (typeof value !== 'object' || value === null) return false
  const record = value as Readonly<Record<string, unknown>>
  return Object.entries(fields).every(([name, type]) => typeof record[name] === type)
}

function corrupt(cause?: unknown): AccountsError {
  return new AccountsError('corrupt', 'a record of an account or access key is damaged', { cause })
}
