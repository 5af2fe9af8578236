/**
 * Shared data keys under pressure: what is handed out is always the key that its ciphertext holds.
 *
 * @module
 */

import { BoundedKms, DelegatingKms, KeyService, type KeyStateView, MemoryKeyStore } from '@strongroom/kms'
import { describe, expect, test } from 'vitest'
import { DataKeyPool, type DataKeyScope } from './data-key-pool.ts'

const bucketId = Buffer.alloc(16, 1)
const keyId = Buffer.alloc(16, 2)

function scope(number: number): DataKeyScope {
  return { bucketId, keyId, keyName: 'key', kmsContext: Buffer.from(`context ${number}`), accountId: '100000000001' }
}

async function serviceWithKey(): Promise<KeyService> {
  const kms = new KeyService(new MemoryKeyStore())
  await kms.createKey('key')
  return kms
}

describe('the pool of shared data keys', () => {
  test('more scopes at one moment than it keeps get keys that their ciphertexts hold, none of them zeroed', async () => {
    const kms = await serviceWithKey()
    const pool = new DataKeyPool({ kms, now: () => 0, maxEntries: 2 })
    const scopes = Array.from({ length: 8 }, (_, number) => scope(number))
    const keys = await Promise.all(scopes.map((each) => pool.take(each)))
    for (const [index, { plaintext, ciphertext, keyVersion }] of keys.entries()) {
      const opened = await kms.decrypt('key', keyVersion, ciphertext, scope(index).kmsContext)
      expect(Buffer.from(plaintext).equals(opened)).toBe(true)
    }
    pool.close()
    await kms.close()
  })

  test('the pool that is closed while a key is on its way hands out no zeroed one', async () => {
    const kms = await serviceWithKey()
    const pool = new DataKeyPool({ kms, now: () => 0 })
    const taking = pool.take(scope(1))
    pool.close()
    const { plaintext, ciphertext, keyVersion } = await taking
    expect(Buffer.from(plaintext).equals(await kms.decrypt('key', keyVersion, ciphertext, scope(1).kmsContext))).toBe(
      true,
    )
    await kms.close()
  })

  test('objects do not make calls of a key service that cannot tell the state of keys by itself', async () => {
    const calls: string[] = []
    const overWire = new (class extends DelegatingKms {
      protected override call<T, O>(operation: string, _name: string, options: O, run: (options: O) => Promise<T>) {
        calls.push(operation)
        return run(options)
      }
    })(await serviceWithKey())
    const kms = new BoundedKms(overWire)
    const pool = new DataKeyPool({ kms, now: () => 0 })
    for (let object = 0; object < 5; object += 1) await pool.take(scope(1))
    expect(calls).toEqual(['describeKey', 'generateDataKey'])
    pool.close()
    await kms.close()
  })

  test('a key that was made anew under its name gets a data key of its own', async () => {
    const kms = await serviceWithKey()
    const pool = new DataKeyPool({ kms, now: () => 0 })
    await pool.take(scope(1))
    await kms.deleteKey('key')
    await kms.createKey('key')
    const { plaintext, ciphertext, keyVersion } = await pool.take(scope(1))
    expect(Buffer.from(plaintext).equals(await kms.decrypt('key', keyVersion, ciphertext, scope(1).kmsContext))).toBe(
      true,
    )
    pool.close()
    await kms.close()
  })

  test('keeps no key beyond its time, asked for or not', async () => {
    const made: Uint8Array[] = []
    const inner = await serviceWithKey()
    const kms = Object.assign(Object.create(inner) as KeyService, {
      peekState: (name: string): KeyStateView | undefined => inner.peekState(name),
      keyState: (name: string) => inner.keyState(name),
      generateDataKey: async (name: string, context: Uint8Array) => {
        const key = await inner.generateDataKey(name, context)
        made.push(key.plaintext)
        return key
      },
    })
    let nowMs = 0
    const pool = new DataKeyPool({ kms, now: () => nowMs, maxAgeMs: 1_000 })
    await pool.take(scope(1))
    expect(made[0]?.some((byte) => byte !== 0)).toBe(true)
    nowMs = 1_000
    pool.sweep()
    expect(made[0]?.every((byte) => byte === 0)).toBe(true)
    pool.close()
    await inner.close()
  })
})
