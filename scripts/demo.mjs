#!/usr/bin/env node
/**
 * `npm run demo`: the product's story, told on a temporary server with the AWS SDK for JavaScript and the command line.
 * Every line that is printed was checked the moment before; the first untrue one ends the demo with exit code 1.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkNode } from './check-node.mjs'

checkNode()
// The SDK's notice about future releases of its own is no part of the story.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'

const secretText = 'The combination of the strongroom is 31-41-59.'
const color = process.stdout.isTTY && process.env.NO_COLOR === undefined
const paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)

let step = 0
const chapter = (title) => console.log(`\n${paint('1', `${++step}. ${title}`)}`)
const tell = (isTrue, line) => {
  if (!isTrue) throw new Error(`not true: ${line}`)
  console.log(`   ${paint('32', '✓')} ${line}`)
}

const freePort = async () => {
  const probe = createServer()
  await new Promise((done) => probe.listen(0, '127.0.0.1', done))
  const { port } = probe.address()
  await new Promise((done) => probe.close(done))
  return port
}

function* filesBelow(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

/** Starts a server on an empty directory; resolves when it is ready, rejects with what it said if it stops. */
async function startServer(root, data) {
  const port = await freePort()
  const command = [join(root, 'scripts/strongroom.mjs'), 'server', '--address', `127.0.0.1:${port}`, '--data', data]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'], cwd: data })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const deadline = Date.now() + 30_000
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server did not start:\n${said}`)
    const { status, stdout } = spawnSync(process.execPath, [
      join(root, 'scripts/strongroom.mjs'),
      'credentials',
      '--json',
      '--data',
      data,
    ])
    if (status === 0 && (await isReady(data, port))) return { child, port, ...JSON.parse(stdout) }
    await new Promise((done) => setTimeout(done, 100))
  }
}

async function isReady(data, port) {
  try {
    const ca = readFileSync(join(data, 'certs/ca.crt'))
    return await new Promise((done) => {
      const probe = request({ host: '127.0.0.1', port, path: '/minio/health/ready', ca, agent: false }, (answer) => {
        answer.resume()
        done(answer.statusCode === 200)
      })
      probe.on('error', () => done(false))
      probe.end()
    })
  } catch {
    return false
  }
}

/** The name of the error that a call ends with, `undefined` if it succeeds. */
const errorOf = async (call) => {
  try {
    await call
    return undefined
  } catch (error) {
    return error.name
  }
}

async function tellTheStory({ root, data, server, sdk, requestHandler }) {
  const client = new sdk.S3Client({
    requestHandler,
    endpoint: `https://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
  })
  const send = (name, input) => client.send(new sdk[`${name}Command`](input))
  const strongroom = (...args) => {
    const run = spawnSync(process.execPath, [join(root, 'scripts/strongroom.mjs'), ...args, '--json', '--data', data])
    return {
      code: run.status,
      answer: run.stdout.length > 0 ? JSON.parse(run.stdout) : undefined,
      error: String(run.stderr),
    }
  }
  const read = async (Bucket, Key, more = {}) =>
    (await send('GetObject', { Bucket, Key, ...more })).Body.transformToString()

  await tellAboutKeys({ send, strongroom, read, data })
  await tellAboutLocks({ send, strongroom, read })
  await tellAboutCopies({ send, strongroom, read })
  await tellAboutCustomerKeys({ send })
  client.destroy()
}

async function tellAboutKeys({ send, strongroom, read, data }) {
  chapter('A bucket whose objects need a key')
  tell(strongroom('key', 'create', 'payroll').code === 0, 'strongroom key create payroll')
  await send('CreateBucket', { Bucket: 'vault' })
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'payroll' } }
  const ServerSideEncryptionConfiguration = { Rules: [{ ...rule, BucketKeyEnabled: true }] }
  await send('PutBucketEncryption', { Bucket: 'vault', ServerSideEncryptionConfiguration })
  const put = await send('PutObject', { Bucket: 'vault', Key: 'combination.txt', Body: secretText })
  tell(
    put.ServerSideEncryption === 'aws:kms' && put.SSEKMSKeyId === 'payroll',
    'a plain PUT is encrypted under the key payroll',
  )
  tell((await read('vault', 'combination.txt')) === secretText, 'and a plain GET reads it')
  const leaks = [...filesBelow(data)].filter(
    (file) => statSync(file).isFile() && readFileSync(file).includes(secretText),
  )
  tell(leaks.length === 0, 'no file of the data directory contains the text')
  const { answer } = strongroom('key', 'usage', 'payroll')
  tell(
    answer.total.objects === 1 && answer.total.bytes === secretText.length,
    `key usage: 1 object, ${secretText.length} bytes need it`,
  )
  const refused = strongroom('key', 'delete', 'payroll')
  tell(refused.code !== 0, 'so deleting the key is refused')
}

async function tellAboutLocks({ send, strongroom, read }) {
  chapter('Locking the key locks the data, at once')
  tell(strongroom('key', 'lock', 'payroll').code === 0, 'strongroom key lock payroll')
  const error = await errorOf(read('vault', 'combination.txt'))
  tell(error === 'KMS.DisabledException', 'GET answers KMS.DisabledException')
  const page = await send('ListObjectsV2', { Bucket: 'vault' })
  tell(page.KeyCount === 1 && page.Contents[0].Size === secretText.length, 'LIST and HEAD go on: they need no key')
  tell(strongroom('key', 'unlock', 'payroll').code === 0, 'strongroom key unlock payroll')
  tell((await read('vault', 'combination.txt')) === secretText, 'and everything is readable again')
}

async function tellAboutCopies({ send, strongroom, read }) {
  chapter('A new key version and a new key, without moving a byte')
  tell(strongroom('key', 'rotate', 'payroll').code === 0, 'strongroom key rotate payroll')
  tell((await read('vault', 'combination.txt')) === secretText, 'what the old version sealed stays readable')
  const large = randomBytes(8 * 1024 * 1024)
  await send('PutObject', { Bucket: 'vault', Key: 'large.bin', Body: large })
  tell(strongroom('key', 'create', 'archive').code === 0, 'strongroom key create archive')
  const target = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'archive' }
  await send('CopyObject', { Bucket: 'vault', Key: 'large.bin', CopySource: 'vault/large.bin', ...target })
  const { answer } = strongroom('key', 'usage', 'archive')
  tell(
    answer.total.bytes === large.length,
    'CopyObject onto itself moved 8 MiB to the key archive: only its envelope was rewritten',
  )
  const copied = await (await send('GetObject', { Bucket: 'vault', Key: 'large.bin' })).Body.transformToByteArray()
  tell(large.equals(copied), 'and it reads back the same')
}

async function tellAboutCustomerKeys({ send }) {
  chapter('Keys that only the client has (SSE-C)')
  const keyed = (key) => ({
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  })
  const mine = randomBytes(32)
  await send('CreateBucket', { Bucket: 'own-keys' })
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }
  const ServerSideEncryptionConfiguration = {
    Rules: [{ ...rule, BlockedEncryptionTypes: { EncryptionType: ['NONE'] } }],
  }
  await send('PutBucketEncryption', { Bucket: 'own-keys', ServerSideEncryptionConfiguration })
  await send('PutObject', { Bucket: 'own-keys', Key: 'empty', Body: '', ContentLength: 0, ...keyed(mine) })
  const wrong = await errorOf(send('GetObject', { Bucket: 'own-keys', Key: 'empty', ...keyed(randomBytes(32)) }))
  tell(wrong === 'AccessDenied', 'another key opens nothing, not even an empty object')
  const right = await send('GetObject', { Bucket: 'own-keys', Key: 'empty', ...keyed(mine) })
  tell(right.ContentLength === 0, 'the right one does')
}

async function main() {
  const [{ setUp }, { root }] = await Promise.all([import('./setup.mjs'), import('./runtime.mjs')])
  setUp()
  const data = mkdtempSync(join(tmpdir(), 'strongroom-demo-'))
  let server
  try {
    console.log('A server of its own in a temporary directory, and the AWS SDK for JavaScript as its client.')
    server = await startServer(root, data)
    const sdk = await import('@aws-sdk/client-s3')
    const { NodeHttpHandler } = await import('@smithy/node-http-handler')
    const httpsAgent = new Agent({ ca: readFileSync(join(data, 'certs/ca.crt')), keepAlive: true })
    await tellTheStory({ root, data, server, sdk, requestHandler: new NodeHttpHandler({ httpsAgent }) })
    console.log(`\nEvery line above was checked as it was printed. Next: ${paint('1', 'npm start')}`)
  } finally {
    if (server !== undefined && server.child.exitCode === null) {
      const ended = new Promise((done) => server.child.once('exit', done))
      server.child.kill('SIGTERM')
      await ended
    }
    rmSync(data, { recursive: true, force: true })
  }
}

main().catch((error) => {
  console.error(`\n${paint('31', '✗')} ${error.message}`)
  process.exitCode = 1
})
