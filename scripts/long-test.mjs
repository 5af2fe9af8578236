/**
 * Runs one test file for longer than the suite does, from a seed: what `npm run model` and `npm run fuzz` have in common.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkNode } from './check-node.mjs'

/**
 * `npm run COMMAND -- --AMOUNT N [--seed S] [--bun]`, from the arguments of the process; sets its exit code. `file` is the
 * test, which reads the amount from `VARIABLE_AMOUNT` and the seed from `VARIABLE_SEED`.
 */
export async function runLongTest({ command, amount, usual, file, variable }) {
  checkNode()
  const { setUp } = await import('./setup.mjs')
  const { bunProgram, root } = await import('./runtime.mjs')
  try {
    const { values } = parseArgs({
      options: { [amount]: { type: 'string', default: usual }, seed: { type: 'string' }, bun: { type: 'boolean' } },
    })
    const numbers = [values[amount], values.seed ?? '0']
    if (!numbers.every((text) => /^\d{1,10}$/.test(text)) || Number(values[amount]) === 0) {
      throw new Error(`npm run ${command} -- --${amount} N [--seed S] [--bun]`)
    }
    setUp()
    const program = values.bun ? bunProgram() : process.execPath
    if (program === undefined) throw new Error('Bun is not installed for this platform')
    const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', file]
    const { status } = spawnSync(program, [...(values.bun ? ['--bun'] : []), ...vitest], {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        [`${variable}_${amount.toUpperCase()}`]: values[amount],
        ...(values.seed === undefined ? {} : { [`${variable}_SEED`]: values.seed }),
      },
    })
    process.exitCode = status ?? 1
  } catch (error) {
    console.error(`strongroom: ${error.message}`)
    process.exitCode = 1
  }
}
