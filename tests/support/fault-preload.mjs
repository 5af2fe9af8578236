/**
 * Loaded into the server program before everything else (`--import`, on Bun `--preload`) by fault tests: counts the steps
 * that the program takes on its data directory, and at the step that the test names ends the process, makes the call fail,
 * or loses the power. A server that does not load this file pays nothing for it.
 *
 * A step is a call of `node:fs/promises` or of a file handle on a path in the data directory, or one of three moments of an
 * LMDB transaction: before it begins, between the last change and the commit, and between the commit and the news of it.
 * It also sets the clock. The test speaks to it over the IPC channel; see `fault-server.ts`.
 *
 * @module
 */

import fs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/**
 * What is to be done: `at` is a step's number, from 1; `only` names the operations that count.
 *
 * @type {{ kind: 'off' | 'count' | 'kill' | 'fail', root: string, at: number, isSticky: boolean, code: string,
 *   only: string[] | undefined, shadow: string | undefined }}
 */
let plan = { kind: 'off', root: '', at: 0, isSticky: false, code: 'EIO', only: undefined, shadow: undefined }
let taken = 0
let steps = []

/** Calls that change something or make it durable: the ones around which a crash may fall. */
const changing = new Set(['mkdir', 'unlink', 'rmdir', 'rename', 'link', 'rm', 'create', 'write', 'sync', 'lmdb'])

const isWatched = (path) => plan.kind !== 'off' && (path === plan.root || String(path).startsWith(`${plan.root}/`))

function failure(operation, path) {
  const error = new Error(`${plan.code}: injected by a test, ${operation} '${path}'`)
  return Object.assign(error, { code: plan.code, errno: -(constants.errno[plan.code] ?? 5), syscall: operation, path })
}

/** Ends the process as a power switch does: nothing below this line runs. */
function die() {
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
}

/** One step. Throws the injected error, or dies, if it is this one's turn; after `first`, where something can be half done. */
function step(operation, path, detail = '', first = () => {}) {
  if (!isWatched(path)) return
  if (plan.kind !== 'fail' && !changing.has(operation)) return
  if (plan.only !== undefined && !plan.only.includes(operation)) return
  if (plan.kind === 'fail' && operation === 'lmdb') return
  taken += 1
  steps.push(`${operation}${detail === '' ? '' : ` ${detail}`} ${path.slice(plan.root.length + 1)}`)
  const isHit = taken === plan.at || (plan.isSticky && taken > plan.at)
  if (!isHit || plan.kind === 'count') return
  first()
  if (plan.kind === 'kill') die()
  throw failure(operation, path)
}

// --- What would be there after a loss of power -------------------------------------------------------------------------

/** The number of a file may be used again after it was removed: its birth tells the two apart. */
const idOf = ({ ino, birthtimeNs }) => `${ino}-${birthtimeNs}`

const shadowed = (path) => (plan.shadow === undefined || !isWatched(path) ? undefined : plan.shadow)

/** The names in a directory, as they are now. */
function namesIn(path) {
  return fs.readdirSync(path).flatMap((name) => {
    const found = fs.lstatSync(join(path, name), { bigint: true, throwIfNoEntry: false })
    return found === undefined || found.isSocket() ? [] : [{ name, id: idOf(found), isDirectory: found.isDirectory() }]
  })
}

/** Notes a state as durable: read before the call that makes it so, valid when that has come back. */
function durableState(path, descriptor) {
  const found = fs.fstatSync(descriptor, { bigint: true })
  const to = join(plan.shadow, `${found.isDirectory() ? 'names' : 'content'}-${idOf(found)}`)
  if (found.isDirectory()) {
    const names = JSON.stringify(namesIn(path))
    return () => fs.writeFileSync(to, names)
  }
  const aside = `${to}.${taken}`
  fs.copyFileSync(`/proc/self/fd/${descriptor}`, aside)
  return () => fs.renameSync(aside, to)
}

/** All that is there when the recording begins counts as durable. */
function recordAll(path) {
  const found = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (found === undefined || found.isSocket()) return
  if (!found.isDirectory()) {
    fs.copyFileSync(path, join(plan.shadow, `content-${idOf(found)}`))
    return
  }
  fs.writeFileSync(join(plan.shadow, `names-${idOf(found)}`), JSON.stringify(namesIn(path)))
  for (const name of fs.readdirSync(path)) recordAll(join(path, name))
}

// --- node:fs/promises --------------------------------------------------------------------------------------------------

const real = { ...fs.promises }
const pathOfHandle = new WeakMap()

const isCreating = (flags) => (typeof flags === 'string' ? /[wax]/.test(flags) : (flags & fs.constants.O_CREAT) !== 0)

fs.promises.open = async (path, flags, mode) => {
  const place = resolve(String(path))
  step(isCreating(flags) ? 'create' : 'open', place)
  const handle = await real.open(path, flags, mode)
  pathOfHandle.set(handle, place)
  return handle
}

for (const name of ['mkdir', 'unlink', 'rmdir', 'rm', 'stat', 'opendir', 'readdir', 'readFile']) {
  fs.promises[name] = async (path, ...rest) => {
    // A read by handle is a step of that handle.
    if (typeof path === 'string') step(name, resolve(path))
    return await real[name](path, ...rest)
  }
}
for (const name of ['rename', 'link']) {
  fs.promises[name] = async (from, to) => {
    step(name, resolve(String(to)))
    return await real[name](from, to)
  }
}

const probe = await real.open(import.meta.filename, 'r')
const handles = Object.getPrototypeOf(probe)
await probe.close()
const realHandles = Object.fromEntries(
  ['read', 'write', 'writev', 'writeFile', 'sync', 'datasync', 'close'].map((name) => [name, handles[name]]),
)

/** Writes the first half of what is to be written, at once; `rest` is offset, length and position, with `writev` the position. */
function writeHalf(descriptor, name, given, rest) {
  const [offset = 0, length, position] =
    name === 'write' && typeof rest[0] === 'number' ? rest : [0, undefined, rest[0]]
  const all = Buffer.concat(name === 'writev' ? given : [Buffer.from(given)])
  const half = all.subarray(offset, offset + ((length ?? all.length - offset) >> 1))
  if (typeof position !== 'number') {
    fs.writeSync(descriptor, half, 0, half.length, null)
    return
  }
  // By a descriptor of its own: half a direct write is not aligned.
  const own = fs.openSync(`/proc/self/fd/${descriptor}`, 'r+')
  fs.writeSync(own, half, 0, half.length, position)
  fs.closeSync(own)
}

/** Before and in the middle of a write: what was begun may be half there. */
for (const name of ['write', 'writev', 'writeFile']) {
  handles[name] = async function (given, ...rest) {
    const path = pathOfHandle.get(this)
    if (path !== undefined) {
      step('write', path)
      step('write', path, 'half', () => writeHalf(this.fd, name, given, rest))
    }
    return await realHandles[name].call(this, given, ...rest)
  }
}

for (const name of ['sync', 'datasync']) {
  handles[name] = async function (...rest) {
    const path = pathOfHandle.get(this)
    if (path === undefined) return await realHandles[name].apply(this, rest)
    step('sync', path)
    const settle = shadowed(path) === undefined ? undefined : durableState(path, this.fd)
    const result = await realHandles[name].apply(this, rest)
    settle?.()
    return result
  }
}

handles.read = async function (...rest) {
  const path = pathOfHandle.get(this)
  if (path !== undefined) step('read', path)
  return await realHandles.read.apply(this, rest)
}

handles.close = async function (...rest) {
  const path = pathOfHandle.get(this)
  await realHandles.close.apply(this, rest)
  if (path !== undefined) step('close', path)
}

syncBuiltinESMExports()

// --- LMDB --------------------------------------------------------------------------------------------------------------

const lmdb = dirname(createRequire(import.meta.url).resolve('lmdb/package.json'.replace('/package.json', '')))
const root = lmdb.endsWith('dist') ? dirname(lmdb) : lmdb
// The very module object that the binding itself takes its class from.
const native = createRequire(join(root, 'native.js'))('node-gyp-build-optional-packages')(root)

const callbacksPhase = 2
const donePhase = 0

class WatchedEnv extends native.Env {
  #path = ''

  open(options, ...rest) {
    this.#path = resolve(String(options.path ?? ''))
    return super.open(options, ...rest)
  }

  startWriting(address, callback) {
    const file = join(this.#path, 'data.mdb')
    step('lmdb', file, 'begin')
    return super.startWriting(address, (status) => {
      if (status === donePhase) {
        if (shadowed(file) !== undefined) this.#record(file)
        step('lmdb', file, 'committed')
      }
      const result = callback(status)
      if (status === callbacksPhase) step('lmdb', file, 'applied')
      return result
    })
  }

  /** LMDB syncs its file itself: when a transaction is done, what it wrote is durable. */
  #record(file) {
    const descriptor = fs.openSync(file, 'r')
    try {
      durableState(file, descriptor)()
    } finally {
      fs.closeSync(descriptor)
    }
  }
}
native.Env = WatchedEnv

// --- Clock -------------------------------------------------------------------------------------------------------------

const realNow = Date.now
let clockOffsetMs = 0
Date.now = () => realNow() + clockOffsetMs

// --- The test at the other end -----------------------------------------------------------------------------------------

process.on('message', ({ type, ...wanted }) => {
  const done = steps
  if (type === 'plan') {
    plan = { kind: 'off', at: 0, isSticky: false, code: 'EIO', only: undefined, shadow: undefined, ...wanted }
    taken = 0
    steps = []
    if (plan.shadow !== undefined) recordAll(plan.root)
  }
  if (type === 'clock') clockOffsetMs = wanted.offsetMs
  const handlesOpen = fs.readdirSync('/proc/self/fd').length
  process.send?.({ type: 'done', steps: done, handlesOpen })
})
// The channel alone must not keep a server alive that is to end.
process.channel?.unref?.()
