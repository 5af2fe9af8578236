/**
 * Every layering rule and every strictness rule is proved by an example that breaks it: `fixtures/` mirrors the
 * repository, each file names in its first line the diagnostic that it must get (or `nothing`).
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const repository = resolve(import.meta.dirname, '../..')
const fixtures = join(import.meta.dirname, 'fixtures')

interface Report {
  readonly diagnostics: readonly {
    readonly category: string
    readonly severity: string
    readonly location: { readonly path: string }
  }[]
}

const run = (file: string, args: readonly string[], cwd: string): Promise<string> =>
  new Promise((done, failed) => {
    execFile(process.execPath, [file, ...args], { cwd, maxBuffer: 16 << 20 }, (error, stdout) => {
      if (stdout !== '') done(stdout)
      else failed(error ?? new Error('biome printed nothing'))
    })
  })

const sources = (await readdir(fixtures, { recursive: true })).filter((path) => path.endsWith('.ts')).sort()

describe('the lint rules', () => {
  let directory = ''
  const found = new Map<string, Set<string>>()

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-lint-'))
    await cp(fixtures, directory, { recursive: true })
    await cp(join(repository, 'biome.jsonc'), join(directory, 'biome.jsonc'))
    const long = Array.from({ length: 501 }, (_, n) => `export const line${n} = ${n}`).join('\n')
    await writeFile(join(directory, 'packages/kms/src/too-long.ts'), `${long}\n`)
    const biome = join(repository, 'node_modules/@biomejs/biome/bin/biome')
    const output = await run(
      biome,
      ['lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.'],
      directory,
    )
    const report: Report = JSON.parse(output)
    for (const { category, severity, location } of report.diagnostics) {
      if (severity !== 'error') continue
      const path = location.path.replace(/^\.\//, '')
      found.set(path, (found.get(path) ?? new Set()).add(category))
    }
  })

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it.each(sources)('judges %s as its first line says', async (path) => {
    const expected = /^\/\/ expect: (\S+)\n/.exec(await readFile(join(fixtures, path), 'utf8'))?.[1]
    expect(expected).toBeDefined()
    expect([...(found.get(path) ?? [])]).toEqual(expected === 'nothing' ? [] : [expected])
  })

  it('refuses a file of more than 500 lines', () => {
    expect([...(found.get('packages/kms/src/too-long.ts') ?? [])]).toContain('lint/style/noExcessiveLinesPerFile')
  })
})
