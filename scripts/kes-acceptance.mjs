#!/usr/bin/env node
/**
 * `npm run kes-acceptance`: the acceptance suite with the keys of every server in a separate `strongroom kes server` process
 * over mTLS, and all that can go wrong between the two. `-- --bun`: on Bun; `-- --workers N`: with that many workers in the key
 * service. `npm test` runs a part of it.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')

/** What depends on where keys are. */
const files = [
  'smoke',
  'encryption-matrix',
  'precedence',
  'multipart',
  'versioning',
  'dual-layer',
  'kms-outage',
  'kes-outage',
  'kes-keys',
  'no-plaintext',
  'minio-wire',
  'minio-kms-wire',
].map((name) => `tests/acceptance/${name}.test.ts`)

try {
  setUp()
  const onBun = process.argv.includes('--bun')
  const at = process.argv.indexOf('--workers')
  const workers = at < 0 ? undefined : process.argv[at + 1]
  if (at >= 0 && !/^[1-9]\d{0,2}$/.test(workers ?? '')) throw new Error('--workers takes a number')
  const program = onBun ? bunProgram() : process.execPath
  if (program === undefined) throw new Error('Bun is not installed for this platform')
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const env = {
    ...process.env,
    STRONGROOM_TEST_KEYS: 'kes',
    ...(at < 0 ? {} : { STRONGROOM_TEST_KES_WORKERS: workers }),
  }
  const args = [...(onBun ? ['--bun'] : []), vitest, 'run', ...files]
  process.exitCode = spawnSync(program, args, { cwd: root, stdio: 'inherit', env }).status ?? 1
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
