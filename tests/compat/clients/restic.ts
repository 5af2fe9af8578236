/**
 * restic, which cannot ask for an encryption: in buckets that encrypt by their own rule.
 *
 * @module
 */

import { expect } from 'vitest'
import type { ClientServer, Scenarios } from '../../support/client-server.ts'

async function backUp(server: ClientServer, bucket: string, algorithm: 'AES256' | 'aws:kms'): Promise<void> {
  await server.createBucket(bucket, algorithm)
  const settings = await server.variablesFor('restic')
  const endpoint = (settings.RESTIC_REPOSITORY ?? '').replace(/\/[^/]*$/, '')
  const folder = await server.folder(`restic ${algorithm}`, {
    ...settings,
    RESTIC_REPOSITORY: `${endpoint}/${bucket}`,
    RESTIC_PASSWORD: 'a password',
    RESTIC_CACHE_DIR: 'cache',
  })
  const restic = 'restic --quiet'
  await folder.shell(`${restic} init; ${restic} backup source`)
  const first = await folder.digests('source')
  expect(await server.encryptionOf(bucket, 'config')).toBe(algorithm)
  await folder.shell(`rm source/large; head -c 9000000 /dev/urandom > source/other; ${restic} backup source`)
  await folder.shell(`${restic} check --read-data`)
  expect(JSON.parse(await folder.shell('restic snapshots --json'))).toHaveLength(2)
  const [older] = JSON.parse(await folder.shell('restic snapshots --json'))
  await folder.shell(`${restic} restore ${older.id} --target back-first; ${restic} restore latest --target back-second`)
  expect(await folder.digests('back-first/source')).toEqual(first)
  expect(await folder.digests('back-second/source')).toEqual(await folder.digests('source'))
  const size = async () => JSON.parse(await folder.shell('restic stats --mode raw-data --json')).total_size
  const before = await size()
  await folder.shell(`${restic} forget --keep-last 1 --prune; ${restic} check --read-data`)
  expect(await size()).toBeLessThan(before - 20_000_000)
  await folder.shell(`${restic} restore latest --target back-third`)
  expect(await folder.digests('back-third/source')).toEqual(await folder.digests('source'))
}

export const resticScenarios: Scenarios = {
  'initialises, backs up, checks, restores and prunes where the bucket says SSE-S3': async (server) =>
    await backUp(server, 'restic-s3', 'AES256'),
  'initialises, backs up, checks, restores and prunes where the bucket says SSE-KMS': async (server) =>
    await backUp(server, 'restic-kms', 'aws:kms'),
}
