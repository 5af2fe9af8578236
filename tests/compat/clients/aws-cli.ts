/**
 * The AWS command line: cp, sync, mv, rm, presign, s3api, under every encryption.
 *
 * @module
 */

import { expect } from 'vitest'
import type { ClientFolder, ClientServer, Scenarios, ShownEncryption } from '../../support/client-server.ts'
import { fileNames } from '../../support/client-server.ts'

const sseC = '--sse-c AES256 --sse-c-key fileb://../key'

/** Name, flags of writes, flags of reads, what HEAD says. */
const modes: readonly (readonly [name: string, put: string, get: string, shown: ShownEncryption])[] = [
  ['default', '', '', 'AES256'],
  ['s3', '--sse AES256', '', 'AES256'],
  ['kms', '--sse aws:kms', '', 'aws:kms'],
  ['named', '--sse aws:kms --sse-kms-key-id strongroom-default', '', 'aws:kms'],
  ['c', sseC, sseC, 'SSE-C'],
]

/** Sync asks the server the same as cp: it is tried where entity tags differ in kind. */
const syncedModes: ReadonlySet<string> = new Set(['default', 'kms', 'c'])

async function folderOf(server: ClientServer, name: string): Promise<ClientFolder> {
  const folder = await server.folder(`aws ${name}`, await server.variablesFor('aws'))
  await folder.shell('aws configure set default.s3.signature_version s3v4')
  return folder
}

const aws = 'aws --endpoint-url "$AWS_ENDPOINT_URL"'

export const awsCli: Scenarios = {
  async 'copies files of every size there and back, in parts where they are large'(server) {
    const folder = await folderOf(server, 'cp')
    await folder.shell(`${aws} s3 mb s3://aws-cp`)
    for (const [mode, put, get, shown] of modes) {
      const copy = `${aws} s3 cp --quiet --recursive`
      await folder.shell(`${copy} ${put} source s3://aws-cp/${mode}; ${copy} ${get} s3://aws-cp/${mode} back-${mode}`)
      expect(await folder.digests(`back-${mode}`), mode).toEqual(await folder.digests('source'))
      for (const file of fileNames) {
        expect([mode, file, await server.encryptionOf('aws-cp', `${mode}/${file}`, mode === 'c')]).toEqual([
          mode,
          file,
          shown,
        ])
      }
    }
    const listed = await folder.shell(`${aws} s3 ls --recursive s3://aws-cp`)
    expect(listed.trim().split('\n')).toHaveLength(modes.length * fileNames.length)
    await folder.shell(`${aws} s3 rm --quiet --recursive s3://aws-cp; ${aws} s3 rb s3://aws-cp`)
  },

  async 'copies between prefixes on the server, which changes the encryption'(server) {
    const folder = await folderOf(server, 'copy')
    await folder.shell(`${aws} s3 mb s3://aws-copy; ${aws} s3 cp --quiet --recursive source s3://aws-copy/first`)
    await folder.shell(`${aws} s3 cp --quiet --recursive --sse aws:kms s3://aws-copy/first s3://aws-copy/second`)
    const copyC = '--sse-c AES256 --sse-c-key fileb://../key'
    await folder.shell(`${aws} s3 cp --quiet ${copyC} s3://aws-copy/second/small s3://aws-copy/third`)
    expect(await server.encryptionOf('aws-copy', 'second/large')).toBe('aws:kms')
    expect(await server.encryptionOf('aws-copy', 'third', true)).toBe('SSE-C')
    await folder.shell(`${aws} s3 cp --quiet --recursive s3://aws-copy/second back`)
    expect(await folder.digests('back')).toEqual(await folder.digests('source'))
  },

  async 'syncs what differs and nothing else, and deletes what is gone'(server) {
    const folder = await folderOf(server, 'sync')
    await folder.shell(`${aws} s3 mb s3://aws-sync`)
    for (const [mode, put, get, shown] of modes.filter(([name]) => syncedModes.has(name))) {
      const there = `s3://aws-sync/${mode}`
      const sync = `${aws} s3 sync --no-progress`
      expect((await folder.shell(`${sync} ${put} source ${there}`)).match(/^upload:/gm)).toHaveLength(3)
      expect(await folder.shell(`${sync} ${put} source ${there}`)).toBe('')
      await folder.shell('mkdir -p "source/a folder"; echo new > "source/a folder/ü + &.txt"; mv source/small kept')
      const second = await folder.shell(`${sync} --delete ${put} source ${there}`)
      expect([second.match(/^upload:/gm)?.length, second.match(/^delete:/gm)?.length]).toEqual([1, 1])
      expect(await server.encryptionOf('aws-sync', `${mode}/a folder/ü + &.txt`, mode === 'c')).toBe(shown)
      await folder.shell(`${sync} ${get} ${there} back-${mode}`)
      expect(await folder.digests(`back-${mode}`), mode).toEqual(await folder.digests('source'))
      await folder.shell('mv kept source/small; rm -r "source/a folder"')
    }
  },

  async 'moves and removes'(server) {
    const folder = await folderOf(server, 'mv')
    await folder.shell(`${aws} s3 mb s3://aws-mv; cp -r source leaving`)
    await folder.shell(`${aws} s3 mv --quiet --recursive --sse aws:kms leaving s3://aws-mv/a`)
    expect(await folder.digests('leaving')).toEqual({})
    await folder.shell(
      `${aws} s3 mv --quiet --recursive s3://aws-mv/a s3://aws-mv/b; ${aws} s3 mv --quiet --recursive s3://aws-mv/b back`,
    )
    expect(await folder.digests('back')).toEqual(await folder.digests('source'))
    expect(await folder.shell(`${aws} s3api list-objects-v2 --bucket aws-mv --query Contents`)).toBe('null\n')
    await folder.shell(
      `${aws} s3 cp --quiet --recursive source s3://aws-mv/c; ${aws} s3 rm --quiet s3://aws-mv/c/small`,
    )
    expect(await folder.shell(`${aws} s3 ls s3://aws-mv/c/`)).not.toContain('small')
    await folder.shell(`${aws} s3 rb --force s3://aws-mv`)
  },

  async 'signs addresses that need no more'(server) {
    const folder = await folderOf(server, 'presign')
    await folder.shell(
      `${aws} s3 mb s3://aws-presign; ${aws} s3 cp --quiet --sse aws:kms source/large s3://aws-presign/large`,
    )
    const url = (await folder.shell(`${aws} s3 presign --expires-in 300 s3://aws-presign/large`)).trim()
    const { status, body } = await server.download(url)
    expect([status, body.equals(await folder.read('source/large'))]).toEqual([200, true])
    const wrong = await server.download(url.replace(/Signature=../, 'Signature=00'))
    expect(wrong.status).toBe(403)
  },
}
