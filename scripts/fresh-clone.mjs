#!/usr/bin/env node
/**
 * What a newcomer does, checked: in an empty HOME and an empty folder, `git clone`, `npm start`, PUT and GET by the AWS SDK
 * under SSE-KMS, stop, start again (ready in under two seconds), GET, stop, `npm test`. `--no-test` leaves the last out.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './runtime.mjs'

const base = mkdtempSync(join(tmpdir(), 'strongroom-fresh-'))
const home = join(base, 'home')
const clone = join(base, 'strongroom')
// Nothing of the caller's: no npm settings, no AWS settings, no Strongroom settings. A proxy and its CA have to stay.
const kept = [
  'PATH',
  'LANG',
  'TMPDIR',
  'CI',
  'NO_COLOR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
]
const environment = { HOME: home }
for (const name of [...kept, ...kept.map((other) => other.toLowerCase())]) {
  if (process.env[name] !== undefined) environment[name] = process.env[name]
}
environment.PATH = `${dirname(process.execPath)}:${environment.PATH ?? ''}`

const say = (line) => console.log(`fresh clone: ${line}`)

function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: clone, env: environment, stdio: 'inherit', ...options })
  if (error !== undefined || status !== 0)
    throw new Error(`${program} ${args.join(' ')} failed (${error?.message ?? status})`)
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  return port
}

const health = (port, ca) =>
  new Promise((done) => {
    get({ host: '127.0.0.1', port, path: '/minio/health/ready', ca, agent: false }, (answer) => {
      answer.resume()
      done(answer.statusCode === 200)
    }).once('error', () => done(false))
  })

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds))

/** `npm start` until it is ready. */
async function start(port, limitMs) {
  const began = Date.now()
  const child = spawn('npm', ['start', '--', '--address', `127.0.0.1:${port}`], {
    cwd: clone,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  })
  const caFile = join(clone, 'data/certs/ca.crt')
  while (Date.now() - began < limitMs) {
    if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}`)
    if (existsSync(caFile) && (await health(port, readFileSync(caFile)))) return { child, readyMs: Date.now() - began }
    await pause(25)
  }
  process.kill(-child.pid, 'SIGKILL')
  throw new Error(`npm start was not ready within ${limitMs} ms`)
}

async function stop({ child }) {
  const exited = once(child, 'exit')
  process.kill(-child.pid, 'SIGTERM')
  const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 20_000)
  await exited
  clearTimeout(late)
}

/** Writes or reads one object with the AWS SDK, with the environment that `npx strongroom env` gives to a shell. */
function client(what) {
  const program = `
    import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
    const s3 = new S3Client({ forcePathStyle: true })
    const [Bucket, Key, text] = ['fresh', 'hello', 'hello from a fresh clone']
    if ('${what}' === 'put') {
      await s3.send(new CreateBucketCommand({ Bucket }))
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: text, ServerSideEncryption: 'aws:kms' }))
    }
    const found = await s3.send(new GetObjectCommand({ Bucket, Key }))
    if ((await found.Body.transformToString()) !== text) throw new Error('another content came back')
    if (found.ServerSideEncryption !== 'aws:kms') throw new Error('the object is not under SSE-KMS')
  `
  const node = `"${process.execPath}" --input-type=module -e "$PROGRAM"`
  run('sh', ['-c', `eval "$(npx strongroom env)" && ${node}`], { env: { ...environment, PROGRAM: program } })
}

let server
try {
  mkdirSync(home)
  run('git', ['clone', '--quiet', root, clone], { cwd: base })
  const port = await freePort()
  server = await start(port, 300_000)
  say(`first start was ready after ${server.readyMs} ms`)
  client('put')
  await stop(server)
  server = await start(port, 10_000)
  say(`second start was ready after ${server.readyMs} ms`)
  if (server.readyMs > 2000) throw new Error('the second start took more than 2 s')
  client('get')
  await stop(server)
  server = undefined
  if (!process.argv.includes('--no-test')) run('npm', ['test'])
  say('works')
} catch (error) {
  console.error(`fresh clone: ${error.message}`)
  process.exitCode = 1
} finally {
  if (server !== undefined && server.child.exitCode === null) process.kill(-server.child.pid, 'SIGKILL')
  rmSync(base, { recursive: true, force: true })
}
