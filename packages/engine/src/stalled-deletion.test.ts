/**
 * A deletion of a key that stands still for longer than a dead one is waited for: by a slow key service, or by a clock that
 * was put forward.
 *
 * @module
 */

import { expect, it } from 'vitest'
import { createTestEngine, rootRequester } from './engine.fixture.ts'
import { expectExactBooks } from './recount.fixture.ts'

it('is the only one: none comes between it and a new key of this name', async () => {
  const test = await createTestEngine()
  const bucket = await test.bucket('bucket')
  const kms = { encryption: { mode: 'sse-kms', keyId: 'k' } } as const
  await test.engine.createKey({ requester: rootRequester, name: 'k' })
  let goOn = () => {}
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const destroy = test.kms.deleteKey.bind(test.kms)
  const begun = new Promise<void>((resolve) => {
    test.kms.deleteKey = async (name) => {
      resolve()
      await stalled
      await destroy(name)
    }
  })
  const first = test.engine.deleteKey('k')
  await begun
  test.clock.nowMs += 7_200_000
  await expect(test.engine.deleteKey('k')).rejects.toMatchObject({ code: 'OperationAborted' })
  await test.engine.sweep()
  await expect(test.put(bucket, 'x', 'x', kms)).rejects.toMatchObject({ code: 'KMS.KMSInvalidStateException' })
  goOn()
  await first
  await test.engine.createKey({ requester: rootRequester, name: 'k' })
  await test.put(bucket, 'x', 'x', kms)
  expect((await test.get(bucket, 'x')).bytes.toString()).toBe('x')
  await expectExactBooks(test)
})
