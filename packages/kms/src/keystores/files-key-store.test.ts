import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { temporaryPrefix } from '../durable-file.ts'
import { FilesKeyStore } from './files-key-store.ts'
import { testKeyStore } from './key-store.suite.ts'

let directory: string

const open = (): Promise<FilesKeyStore> => FilesKeyStore.open(directory)

async function makeDirectory(): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-keys-'))
}

async function removeDirectory(): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

testKeyStore('FilesKeyStore', {
  async open() {
    await makeDirectory()
    return open()
  },
  openAgain: open,
  async fill(names) {
    for (const name of names) await writeFile(join(directory, name), 'value')
  },
  dispose: removeDirectory,
})

describe('FilesKeyStore', () => {
  beforeEach(makeDirectory)
  afterEach(removeDirectory)

  it('keeps one file per key, as KES does, readable by its owner only', async () => {
    const store = await open()
    await store.create('my-key', Buffer.from('value'))
    expect(await readFile(join(directory, 'my-key'), 'utf8')).toBe('value')
    expect((await stat(join(directory, 'my-key'))).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['my-key'])
  })

  it('makes its directory with its parents', async () => {
    const nested = join(directory, 'a', 'b')
    const store = await FilesKeyStore.open(nested)
    await store.create('k', Buffer.from('value'))
    expect(await readdir(nested)).toEqual(['k'])
  })

  it('leaves no unfinished file when the name is taken', async () => {
    const store = await open()
    await store.create('k', Buffer.from('value'))
    await expect(store.create('k', Buffer.from('other'))).rejects.toMatchObject({ code: 'key-exists' })
    expect(await readdir(directory)).toEqual(['k'])
  })

  it('does not take an unfinished file for a key, nor for the owner of its name', async () => {
    await writeFile(join(directory, `${temporaryPrefix}abc`), 'half a va')
    const store = await open()
    const names: string[] = []
    for await (const name of store.list('')) names.push(name)
    expect(names).toEqual([])
    await store.create('k', Buffer.from('value'))
    expect(Buffer.from(await store.get('k')).toString()).toBe('value')
  })

  it('removes unfinished files of dead writers and leaves those of living ones', async () => {
    const old = join(directory, `${temporaryPrefix}old`)
    const young = join(directory, `${temporaryPrefix}young`)
    await writeFile(old, 'half')
    await writeFile(young, 'half')
    const nowMs = Date.parse('2026-01-01T12:00:00Z')
    await utimes(old, new Date(nowMs - 2 * 3_600_000), new Date(nowMs - 2 * 3_600_000))
    await utimes(young, new Date(nowMs - 60_000), new Date(nowMs - 60_000))
    await FilesKeyStore.open(directory, { now: () => nowMs })
    expect(await readdir(directory)).toEqual([`${temporaryPrefix}young`])
  })

  it('lists neither directories nor files that no key can be', async () => {
    await mkdir(join(directory, 'sub'))
    await writeFile(join(directory, '.hidden'), 'x')
    await writeFile(join(directory, 'README.md'), 'x')
    await writeFile(join(directory, 'k'), 'x')
    const names: string[] = []
    for await (const name of (await open()).list('')) names.push(name)
    expect(names).toEqual(['k'])
  })

  it('reads a key that is a symbolic link, as service managers lay them out', async () => {
    await writeFile(join(directory, '.real'), 'value')
    await symlink('.real', join(directory, 'k'))
    expect(Buffer.from(await (await open()).get('k')).toString()).toBe('value')
  })

  it('says of a directory that it is no key', async () => {
    await mkdir(join(directory, 'sub'))
    const store = await open()
    await expect(store.get('sub')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.delete('sub')).rejects.toMatchObject({ code: 'key-not-found' })
    await expect(store.create('sub', Buffer.from('x'))).rejects.toMatchObject({ code: 'key-exists' })
  })

  it('refuses a file that is too long for a key', async () => {
    await writeFile(join(directory, 'k'), Buffer.alloc(65_537))
    await expect((await open()).get('k')).rejects.toMatchObject({ code: 'invalid-key' })
  })

  it('is unreachable, not empty, when its directory is gone', async () => {
    const store = await open()
    await store.create('k', Buffer.from('value'))
    await removeDirectory()
    await expect(store.get('k')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(store.delete('k')).rejects.toMatchObject({ code: 'unreachable' })
    await expect(store.create('k2', Buffer.from('value'))).rejects.toMatchObject({ code: 'unreachable' })
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'unreachable' })
    expect(await store.status()).toMatchObject({ reachable: false })
  })

  it('refuses a path that is not a directory', async () => {
    const path = join(directory, 'file')
    await writeFile(path, 'x')
    await expect(FilesKeyStore.open(path)).rejects.toMatchObject({ code: 'unreachable' })
  })
})
