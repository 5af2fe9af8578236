#!/usr/bin/env node
/**
 * `npm run workers-acceptance`: the acceptance suite with workers in every server. `-- --workers N`: so many, default 3;
 * `-- --bun`: on Bun. `npm test` runs a part of it (tests/acceptance/workers.test.ts).
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')

try {
  setUp()
  const args = process.argv.slice(2)
  const at = args.indexOf('--workers')
  const workers = at < 0 ? '3' : args[at + 1]
  if (!/^[1-9]\d{0,2}$/.test(workers ?? '')) throw new Error('--workers takes a number')
  const program = args.includes('--bun') ? bunProgram() : process.execPath
  if (program === undefined) throw new Error('Bun is not installed for this platform')
  const vitest = [...(args.includes('--bun') ? ['--bun'] : []), join(root, 'node_modules/vitest/vitest.mjs')]
  const env = { ...process.env, STRONGROOM_TEST_WORKERS: workers }
  const run = spawnSync(program, [...vitest, 'run', 'tests/acceptance'], { cwd: root, stdio: 'inherit', env })
  process.exitCode = run.status ?? 1
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
