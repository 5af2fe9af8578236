#!/usr/bin/env node
/**
 * `npm run model -- --operations N [--seed S] [--bun]`: random requests against a model of S3 in memory, one in twenty of
 * them over the network (tests/faults/model.test.ts). Ends with the smallest trace that shows a difference, if there is one.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkNode } from './check-node.mjs'

const usage = 'npm run model -- --operations N [--seed S] [--bun]'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')
try {
  const { values } = parseArgs({
    options: {
      operations: { type: 'string', default: '100000' },
      seed: { type: 'string' },
      bun: { type: 'boolean', default: false },
    },
  })
  const numbers = [values.operations, values.seed ?? '0']
  if (!numbers.every((text) => /^\d{1,10}$/.test(text)) || Number(values.operations) === 0) throw new Error(usage)
  setUp()
  const program = values.bun ? bunProgram() : process.execPath
  if (program === undefined) throw new Error('Bun is not installed for this platform')
  const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'tests/faults/model.test.ts']
  const { status } = spawnSync(program, [...(values.bun ? ['--bun'] : []), ...vitest], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      STRONGROOM_MODEL_OPERATIONS: values.operations,
      ...(values.seed === undefined ? {} : { STRONGROOM_MODEL_SEED: values.seed }),
    },
  })
  process.exitCode = status ?? 1
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
