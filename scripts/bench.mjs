#!/usr/bin/env node
/**
 * `npm run bench`: makes the tree ready, then measures; `npm run bench -- --help` says what.
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
  const { runBench } = await import(pathToFileURL(join(root, 'bench/dist/main.js')).href)
  process.exitCode = await runBench(process.argv.slice(2))
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
