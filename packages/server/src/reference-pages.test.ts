import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as awsSdk from '@aws-sdk/client-s3'
import { operationNames } from '@strongroom/operations'
import { describe, expect, it } from 'vitest'
import { referencePages } from './reference-pages.ts'
import { otherOperations, type SuiteResults } from './s3-compatibility.ts'
import { settingNames } from './settings/setting-table.ts'

const root = join(import.meta.dirname, '../../..')
const directory = join(root, 'docs/reference')
const suite: SuiteResults = JSON.parse(readFileSync(join(root, 'tests/compat/s3-tests.json'), 'utf8'))

describe('docs/reference', () => {
  it.each(Object.entries(referencePages(suite)))('%s is what `npm run docs` writes', async (name, text) => {
    expect(await readFile(join(directory, name), 'utf8')).toBe(text)
  })

  it('names every operation of AWS, as served or as not served', () => {
    const known = Object.keys(awsSdk).filter((name) => /^[A-Z].*Command$/.test(name))
    // A form has no operation in the SDK.
    const named = [...operationNames, ...Object.values(otherOperations).flat()].filter((name) => name !== 'PostObject')
    expect([...new Set(named)].sort()).toEqual(known.map((name) => name.slice(0, -'Command'.length)).sort())
  })

  it('counts every item of the suite once', () => {
    const page = referencePages(suite)['s3-compatibility.md'] ?? ''
    const section = page.slice(page.indexOf('## By operation'), page.indexOf('## Why items fail'))
    const rows = [...section.matchAll(/^\| [^|]+ \| (?:yes|no|[^|]*) \| (\d+) \| (\d+) \|/gm)]
    const sum = (column: number) => rows.reduce((total, row) => total + Number(row[column]), 0)
    expect([sum(1), sum(2)]).toEqual([suite.passed.length, Object.values(suite.failed).flat().length])
  })

  it('describes every setting', () => {
    const page = referencePages(suite)['settings.md'] ?? ''
    for (const name of settingNames) expect(page).toContain(`| \`${name}\` |`)
  })
})
