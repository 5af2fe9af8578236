#!/usr/bin/env node
/**
 * `npm start`: makes the tree ready, then runs `strongroom server` with the arguments it was given.
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
    return runMain(['server', ...process.argv.slice(2)])
  })
  .catch(fail)
