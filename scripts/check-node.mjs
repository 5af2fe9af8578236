/**
 * Says in one line that Node.js is too old, and stops. Imports nothing and uses no new syntax, so that an old Node.js
 * gets to run it.
 *
 * @module
 */

export const oldestNode = [20, 19]

export function checkNode() {
  const parts = process.versions.node.split('.')
  const major = Number(parts[0])
  const minor = Number(parts[1])
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  console.error(
    'Strongroom needs Node.js ' +
      oldestNode.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      '. Nothing was changed.',
  )
  process.exit(1)
}
