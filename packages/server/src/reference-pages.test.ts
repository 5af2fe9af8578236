import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { referencePages } from './reference-pages.ts'
import { settingNames } from './settings/setting-table.ts'

const directory = join(import.meta.dirname, '../../../docs/reference')

describe('docs/reference', () => {
  it.each(Object.entries(referencePages()))('%s is what `npm run docs` writes', async (name, text) => {
    expect(await readFile(join(directory, name), 'utf8')).toBe(text)
  })

  it('describes every setting', () => {
    const page = referencePages()['settings.md'] ?? ''
    for (const name of settingNames) expect(page).toContain(`| \`${name}\` |`)
  })
})
