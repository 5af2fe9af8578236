#!/usr/bin/env node
/**
 * `npm run matrices`: runs the fault and tamper matrices and writes what they observe to docs/reference/kms-faults.md and
 * docs/reference/tamper.md; with `--check`, compares the pages with it instead. `npm test` fails when a page is not what is
 * observed, but makes each change of the tamper matrix in one way only.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { root } = await import('./runtime.mjs')
try {
  setUp()
  const files = ['tests/faults/kms-fault-matrix.test.ts', 'tests/faults/tamper-matrix.test.ts']
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const wanted = process.argv.includes('--check') ? 'STRONGROOM_WHOLE_MATRICES' : 'STRONGROOM_WRITE_MATRICES'
  const env = { ...process.env, [wanted]: 'on' }
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...files], { cwd: root, stdio: 'inherit', env })
  process.exitCode = status ?? 1
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
