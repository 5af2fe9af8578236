#!/usr/bin/env node
/**
 * `npm run crash-matrix`: ends a server at every step of every operation that changes something, three ways, and checks
 * what the next start makes of it; makes every call fail with every error, too, and kills a server under load. With
 * `--write` it writes docs/reference/crash-matrix.md, from this one run. Takes about an hour on two
 * idle cores: reckoned from 1.1 s for each of some 700 endings, and less for the rest.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkNode } from './check-node.mjs'

checkNode()
const { setUp } = await import('./setup.mjs')
const { bunProgram, root } = await import('./runtime.mjs')

const usage = `npm run crash-matrix [-- --write] [--bun] [--only TITLE] [--endings kill,nothing,names] [--every N] [--load-rounds N]`

/** What each way of ending leaves, for the page. */
const endings = {
  kill: 'SIGKILL',
  nothing: 'loss of power; nothing that was not synced is left',
  names: 'loss of power; names are left, contents only as they were synced',
}

async function runTests(file, variables, onBun) {
  const program = onBun ? bunProgram() : process.execPath
  const args = [
    ...(onBun ? ['--bun'] : []),
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=verbose',
    file,
  ]
  const child = spawn(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...variables } })
  const [code] = await once(child, 'exit')
  return code === 0
}

const sumOf = (rows, what) => rows.reduce((sum, row) => sum + row[what], 0)

const sinceStart = () => `${Math.floor(performance.now() / 60_000)} min`

/** Runs one part, and says on the terminal which, and when it began and ended. Of the steps each operation has a line of its own. */
async function part(number, all, what, run) {
  console.log(`\ncrash matrix, part ${number} of ${all}: ${what} (after ${sinceStart()})`)
  const isRight = await run()
  console.log(
    `crash matrix, part ${number} of ${all}: ${isRight ? 'nothing was violated' : 'VIOLATED'} (after ${sinceStart()})`,
  )
  return isRight
}

function pageOf(outcomes, { loadRounds, runtime, every }) {
  const lines = [
    '# The crash matrix',
    '',
    `Written by one run of \`npm run crash-matrix -- --write${every > 1 ? ` --every ${every}` : ''}\` (${runtime}).${every > 1 ? ` Only every ${every}th step of each operation was tried: *ended* of *steps*.` : ''}`,
    '',
    'The server program is ended at every step that an operation takes: every call that makes, writes, syncs, renames or removes a file (a write also half-way), and three moments of every',
    'transaction of the metadata store (before it begins, between its last change and the commit, between the commit and the news of it), including what the server does after its answer.',
    'After the next start: what was acknowledged is there; what was not is as before or as it was to be; objects written earlier are whole; `fsck --verify-data` finds nothing; and what was cut short can be done again.',
    'The first violation of any of it fails the command, and no page is written.',
    ...lateSentence(outcomes),
    '',
  ]
  for (const [ending, description] of Object.entries(endings)) {
    const rows = outcomes.filter((outcome) => outcome.ending === ending)
    if (rows.length === 0) continue
    lines.push(`## ${description[0].toUpperCase()}${description.slice(1)}`, '')
    lines.push(
      '| operation | steps | ended | found as before | found as it was to be | in part, as allowed | of all: acknowledged |',
    )
    lines.push('|---|---:|---:|---:|---:|---:|---:|')
    for (const row of [...rows, { title: '**all**', ...totals(rows) }]) {
      const cells = [row.title, row.steps, row.endings, row.old, row.new, row.partial, row.acknowledged]
      lines.push(`| ${cells.join(' | ')} |`)
    }
    lines.push('')
  }
  if (loadRounds > 0) {
    lines.push(
      '## Under load',
      '',
      `Eight clients put, copy, delete and complete without rest; SIGKILL at a random moment, ${loadRounds} times: 0 violations (\`tests/faults/kill.test.ts\`).`,
      '',
    )
  }
  return lines.join('\n')
}

/** The background may do in one commit what took it two when the steps were counted. */
function lateSentence(outcomes) {
  const late = sumOf(outcomes, 'late')
  if (late === 0) return []
  return [
    `In ${late} of the ${sumOf(outcomes, 'endings')} runs the step did not come (two commits of the background became one); the process was ended after the operation then.`,
  ]
}

const totals = (rows) =>
  Object.fromEntries(
    ['steps', 'endings', 'old', 'new', 'partial', 'acknowledged'].map((what) => [what, sumOf(rows, what)]),
  )

async function main(args) {
  const { values } = parseArgs({
    args,
    options: {
      write: { type: 'boolean', default: false },
      bun: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      endings: { type: 'string', default: Object.keys(endings).join(',') },
      every: { type: 'string', default: '1' },
      'load-rounds': { type: 'string', default: '50' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return true
  }
  const every = Number(values.every)
  const chosen = values.endings.split(',')
  if (values.write && (values.only !== '' || chosen.length < Object.keys(endings).length)) {
    throw new Error('the page is about all operations and all endings')
  }
  setUp()
  const base = mkdtempSync(join(tmpdir(), 'strongroom-crash-matrix-'))
  try {
    const outcomes = []
    const parts = chosen.map((ending) => [
      endings[ending],
      async () => {
        const report = join(base, `${ending}.json`)
        const variables = {
          CRASH_MATRIX_ENDING: ending,
          CRASH_MATRIX_REPORT: report,
          CRASH_MATRIX_ONLY: values.only,
          CRASH_MATRIX_EVERY: values.every,
        }
        if (!(await runTests('tests/faults/crash-matrix.test.ts', variables, values.bun))) return false
        outcomes.push(...JSON.parse(readFileSync(report, 'utf8')))
        return true
      },
    ])
    const loadRounds = Number(values['load-rounds'])
    if (values.only === '') {
      const faults = 'tests/faults/injected-faults.test.ts'
      parts.push(['every error at every call', () => runTests(faults, { INJECTED_FAULTS: 'full' }, values.bun)])
      const load = { KILL_ROUNDS: String(loadRounds) }
      const kill = () => runTests('tests/faults/kill.test.ts', load, values.bun)
      if (loadRounds > 0) parts.push([`SIGKILL under load, ${loadRounds} times`, kill])
    }
    for (const [index, [what, run]] of parts.entries()) {
      if (!(await part(index + 1, parts.length, what, run))) return false
    }
    const runtime = values.bun ? 'on Bun' : `on Node.js ${process.version}`
    const page = pageOf(outcomes, { loadRounds: values.only === '' ? loadRounds : 0, runtime, every })
    if (values.write) writeFileSync(join(root, 'docs/reference/crash-matrix.md'), page)
    else console.log(page)
    return true
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
} catch (error) {
  console.error(`strongroom: ${error.message}\n${usage}`)
  process.exitCode = 1
}
