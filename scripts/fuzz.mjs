#!/usr/bin/env node
/**
 * `npm run fuzz -- --seconds N [--seed S] [--bun]`: changed valid inputs for every parser (tests/fuzz/fuzz.test.ts). Ends with the
 * seed and the input that one of them did not deal with, if there is one.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkNode } from './check-node.mjs'

const usage = 'npm run fuzz -- --seconds N [--seed S] [--bun]'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')
try {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      seed: { type: 'string' },
      bun: { type: 'boolean', default: false },
    },
  })
  const numbers = [values.seconds, values.seed ?? '0']
  if (!numbers.every((text) => /^\d{1,10}$/.test(text)) || Number(values.seconds) === 0) throw new Error(usage)
  setUp()
  const program = values.bun ? bunProgram() : process.execPath
  if (program === undefined) throw new Error('Bun is not installed for this platform')
  const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'tests/fuzz/fuzz.test.ts']
  const { status } = spawnSync(program, [...(values.bun ? ['--bun'] : []), ...vitest], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      STRONGROOM_FUZZ_SECONDS: values.seconds,
      ...(values.seed === undefined ? {} : { STRONGROOM_FUZZ_SEED: values.seed }),
    },
  })
  process.exitCode = status ?? 1
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
