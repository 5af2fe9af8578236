/**
 * Installs and builds what is missing, and does nothing (in some milliseconds) when nothing is: `npm start`, `npm test` and
 * `npx strongroom` all begin here. `node scripts/setup.mjs` does just this.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkNode } from './check-node.mjs'
import { root } from './runtime.mjs'

const stampFile = join(root, '.setup-stamp')
const lockFile = join(root, '.setup-lock')

const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read: ${error.message}`)
  }
}

/** What npm installed (its hidden lockfile) differs from what package-lock.json asks for. */
export function isInstallNeeded() {
  const wanted = readJson(join(root, 'package-lock.json'))
  const installed = readJson(join(root, 'node_modules/.package-lock.json'))
  if (wanted === undefined || installed === undefined) return true
  return Object.entries(wanted.packages).some(([path, { version, optional, peer, link }]) => {
    if (!path.startsWith('node_modules/') || optional || peer || link) return false
    return installed.packages[path]?.version !== version
  })
}

/** Directories that are built, relative to the root. */
const projects = () =>
  [...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`), 'bench']
    .filter((directory) => existsSync(join(root, directory, 'tsconfig.json')))
    .sort()

function* sourceFiles() {
  for (const directory of projects()) {
    yield join(directory, 'package.json')
    yield join(directory, 'tsconfig.json')
    const sources = existsSync(join(root, directory, 'src'))
      ? readdirSync(join(root, directory, 'src'), { recursive: true })
      : []
    for (const file of sources.sort()) {
      if (file.endsWith('.ts') && !/\.(test|suite|fixture)\.ts$/.test(file)) yield join(directory, 'src', file)
    }
  }
  yield 'tsconfig.base.json'
}

/** Changes whenever a source file is added, removed or written. */
function fingerprint() {
  const hash = createHash('sha256')
  for (const file of sourceFiles()) {
    const { size, mtimeMs } = statSync(join(root, file))
    hash.update(`${file}\0${size}\0${mtimeMs}\0`)
  }
  return hash.digest('hex')
}

const isBuildNeeded = () =>
  !existsSync(join(root, 'packages/server/dist/main.js')) || readJson(stampFile)?.sources !== fingerprint()

function run(what, program, args) {
  console.error(`strongroom: ${what} …`)
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    // npm start sets npm_config_* for its own run; a nested npm must not take them for wishes.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))),
    shell: process.platform === 'win32',
  })
  if (error === undefined && status === 0) return
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  throw new Error(`${what} failed${error === undefined ? '' : `: ${error.message}`}`)
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Two starts at once in one tree: the second waits for the first one's build instead of disturbing it. */
function takeLock() {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    try {
      const file = openSync(lockFile, 'wx')
      writeSync(file, `${process.pid}`)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const holder = existsSync(lockFile) ? Number(readFileSync(lockFile, 'utf8')) : 0
      // An empty file is one whose maker has not written its number yet.
      if (holder > 0 && !isAlive(holder)) rmSync(lockFile, { force: true })
      else Atomics.wait(pause, 0, 0, 100)
    }
  }
}

/** Makes the tree ready to run. Throws with one clear line when it cannot. */
export function setUp() {
  // Tests that start the program many times make the tree ready once.
  if (process.env.STRONGROOM_SETUP === 'off') return
  if (!isInstallNeeded() && !isBuildNeeded()) return
  takeLock()
  try {
    if (isInstallNeeded()) {
      run('installing what package-lock.json names', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
    }
    if (isBuildNeeded()) {
      const sources = fingerprint()
      const configs = projects().map((directory) => `${directory}/tsconfig.json`)
      run('building', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...configs])
      writeFileSync(stampFile, JSON.stringify({ sources }))
    }
  } finally {
    rmSync(lockFile, { force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode()
  try {
    setUp()
  } catch (error) {
    console.error(`strongroom: ${error.message}`)
    process.exitCode = 1
  }
}
