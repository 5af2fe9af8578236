/**
 * What the binding's errors mean.
 *
 * @module
 */

import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { StorageError } from '../../storage-error.ts'
import { commitErrorOf, storageErrorOf } from './lmdb-errors.ts'

const withCode = (code: number) => Object.assign(new Error(`error ${code}`), { code })
const { ENOSPC, EDQUOT, EFBIG, EIO, EACCES } = constants.errno

test.each([
  [ENOSPC, 'full'],
  [EDQUOT, 'full'],
  [EFBIG, 'full'],
  [-30792, 'full'],
  [-30796, 'corrupt'],
  [-30793, 'corrupt'],
  [-30795, 'unavailable'],
  [EACCES, 'unavailable'],
])('code %i is %s', (code, expected) => {
  const error = storageErrorOf(withCode(code), 'while testing')
  expect(error).toMatchObject({ code: expected, message: `while testing: error ${code}`, cause: { code } })
})

test('a runtime error, a storage error and something that is no error at all keep what they say', () => {
  const system = Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -ENOSPC })
  expect(storageErrorOf(system, 'x').code).toBe('full')
  const own = new StorageError('truncated', 'y')
  expect(storageErrorOf(own, 'x')).toBe(own)
  expect(storageErrorOf('text', 'x')).toMatchObject({ code: 'unavailable', message: 'x: text' })
})

/** As the binding rejects: the reason is behind another promise. */
const rejection = (reason: Promise<unknown>) => Object.assign(new Error('Commit failed'), { commitError: reason })

test('the reason of a failed commit is fetched and handled', async () => {
  const never = async () => {
    throw new Error('not to be asked')
  }
  expect(await commitErrorOf(rejection(Promise.reject(withCode(ENOSPC))), never)).toMatchObject({ code: 'full' })
  expect(await commitErrorOf(withCode(-30796), never)).toMatchObject({ code: 'corrupt' })
})

test('a short write, which LMDB reports as EIO, is full where there is no room left', async () => {
  const short = () => rejection(Promise.reject(withCode(EIO)))
  expect(await commitErrorOf(short(), async () => true)).toMatchObject({ code: 'full' })
  expect(await commitErrorOf(short(), async () => false)).toMatchObject({ code: 'unavailable' })
})

test('a reason that never comes does not hold up the commit', async () => {
  const silent = rejection(new Promise(() => {}))
  expect(await commitErrorOf(silent, async () => false, 1)).toMatchObject({ code: 'unavailable' })
})
