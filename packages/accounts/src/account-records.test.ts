import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { accessKeyKey, accountAccessKeyKey, accountKey, accountNameKey, firstAccountKey } from './account-keys.ts'
import {
  type AccessKeyRecord,
  type AccountRecord,
  openAccessKey,
  openAccount,
  openId,
  type RecordSealing,
  sealId,
  sealRecord,
} from './account-records.ts'

interface Vector {
  readonly table: 'account' | 'accountName' | 'accessKey' | 'accountAccessKey' | 'firstAccount'
  readonly values: readonly [string, string]
  readonly key: string
  readonly record?: AccountRecord & AccessKeyRecord
  readonly id?: string
  readonly unsealed: string
}

const file = join(import.meta.dirname, '../testdata/account-records.json')
const vectors: readonly Vector[] = JSON.parse(readFileSync(file, 'utf8'))

/** Shows what would be sealed. */
const clear: RecordSealing = { seal: (_, body) => Uint8Array.from(body), open: (_, sealed) => Uint8Array.from(sealed) }

const keyOf = {
  account: ([id]) => accountKey.encode(id),
  accountName: ([name]) => accountNameKey.encode(name),
  accessKey: ([id]) => accessKeyKey.encode(id),
  accountAccessKey: ([account, id]) => accountAccessKeyKey.encode(account, id),
  firstAccount: ([name]) => firstAccountKey.encode(name),
} as const satisfies Record<Vector['table'], (values: Vector['values']) => Uint8Array>

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('the format of account records', () => {
  it.each(vectors)('$table is what its document says', ({ table, values, key, record, id, unsealed }) => {
    const kvKey = keyOf[table](values)
    expect(hex(kvKey)).toBe(key)
    const body = record === undefined ? sealId(clear, kvKey, id ?? '') : sealRecord(clear, kvKey, record)
    expect(hex(body)).toBe(unsealed)
    const stored = Buffer.from(unsealed, 'hex')
    const opened = {
      account: () => openAccount(clear, kvKey, stored),
      accessKey: () => openAccessKey(clear, kvKey, stored),
      accountName: () => openId(clear, kvKey, stored),
      accountAccessKey: () => openId(clear, kvKey, stored),
      firstAccount: () => openId(clear, kvKey, stored),
    }[table]()
    expect(opened).toEqual(record ?? id)
  })
})
