/**
 * rclone: what it finds out about a store, and a tree of odd names that it syncs there and back, under every encryption.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import {
  type ClientFolder,
  type ClientServer,
  customerKey,
  type Scenarios,
  type ShownEncryption,
} from '../../support/client-server.ts'

const sseC = `--s3-sse-customer-algorithm AES256 --s3-sse-customer-key '${customerKey}'`

const modes: readonly (readonly [name: string, put: string, get: string, shown: ShownEncryption])[] = [
  ['default', '', '', 'AES256'],
  ['s3', '--s3-server-side-encryption AES256', '', 'AES256'],
  ['kms', '--s3-server-side-encryption aws:kms --s3-sse-kms-key-id strongroom-default', '', 'aws:kms'],
  ['c', sseC, sseC, 'SSE-C'],
]

const oddNames = [
  'plain.txt',
  'a folder/with spaces  and more.txt',
  'a folder/deeper/still/file',
  'ü/ñ/日本語/😀.txt',
  'percent%20and+plus&ampersand=equals',
  'quotes\'and"more',
  'semi;colon,comma@at!bang',
  'back\\slash',
  '.hidden/.file',
  'trailing dot.',
  'tab\there',
  '~tilde/#hash/?question',
  '<xml>&amp;',
  `${'long'.repeat(60)}.txt`,
]

async function folderOf(server: ClientServer, name: string): Promise<ClientFolder> {
  const folder = await server.folder(`rclone ${name}`, await server.variablesFor('rclone'))
  await folder.shell('touch config')
  for (const odd of oddNames) {
    const path = join(folder.directory, 'source', odd)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `content of ${odd}`)
  }
  return folder
}

const rclone = 'rclone --config config'

/** Every character that a name can have takes some hundred requests: in `.ci/run`, and wherever `CI` is set. */
const isWhole = process.env.CI !== undefined

export const rcloneScenarios: Scenarios = {
  async 'syncs a tree with odd names, finds it the same, and brings it back'(server) {
    const folder = await folderOf(server, 'sync')
    const source = await folder.digests('source')
    expect(Object.keys(source)).toHaveLength(oddNames.length + 3)
    for (const [mode, put, get, shown] of modes) {
      const there = `strongroom:rclone-sync/${mode}`
      await folder.shell(`${rclone} sync ${put} source ${there}`)
      for (const name of ['large', 'percent%20and+plus&ampersand=equals']) {
        expect([mode, await server.encryptionOf('rclone-sync', `${mode}/${name}`, mode === 'c')]).toEqual([mode, shown])
      }
      // Bytes, not sums: under SSE-C and SSE-KMS an entity tag is none.
      await folder.shell(`${rclone} check --download ${get} source ${there}`)
      // A second run finds nothing to do: sizes and times are what it left there.
      const second = await folder.shell(`${rclone} sync ${put} --stats-one-line -v source ${there} 2>&1`)
      expect(second).not.toMatch(/Copied|Deleted/)
      await folder.shell(`${rclone} sync ${get} ${there} back-${mode}`)
      expect(await folder.digests(`back-${mode}`), mode).toEqual(source)
    }
    const listed = await folder.shell(`${rclone} lsf -R --files-only strongroom:rclone-sync`)
    expect(listed.trim().split('\n')).toHaveLength(modes.length * Object.keys(source).length)
  },

  async 'deletes what is gone, moves, and purges'(server) {
    const folder = await folderOf(server, 'move')
    await folder.shell(`${rclone} sync source strongroom:rclone-move/a; rm -r source/ü`)
    await folder.shell(
      `${rclone} sync source strongroom:rclone-move/a; ${rclone} moveto strongroom:rclone-move/a strongroom:rclone-move/b`,
    )
    await folder.shell(`${rclone} copy strongroom:rclone-move back`)
    const source = Object.entries(await folder.digests('source')).map(([name, digest]) => [`b/${name}`, digest])
    expect(await folder.digests('back')).toEqual(Object.fromEntries(source))
    await folder.shell(`${rclone} purge strongroom:rclone-move`)
    expect(await folder.shell(`${rclone} lsd strongroom:`)).not.toContain('rclone-move')
  },

  async 'finds out which names a store takes'(server) {
    const folder = await folderOf(server, 'info')
    await folder.shell(`${rclone} mkdir strongroom:rclone-info`)
    const checks = isWhole ? '--all' : '--check-length --check-normalization --check-streaming'
    const found = await folder.shell(`${rclone} test info ${checks} strongroom:rclone-info 2>&1`)
    const fact = (name: string): string | undefined => new RegExp(`^${name}\\s+= (\\S+)`, 'm').exec(found)?.[1]
    // Every other character is kept as it is, at the beginning, in the middle and at the end of a name.
    if (isWhole) expect(found).toMatch(/stringNeedsEscaping = \[\]rune\{\s*'\/', '\\x00'\s*\}/)
    expect(fact('maxFileLength')).toBe('1024')
    expect(fact('canWriteUnnormalized')).toBe('true')
    expect(fact('canReadUnnormalized')).toBe('true')
    expect(fact('canReadRenormalized')).toBe('false')
    expect(fact('canStream')).toBe('true')
  },
}
