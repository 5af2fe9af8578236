import { KeyService, MemoryKeyStore } from '@strongroom/kms'
import { describe, expect, it } from 'vitest'
import { importStaticKey } from './static-key.ts'

const staticKey = (byte: number): string => `my-key:${Buffer.alloc(32, byte).toString('base64')}`

describe('the static key of a MinIO environment', () => {
  it('is imported once, and is the same key at every later start, whatever versions it has got', async () => {
    const kms = new KeyService(new MemoryKeyStore())
    await importStaticKey(staticKey(1), kms)
    await importStaticKey(staticKey(1), kms)
    await kms.rotateKey('my-key')
    await importStaticKey(staticKey(1), kms)
    expect((await kms.describeKey('my-key')).currentVersion).toBe(2)
  })

  it('stops the start, without a word of its material, where the key store has another one of its name', async () => {
    const kms = new KeyService(new MemoryKeyStore())
    await importStaticKey(staticKey(1), kms)
    await expect(importStaticKey(staticKey(2), kms)).rejects.toMatchObject({
      code: 'invalid-settings',
      message: expect.not.stringContaining(staticKey(2).split(':')[1] ?? ''),
    })
  })

  it('does not keep a server from starting whose key is locked', async () => {
    const kms = new KeyService(new MemoryKeyStore())
    await importStaticKey(staticKey(1), kms)
    await kms.lockKey('my-key')
    await importStaticKey(staticKey(1), kms)
    expect((await kms.describeKey('my-key')).state).toBe('locked')
  })
})
