/**
 * What the repository's layout promises and no linter checks: one `index.ts` per package, every source file says what
 * it is for, the package table of ARCHITECTURE.md is the one in the manifests, nothing is skipped.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = resolve(import.meta.dirname, '..')
const packagesDirectory = join(repository, 'packages')

const packages = (await readdir(packagesDirectory)).sort()

async function sourcesOf(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return []
  const entries = await readdir(directory, { recursive: true })
  return entries
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(directory, path))
    .sort()
}

const sources = (await Promise.all(packages.map((name) => sourcesOf(join(packagesDirectory, name, 'src'))))).flat()
const tests = await sourcesOf(join(repository, 'tests'))

/** Layer order of the house: a package may depend on packages to its left only. */
const layers = [
  ['crypto', 'iam', 'sigv4', 'http'],
  ['s3', 'kms', 'storage'],
  ['engine', 'accounts'],
  ['operations', 'maintenance', 'kes'],
  ['cli'],
  ['server'],
] as const

const layerOf = (name: string): number => layers.findIndex((names) => names.some((other) => other === name))

describe('the repository', () => {
  it('has one index.ts per package and none below', () => {
    const indexes = sources
      .map((path) => relative(packagesDirectory, path))
      .filter((path) => path.endsWith('/index.ts'))
    expect(indexes).toEqual(indexes.filter((path) => /^[^/]+\/src\/index\.ts$/.test(path)))
  })

  it('says in the first lines of every source file what it is for', async () => {
    const silent: string[] = []
    for (const path of sources.filter((file) => !file.endsWith('.test.ts'))) {
      const text = await readFile(path, 'utf8')
      const opening = /^(?:#!.*\n)?\/\*\*[\s\S]*?\*\//.exec(text)?.[0]
      if (opening === undefined || !opening.includes('@module')) silent.push(relative(repository, path))
    }
    expect(silent).toEqual([])
  })

  it('keeps every package dependency pointing at a lower layer', async () => {
    const wrong: string[] = []
    for (const name of packages) {
      const manifest: { dependencies?: Record<string, string> } = JSON.parse(
        await readFile(join(packagesDirectory, name, 'package.json'), 'utf8'),
      )
      expect(layerOf(name), `layer of ${name}`).toBeGreaterThanOrEqual(0)
      for (const dependency of Object.keys(manifest.dependencies ?? {})) {
        if (!dependency.startsWith('@strongroom/')) continue
        const other = dependency.slice('@strongroom/'.length)
        if (layerOf(other) < 0 || layerOf(other) >= layerOf(name)) wrong.push(`${name} -> ${other}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('names only tests that exist in INVARIANTS.md', async () => {
    const named =
      (await readFile(join(repository, 'INVARIANTS.md'), 'utf8')).match(/[\w./-]+\.(?:test|suite)\.ts/g) ?? []
    expect(named.length).toBeGreaterThanOrEqual(10)
    expect(named.filter((path) => !existsSync(join(repository, path)))).toEqual([])
  })

  it('names every package in ARCHITECTURE.md', async () => {
    const text = await readFile(join(repository, 'ARCHITECTURE.md'), 'utf8')
    expect(packages.filter((name) => !text.includes(`| \`${name}\` `))).toEqual([])
  })

  it('walks through files that exist in ARCHITECTURE.md', async () => {
    const text = await readFile(join(repository, 'ARCHITECTURE.md'), 'utf8')
    const named = (text.match(/`[a-z0-9-]+\/src\/[\w./-]+\.ts`/g) ?? []).map((path) => path.slice(1, -1))
    expect(named.length).toBeGreaterThanOrEqual(15)
    expect(named.filter((path) => !existsSync(join(packagesDirectory, path)))).toEqual([])
  })

  it('skips no test and focuses none', async () => {
    const marked: string[] = []
    for (const path of [...sources, ...tests].filter((file) => /\.(test|suite)\.ts$/.test(file))) {
      if (/\b(?:it|test|describe)\.(?:skip|only|todo|fails)\b/.test(await readFile(path, 'utf8'))) {
        marked.push(relative(repository, path))
      }
    }
    expect(marked).toEqual([])
  })
})
