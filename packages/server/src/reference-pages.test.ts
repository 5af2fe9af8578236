import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as awsSdk from '@aws-sdk/client-s3'
import { operationNames } from '@strongroom/operations'
import { describe, expect, it } from 'vitest'
import { referencePages } from './reference-pages.ts'
import { otherOperations } from './s3-compatibility.ts'
import { settingNames } from './settings/setting-table.ts'

const directory = join(import.meta.dirname, '../../../docs/reference')

describe('docs/reference', () => {
  it.each(Object.entries(referencePages()))('%s is what `npm run docs` writes', async (name, text) => {
    expect(await readFile(join(directory, name), 'utf8')).toBe(text)
  })

  it('names every operation of AWS, as served or as not served', () => {
    const known = Object.keys(awsSdk).filter((name) => /^[A-Z].*Command$/.test(name))
    // A form has no operation in the SDK.
    const named = [...operationNames, ...Object.values(otherOperations).flat()].filter((name) => name !== 'PostObject')
    expect([...new Set(named)].sort()).toEqual(known.map((name) => name.slice(0, -'Command'.length)).sort())
  })

  it('describes every setting', () => {
    const page = referencePages()['settings.md'] ?? ''
    for (const name of settingNames) expect(page).toContain(`| \`${name}\` |`)
  })
})
