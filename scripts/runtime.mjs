/**
 * Which runtime the program runs on, and where Bun is. A server runs on Bun where Bun runs, everything else in the Node.js process
 * that was started; STRONGROOM_RUNTIME=node|bun says otherwise (docs/adr/0012-a-server-runs-on-bun.md).
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

export const root = resolve(import.meta.dirname, '..')

/** The version that package-lock.json names or newer: what is older was never tested with. */
const oldestBun = [1, 4]

/**
 * The program file of Bun. Install scripts are off, so it lies in the platform's package, unless `npm rebuild` moved it
 * into `bun`, where a stub of some hundred bytes stands before.
 */
export function bunProgram() {
  const platforms = join(root, 'node_modules/@oven')
  const candidates = existsSync(platforms)
    ? readdirSync(platforms).flatMap((name) => ['bun', 'bun.exe'].map((file) => join(platforms, name, 'bin', file)))
    : []
  candidates.push(join(root, 'node_modules/bun/bin/bun.exe'))
  return candidates.find((file) => existsSync(file) && statSync(file).size > 1_000_000)
}

/** Where the runtime can (Node.js 22.8 on), compiled code is kept between starts. */
export function rememberCompiled() {
  module.enableCompileCache?.(join(root, 'node_modules/.cache/strongroom'))
}

/** Whether a file is a Bun that this machine can run; a processor or a C library may be too old for it. */
export function isWorkingBun(program) {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  const [major, minor] = (stdout ?? '').split('.').map(Number)
  return status === 0 && (major > oldestBun[0] || (major === oldestBun[0] && minor >= oldestBun[1]))
}

/** Whether a command is one that goes on: the object server, or the key service. */
export function isServer([command, subcommand]) {
  return command === 'server' || (command === 'kes' && subcommand === 'server')
}

/** The Bun to run `args` on, or undefined for this process. Throws with one clear line for a wish that cannot be met. */
function otherRuntime(args) {
  const wish = process.env.STRONGROOM_RUNTIME || undefined
  if (wish !== undefined && wish !== 'node' && wish !== 'bun') {
    throw new Error(`STRONGROOM_RUNTIME is node or bun, not "${wish}"`)
  }
  if (process.versions.bun !== undefined || wish === 'node') return undefined
  if (wish === undefined && !isServer(args)) return undefined
  const program = bunProgram()
  if (program !== undefined && isWorkingBun(program)) return program
  const why = program === undefined ? 'is not installed for this platform' : 'does not run on this machine'
  if (wish === 'bun') throw new Error(`STRONGROOM_RUNTIME asks for Bun, which ${why}`)
  console.error(`strongroom: running on Node.js, because Bun ${why}`)
  return undefined
}

/** Runs `main(args)` of the server package: in this process, or in a Bun that lives no longer than this process. */
export async function runMain(args) {
  const program = otherRuntime(args)
  process.exitCode = program === undefined ? await runHere(args) : await runOn(program, args)
}

async function runHere(args) {
  endWithParent()
  const { main } = await import(pathToFileURL(join(root, 'packages/server/dist/main.js')).href)
  return await main(args, {
    defaultData: join(root, 'data'),
    command: 'npx strongroom',
    runBench: async (given) => {
      const bench = await import(pathToFileURL(join(root, 'bench/dist/main.js')).href)
      return await bench.runBench(given)
    },
  })
}

/**
 * Bun's allocator gives memory back to the system after 10 ms and asks for it again at once: under load, page faults are
 * half of the work. Kept for a second, it is used again, and a burst of uploads does not stay in memory for good
 * (docs/adr/0022-large-blobs-past-the-page-cache.md; bench/src/server-process.ts starts servers with the same).
 */
const bunSettings = { MIMALLOC_PURGE_DELAY: '1000' }

/**
 * Of the key service: what it allocates is small and dies at once. By itself the collector waits the longer the more memory the
 * process has; after 24 MiB it takes no more processor time, and the process stays below 120 MiB (the bench does the same).
 */
const keyServiceSettings = { BUN_JSC_gcMaxHeapSize: String(24 * 1024 * 1024) }

/** The file descriptor of a pipe whose other end only the parent holds: the kernel closes it however the parent ends. */
const lifeline = 3

/**
 * Node.js 20 cannot replace itself by another program, so Bun becomes a child: with the same terminal, in a session of its own,
 * so that Ctrl-C reaches it once (from here) and not twice.
 */
function runOn(program, args) {
  const child = spawn(program, [join(root, 'scripts/strongroom.mjs'), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    detached: process.platform !== 'win32',
    // This process has made the tree ready.
    env: {
      ...bunSettings,
      ...(args[0] === 'kes' ? keyServiceSettings : {}),
      ...process.env,
      STRONGROOM_SETUP: 'off',
      STRONGROOM_LIFELINE: String(lifeline),
    },
  })
  child.stdio[lifeline].on('error', () => {})
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((done) => {
    child.once('error', (error) => {
      console.error(`strongroom: ${error.message}`)
      done(1)
    })
    child.once('exit', (code) => done(code ?? 1))
  })
}

/** In the child: stops as if asked to when the parent is gone, SIGKILL included. */
function endWithParent() {
  const descriptor = process.env.STRONGROOM_LIFELINE
  if (descriptor === undefined) return
  delete process.env.STRONGROOM_LIFELINE
  const pipe = connect({ fd: Number(descriptor) })
  const stop = () => {
    if (!process.emit('SIGTERM')) process.exit(1)
  }
  pipe.once('end', stop)
  pipe.once('error', stop)
  pipe.resume()
  pipe.unref()
}
