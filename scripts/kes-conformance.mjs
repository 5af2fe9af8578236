#!/usr/bin/env node
/**
 * `npm run kes-conformance`: makes the tree ready, then replays what real KES was asked; `-- --help` says how.
 *
 * @module
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNode } from './check-node.mjs'

checkNode()
try {
  const { setUp } = await import('./setup.mjs')
  const { root } = await import('./runtime.mjs')
  setUp()
  const { runConformance } = await import(pathToFileURL(join(root, 'packages/kes/dist/conformance/main.js')).href)
  const write = (text) => process.stdout.write(text)
  process.exitCode = await runConformance(process.argv.slice(2), join(root, 'packages/kes/testdata/kes'), write)
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
