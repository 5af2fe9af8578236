/**
 * Which file systems LMDB may live on.
 *
 * @module
 */

import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { checkFileSystem, judgeFileSystem } from './file-system.ts'

test.each([
  [0x6969, 'network', 'NFS'],
  [0xff534d42, 'network', 'CIFS'],
  [0xff534d42 | 0, 'network', 'CIFS'],
  [0xfe534d42, 'network', 'SMB2'],
  [0x00c36400, 'network', 'CephFS'],
  [0x65735546, 'unknown', 'FUSE'],
] as const)('file system type %i is %s: %s', (type, kind, name) => {
  expect(judgeFileSystem(type)).toEqual({ kind, name })
})

test.each([0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x01021994, 0x794c7630])('local type %i is accepted', (type) => {
  expect(judgeFileSystem(type)).toEqual({ kind: 'local' })
})

test('refuses a network file system, warns about FUSE, says nothing of a local disk', async () => {
  const warnings: string[] = []
  const warn = (message: string) => void warnings.push(message)
  await expect(checkFileSystem('/data', warn, async () => ({ type: 0x6969 }))).rejects.toMatchObject({
    code: 'invalid',
  })
  expect(warnings).toEqual([])
  await checkFileSystem('/data', warn, async () => ({ type: 0x65735546 }))
  expect(warnings).toEqual([expect.stringContaining('FUSE')])
  await checkFileSystem(tmpdir(), warn)
  expect(warnings).toHaveLength(1)
})
