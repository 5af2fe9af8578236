#!/usr/bin/env node
/**
 * `npm run s3-tests -- --suite DIR`: runs `s3tests/functional/test_s3.py` of a checkout of github.com/ceph/s3-tests against
 * servers that it starts, and compares each item with what `tests/compat/s3-tests.json` expects of it.
 *
 * The suite wants Ceph's answers (`compatibility: ceph`, `defaultEncryption: none`), two keys, three accounts. It can be
 * told to check no certificate, but not of a CA; those of its items that check all the same learn of ours by a variable.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { checkNode } from './check-node.mjs'
import { root } from './runtime.mjs'

const usage = `Usage: npm run s3-tests -- --suite DIR [options]

  --suite DIR        a checkout of github.com/ceph/s3-tests
  --python PROGRAM   a Python that has what its requirements.txt names (default: python3)
  --only EXPRESSION  only items whose name or mark matches, as pytest -k reads it
  --workers N        N servers, each with its share of the items (default: 1)
  --details          print the tracebacks of failures, too
  --write            write what was seen to tests/compat/s3-tests.json; new failures get the reason "unexplained"
`
const suiteFile = 's3tests/functional/test_s3.py'
const expectationsFile = join(root, 'tests/compat/s3-tests.json')
const program = join(root, 'scripts/strongroom.mjs')
const keys = ['testkey-1', 'testkey-2']
const people = ['main', 'alt', 'tenant']
const unexplained = 'unexplained'

/** The runtime's own settings must not reach the server, nor the caller's profile the suite. */
const environment = () => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:STRONGROOM|MINIO|AWS|S3TEST)_/.test(name)),
  ),
  STRONGROOM_SETUP: 'off',
})

function strongroom(data, ...args) {
  const all = [program, ...args, '--data', data, '--json']
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8', env: environment() })
  if (status !== 0) throw new Error(`strongroom ${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}

/** A server with the keys and accounts that the suite wants. The caller stops it and removes `data`. */
async function startServer(data) {
  const settings = ['--default-encryption', 'none', '--compatibility', 'ceph', '--access-log', 'off']
  const args = [program, 'server', '--address', '127.0.0.1:0', '--data', data, '--log-format', 'json', ...settings]
  const child = spawn(process.execPath, args, { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] })
  const faults = []
  const port = await new Promise((found, failed) => {
    child.once('exit', (code) => failed(new Error(`the server ended with code ${code} before it was ready`)))
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text)
      if (line.msg === 'ready') found(new URL(line.endpoints[0]).port)
      if (line.level === 'error') faults.push(text)
    })
  })
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  try {
    const { canonicalUserId } = await import(pathToFileURL(join(root, 'packages/s3/dist/index.js')).href)
    const accounts = people
      .map((name) => ({ name, ...strongroom(data, 'account', 'create', name) }))
      .map((account) => ({ ...account, userId: canonicalUserId(account.accountId) }))
    for (const key of keys) {
      strongroom(data, 'key', 'create', key)
      for (const { accountId } of accounts) strongroom(data, 'key', 'grant', key, accountId)
    }
    return { port, accounts, faults, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The suite's configuration. Its sections for IAM must be there, though no item of this file needs them to work. */
function configuration({ port, accounts }) {
  const credentials = ({ name, accountId, userId, accessKeyId, secretAccessKey }) => [
    `display_name = ${accountId}`,
    `user_id = ${userId}`,
    `email = ${name}@example.com`,
    `access_key = ${accessKeyId}`,
    `secret_key = ${secretAccessKey}`,
  ]
  const [main, alt, tenant] = accounts
  return [
    ...['[DEFAULT]', 'host = localhost', `port = ${port}`, 'is_secure = True', 'ssl_verify = False'],
    ...['[fixtures]', 'bucket prefix = strongroom-{random}-'],
    ...['[s3 main]', ...credentials(main), 'api_name = ', `kms_keyid = ${keys[0]}`, `kms_keyid2 = ${keys[1]}`],
    ...['[s3 alt]', ...credentials(alt)],
    ...['[s3 tenant]', ...credentials(tenant), 'tenant = tenant'],
    ...['[iam]', ...credentials(main), '[iam root]', ...credentials(main), '[iam alt root]', ...credentials(alt), ''],
  ].join('\n')
}

/** Notes which operations of S3 each item calls, while it runs: what it is about follows from that. */
const callRecorder = `
import json, os
import botocore.client, requests

calls, current = {}, None
make_api_call = botocore.client.BaseClient._make_api_call
request = requests.Session.request

def note(operation):
    if current is not None:
        calls.setdefault(current, {})[operation] = True

def noted_api_call(self, operation, parameters):
    if self.meta.service_model.service_name == 's3':
        note(operation)
    return make_api_call(self, operation, parameters)

def noted_request(self, method, url, *args, **named):
    if method.upper() == 'OPTIONS':
        note('preflight request')
    if method.upper() == 'POST' and named.get('files'):
        note('PostObject')
    return request(self, method, url, *args, **named)

botocore.client.BaseClient._make_api_call = noted_api_call
requests.Session.request = noted_request

def pytest_runtest_call(item):
    global current
    current = item.name

def pytest_runtest_teardown(item):
    global current
    current = None

def pytest_sessionfinish():
    with open(os.environ['STRONGROOM_CALLS'], 'w') as file:
        json.dump({item: sorted(operations) for item, operations in calls.items()}, file)
`

/** Starts pytest in the suite; its output is passed on unless it is wanted. */
function startPytest({ suite, python, config, ca = '', calls = '', plugins = '', wantsOutput }, args) {
  const cache = ['-p', 'no:cacheprovider', '-W', 'ignore']
  return spawn(python, ['-m', 'pytest', ...cache, ...args], {
    cwd: suite,
    env: {
      ...environment(),
      S3TEST_CONF: config,
      REQUESTS_CA_BUNDLE: ca,
      SSL_CERT_FILE: ca,
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONPATH: `${suite}:${plugins}`,
      STRONGROOM_CALLS: calls,
    },
    stdio: ['ignore', wantsOutput ? 'pipe' : 'inherit', 'inherit'],
  })
}

async function collectItems(options) {
  const only = options.only === undefined ? [] : ['-k', options.only]
  const child = startPytest({ ...options, wantsOutput: true }, ['--collect-only', '-q', ...only, suiteFile])
  let text = ''
  child.stdout.on('data', (piece) => {
    text += piece
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`pytest cannot collect ${suiteFile} (exit code ${code}):\n${text}`)
  return [...text.matchAll(/^\S+?::(.+)$/gm)].map(([, name]) => name)
}

const unescapeXml = (text) =>
  text
    .replace(/&#(\d+);|&#x([0-9a-f]+);/gi, (_, decimal, hex) =>
      String.fromCodePoint(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replace(/&lt;|&gt;|&quot;|&apos;/g, (entity) => ({ '&lt;': '<', '&gt;': '>', '&quot;': '"' })[entity] ?? "'")
    .replaceAll('&amp;', '&')

/** Outcome and message by item. An item that failed and could not be cleaned up either is there twice: it failed. */
function readReport(file) {
  const outcomes = new Map()
  const cases = readFileSync(file, 'utf8').matchAll(
    /<testcase [^>]*? name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )
  for (const [, name, inside = ''] of cases) {
    const [, kind, message] = /<(failure|error|skipped)\b[^>]*?message="([^"]*)"/.exec(inside) ?? []
    const outcome = { undefined: 'passed', failure: 'failed', error: 'failed', skipped: 'skipped' }[kind]
    const item = unescapeXml(name)
    if (outcomes.get(item)?.outcome === 'failed') continue
    outcomes.set(item, { outcome, message: unescapeXml(message ?? '') })
  }
  return outcomes
}

/** Runs some items on a server of their own. */
async function runShare(options, items) {
  const base = mkdtempSync(join(tmpdir(), 'strongroom-s3-tests-'))
  let server
  try {
    server = await startServer(join(base, 'data'))
    const config = join(base, 's3tests.conf')
    writeFileSync(config, configuration(server), { mode: 0o600 })
    const report = join(base, 'report.xml')
    const names = items.map((item) => `${suiteFile}::${item}`)
    const ca = join(base, 'data/certs/ca.crt')
    const calls = join(base, 'calls.json')
    writeFileSync(join(base, 'strongroom_calls.py'), callRecorder)
    const child = startPytest({ ...options, config, ca, calls, plugins: base }, [
      '-q',
      '-p',
      'strongroom_calls',
      `--tb=${options.details ? 'short' : 'no'}`,
      '-r',
      'N',
      `--junitxml=${report}`,
      ...names,
    ])
    const [code] = await once(child, 'close')
    if (code !== 0 && code !== 1) throw new Error(`pytest ended with exit code ${code}`)
    return { outcomes: readReport(report), calls: JSON.parse(readFileSync(calls, 'utf8')), faults: server.faults }
  } finally {
    await server?.stop()
    rmSync(base, { recursive: true, force: true })
  }
}

/** `{ passed, failed: { reason: items }, skipped, about }` as a map of items to `{ outcome, reason }`. */
function readExpectations() {
  if (!existsSync(expectationsFile)) return new Map()
  const { passed, failed, skipped } = JSON.parse(readFileSync(expectationsFile, 'utf8'))
  return new Map([
    ...passed.map((item) => [item, { outcome: 'passed' }]),
    ...skipped.map((item) => [item, { outcome: 'skipped' }]),
    ...Object.entries(failed).flatMap(([reason, items]) => items.map((item) => [item, { outcome: 'failed', reason }])),
  ])
}

/** The commit of a checkout. */
function commitOf(suite) {
  const { stdout } = spawnSync('git', ['-C', suite, 'rev-parse', 'HEAD'], { encoding: 'utf8' })
  return stdout?.trim() || 'an unknown commit'
}

/** Items by the operation they are about: the one of those that they call that the fewest items call. */
function byOperation(calls) {
  const users = new Map()
  for (const operations of Object.values(calls)) {
    for (const operation of operations) users.set(operation, (users.get(operation) ?? 0) + 1)
  }
  const about = new Map()
  for (const [item, operations] of Object.entries(calls).sort()) {
    const [rarest] = operations.toSorted((a, b) => users.get(a) - users.get(b) || (a < b ? -1 : 1))
    about.set(rarest, [...(about.get(rarest) ?? []), item])
  }
  return Object.fromEntries([...about].sort())
}

/** @param calls of a run of all items; `undefined` after a partial one */
function writeExpectations(suite, expected, outcomes, calls) {
  const all = new Map(expected)
  for (const [item, { outcome }] of outcomes) {
    const reason = expected.get(item)?.reason ?? unexplained
    all.set(item, outcome === 'failed' ? { outcome, reason } : { outcome })
  }
  const items = [...all.keys()].sort()
  const reasons = [...new Set([...all.values()].flatMap(({ reason }) => reason ?? []))].sort()
  const having = (outcome, reason) =>
    items.filter((item) => all.get(item).outcome === outcome && all.get(item).reason === reason)
  const document = {
    suite: `github.com/ceph/s3-tests, ${suiteFile} at ${commitOf(suite)}`,
    passed: having('passed'),
    failed: Object.fromEntries(reasons.map((reason) => [reason, having('failed', reason)])),
    skipped: having('skipped'),
    about: calls === undefined ? JSON.parse(readFileSync(expectationsFile, 'utf8')).about : byOperation(calls),
  }
  writeFileSync(expectationsFile, `${JSON.stringify(document, undefined, 2)}\n`)
}

/** Prints the table; the number of items that are not as expected. */
function compare(expected, outcomes) {
  const rows = new Map()
  const differences = []
  for (const [item, { outcome, message }] of [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const known = expected.get(item)
    const row = outcome === 'failed' ? `failed: ${known?.reason ?? unexplained}` : outcome
    rows.set(row, (rows.get(row) ?? 0) + 1)
    if (outcome !== known?.outcome || known.reason === unexplained) {
      differences.push(
        `${item}: ${outcome}, expected ${known?.outcome ?? 'nothing'}  ${message.split('\n')[0].slice(0, 300)}`,
      )
    }
  }
  console.log('\nitems  result')
  const order = ([a], [b]) => (a.startsWith('failed') === b.startsWith('failed') ? (a < b ? -1 : 1) : a < b ? 1 : -1)
  for (const [row, count] of [...rows].sort(order)) console.log(`${String(count).padStart(5)}  ${row}`)
  console.log(`${String(outcomes.size).padStart(5)}  in all\n`)
  for (const difference of differences) console.log(difference)
  return differences.length
}

async function main(args) {
  const { values } = parseArgs({
    args,
    options: {
      suite: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      only: { type: 'string' },
      workers: { type: 'string', default: '1' },
      details: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help || values.suite === undefined) {
    console.log(usage)
    return values.help ? 0 : 1
  }
  const suite = resolve(values.suite)
  if (!existsSync(join(suite, suiteFile))) throw new Error(`${suite} is no checkout of the suite: no ${suiteFile}`)
  const workers = Math.max(1, Number.parseInt(values.workers, 10) || 1)
  const base = mkdtempSync(join(tmpdir(), 'strongroom-s3-tests-'))
  const options = {
    suite,
    python: values.python,
    only: values.only,
    details: values.details,
    config: join(base, 's3tests.conf'),
  }
  try {
    // Already importing the file reads the configuration.
    const accounts = people.map((name) => ({
      name,
      accountId: name,
      userId: name,
      accessKeyId: name,
      secretAccessKey: name,
    }))
    writeFileSync(options.config, configuration({ port: 1, accounts }))
    const items = await collectItems(options)
    const shares = Array.from({ length: workers }, (_, n) => items.filter((_item, index) => index % workers === n))
    const done = await Promise.all(shares.filter(({ length }) => length > 0).map((share) => runShare(options, share)))
    const outcomes = new Map(done.flatMap((share) => [...share.outcomes]))
    const missing = items.filter((item) => !outcomes.has(item))
    if (missing.length > 0) throw new Error(`pytest reported nothing of ${missing.join(', ')}`)
    const expected = readExpectations()
    if (values.only === undefined) {
      const gone = [...expected.keys()].filter((item) => !outcomes.has(item))
      if (gone.length > 0) throw new Error(`this checkout does not have ${gone.join(', ')}`)
    }
    const differences = compare(expected, outcomes)
    const faults = done.flatMap((share) => share.faults)
    for (const fault of faults) console.log(`the server logged an error: ${fault}`)
    const calls = Object.fromEntries(items.map((item) => [item, ['of no operation alone']]))
    for (const share of done) Object.assign(calls, share.calls)
    for (const [item, { outcome }] of outcomes) if (outcome === 'skipped') delete calls[item]
    if (values.write) writeExpectations(suite, expected, outcomes, values.only === undefined ? calls : undefined)
    console.log(`${differences} differences, ${faults.length} errors logged`)
    return differences + faults.length === 0 ? 0 : 1
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

checkNode()
try {
  const { setUp } = await import('./setup.mjs')
  setUp()
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`strongroom: ${error.message}`)
  process.exitCode = 1
}
