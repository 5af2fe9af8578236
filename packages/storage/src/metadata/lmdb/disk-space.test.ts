/**
 * The probe and the lock file.
 *
 * @module
 */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureLockFile, isFull } from './disk-space.ts'

test('a directory with room is not full, and the probe leaves nothing behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-probe-'))
  try {
    expect(await isFull(directory)).toBe(false)
    expect(await readdir(directory)).toEqual([])
    await ensureLockFile(directory)
    await ensureLockFile(directory)
    expect(await readdir(directory)).toEqual(['lock.mdb'])
  } finally {
    await rm(directory, { recursive: true })
  }
})
