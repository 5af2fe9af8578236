#!/usr/bin/env node
/**
 * `npm test`: makes the tree ready, runs every test on Node.js (`npm test -- --bun`: on Bun) and says which client
 * programs were not there to be tested with. `npm test -- --clients`: all that the clients do, and nothing else. Other arguments
 * go to vitest.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')

/** Client programs that the acceptance tests use when they are installed; `.ci/run` installs them all. */
const clients = { 'aws-cli': 'aws', s3cmd: 's3cmd', rclone: 'rclone', restic: 'restic' }

const isInstalled = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, program)))

const hasBoto3 = () => spawnSync('python3', ['-c', 'import boto3'], { stdio: 'ignore' }).status === 0

const missing = Object.entries(clients)
  .filter(([, program]) => !isInstalled(program))
  .map(([name]) => name)
if (!hasBoto3()) missing.push('boto3')
// AWS Secrets Manager as others wrote it: a Python that has it is named, because it is never the system's.
if (!process.env.STRONGROOM_TEST_MOTO) missing.push('moto')

try {
  setUp()
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exit(1)
}
const args = process.argv.slice(2)
const onBun = args.includes('--bun')
const onlyClients = args.includes('--clients')
const program = onBun ? bunProgram() : process.execPath
if (program === undefined) {
  console.error('strongroom: Bun is not installed for this platform')
  process.exit(1)
}
const { status } = spawnSync(
  program,
  [
    ...(onBun ? ['--bun'] : []),
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    ...args.filter((arg) => arg !== '--bun' && arg !== '--clients'),
    ...(onlyClients ? ['tests/compat/clients.test.ts'] : []),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, ...(onlyClients ? { STRONGROOM_TEST_CLIENTS: 'all' } : {}) } },
)
if (missing.length > 0) {
  console.log(
    `Not tested, because they are not installed here: ${missing.join(', ')}. (.ci/run installs them on Debian and Ubuntu.)`,
  )
}
process.exitCode = status ?? 1
