import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentFormat, openDataDirectory } from './data-directory.ts'

let base = ''

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-data-'))
})

afterEach(async () => {
  await rm(base, { recursive: true, force: true })
})

const stampOf = async (directory: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(directory, 'strongroom.json'), 'utf8'))

describe('openDataDirectory', () => {
  it('makes a directory that is not there, for its owner only, and finds it again', async () => {
    const made = await openDataDirectory(join(base, 'a/b'))
    expect(made).toMatchObject({ isNew: true, root: join(base, 'a/b'), metadata: join(base, 'a/b/metadata') })
    expect((await stat(made.root)).mode & 0o777).toBe(0o700)
    expect((await stat(made.metadata)).mode & 0o777).toBe(0o700)
    const again = await openDataDirectory(join(base, 'a/b'))
    expect(again).toEqual({ ...made, isNew: false })
    expect((await readdir(made.root)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('takes an empty directory and refuses one that holds something else', async () => {
    await mkdir(join(base, 'lost+found'))
    await openDataDirectory(base)
    const other = join(base, 'other')
    await mkdir(other)
    await writeFile(join(other, 'letter.txt'), 'x')
    await expect(openDataDirectory(other)).rejects.toMatchObject({
      code: 'data-directory',
      message: expect.stringContaining('is not empty and is not a Strongroom data directory'),
    })
    expect(await readdir(other)).toEqual(['letter.txt'])
  })

  it('refuses a file, and what lies below one', async () => {
    await writeFile(join(base, 'file'), 'x')
    for (const path of ['file', 'file/data']) {
      await expect(openDataDirectory(join(base, path))).rejects.toMatchObject({
        code: 'data-directory',
        message: expect.stringContaining('is not a directory'),
      })
    }
  })

  it('gives up where a file system lets nothing be made', async () => {
    await expect(openDataDirectory('/proc/strongroom')).rejects.toMatchObject({
      code: 'data-directory',
      message: expect.stringContaining('/proc/strongroom cannot be made'),
    })
  })

  it('says what to do with a MinIO drive', async () => {
    await mkdir(join(base, '.minio.sys'))
    await expect(openDataDirectory(base)).rejects.toThrow('is a MinIO drive')
  })

  it('refuses a newer format and changes nothing', async () => {
    const { root } = await openDataDirectory(join(base, 'd'))
    const newer = { ...(await stampOf(root)), format: currentFormat + 1 }
    await writeFile(join(root, 'strongroom.json'), JSON.stringify(newer))
    await expect(openDataDirectory(root)).rejects.toThrow('was written by a newer Strongroom')
    expect(await stampOf(root)).toEqual(newer)
  })

  it('refuses a damaged stamp and a stamp of something else', async () => {
    const { root } = await openDataDirectory(join(base, 'd'))
    await writeFile(join(root, 'strongroom.json'), '{"product":"strong')
    await expect(openDataDirectory(root)).rejects.toThrow('is damaged')
    await writeFile(join(root, 'strongroom.json'), '{"product":"weakroom","format":1}')
    await expect(openDataDirectory(root)).rejects.toThrow('is not the stamp')
  })

  it('keeps metadata apart when asked, and refuses that of another deployment', async () => {
    const metadata = join(base, 'metadata-1')
    const first = await openDataDirectory(join(base, 'one'), { metadata })
    expect(first.metadata).toBe(metadata)
    expect((await stampOf(metadata)).deployment).toBe(first.deploymentId)
    await expect(openDataDirectory(join(base, 'two'), { metadata })).rejects.toThrow('belongs to another deployment')
  })

  it('goes on after a crash between the two stamps, but does not begin a lived-in deployment anew', async () => {
    const { root, metadata, deploymentId } = await openDataDirectory(join(base, 'd'))
    await rm(metadata, { recursive: true })
    expect((await openDataDirectory(root)).deploymentId).toBe(deploymentId)
    await rm(metadata, { recursive: true })
    await writeFile(join(root, 'keyring'), 'x')
    await expect(openDataDirectory(root)).rejects.toThrow('name its metadata directory with --metadata')
  })

  it('is made once by many that start at one moment', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openDataDirectory(join(base, 'd'))))
    expect(new Set(opened.map(({ deploymentId }) => deploymentId)).size).toBe(1)
  })

  it('makes nothing when the directory must exist', async () => {
    await expect(openDataDirectory(join(base, 'none'), { mustExist: true })).rejects.toThrow(
      'is not a Strongroom data directory',
    )
    expect(await readdir(base)).toEqual([])
  })

  it('says so when it cannot write', async () => {
    const file = join(base, 'file')
    await writeFile(file, '')
    await chmod(file, 0o400)
    await expect(openDataDirectory(join(file, 'd'))).rejects.toMatchObject({ code: 'data-directory' })
  })
})
