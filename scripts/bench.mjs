#!/usr/bin/env node
/**
 * `npm run bench`: makes the tree ready, builds the bench, and runs it; `npm run bench -- --help` says what it can do.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
const fail = (error) => {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
Promise.all([import('./setup.mjs'), import('./runtime.mjs')])
  .then(([{ setUp }, { root }]) => {
    setUp()
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const built = spawnSync(process.execPath, [compiler, '-b', 'bench/tsconfig.json'], { cwd: root, stdio: 'inherit' })
    if (built.status !== 0) throw new Error('building the bench failed')
    return import('../bench/dist/main.js')
  })
  .then(({ runBench }) => runBench(process.argv.slice(2)))
  .then((code) => {
    process.exitCode = code
  })
  .catch(fail)
