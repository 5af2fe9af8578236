#!/usr/bin/env node
/**
 * The `strongroom` command of a checkout: makes the tree ready, then runs the command line.
 *
 * @module
 */
import { checkNode } from './check-node.mjs'

checkNode()
const fail = (error) => {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
Promise.all([import('./setup.mjs'), import('./runtime.mjs')])
  .then(([{ setUp }, { runMain, rememberCompiled }]) => {
    setUp()
    rememberCompiled()
    return runMain(process.argv.slice(2))
  })
  .catch(fail)
