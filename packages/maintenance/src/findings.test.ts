import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findingKinds, formatPlace } from './findings.ts'

describe('findings', () => {
  it('are all in docs/operations/fsck.md, and no others', async () => {
    const page = await readFile(join(resolve(import.meta.dirname, '../../..'), 'docs/operations/fsck.md'), 'utf8')
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind]) => kind)
    expect(rows).toEqual(Object.keys(findingKinds))
  })

  it('name their places so that nothing in a name can be taken for something else', () => {
    expect(formatPlace({ table: 'object', bucket: 'photos', name: 'a", version 1\n' })).toBe(
      'bucket photos, object "a\\", version 1\\n"',
    )
    expect(formatPlace({ table: 'session' })).toBe('table session')
    expect(formatPlace({ uploadId: 'ab', partNumber: 3, blobId: 'cd' })).toBe('upload ab, part 3, blob cd')
  })
})
