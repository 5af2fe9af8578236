import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deriveRootCredentials } from '@strongroom/kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { openOrCreateKeyring, rootKeySource } from './root-key-source.ts'

let base = ''
let directory: DataDirectory

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'strongroom-root-key-'))
  directory = await openDataDirectory(join(base, 'data'))
})

afterEach(async () => {
  await rm(base, { recursive: true, force: true })
})

const none = { rootKeyFile: undefined, rootKeyPassphraseFile: undefined, rootKeyCredential: undefined }

/** Opens or makes the keyring, and gives what is derived from it. */
async function credentialsWith(
  settings: Partial<typeof none | Record<keyof typeof none, string>>,
  credentials?: string,
) {
  const keyring = await openOrCreateKeyring(
    directory,
    await rootKeySource({ ...none, ...settings }, directory, credentials),
  )
  try {
    return deriveRootCredentials(keyring).accessKeyId
  } finally {
    keyring.close()
  }
}

const newKeyFile = async (name: string, fill: number): Promise<string> => {
  const path = join(base, name)
  await writeFile(path, `${Buffer.alloc(32, fill).toString('base64')}\n`, { mode: 0o600 })
  return path
}

describe('the root key', () => {
  it('is made for trying out when nothing names one, and found again', async () => {
    const first = await credentialsWith({})
    expect((await stat(directory.rootKeyFile)).mode & 0o777).toBe(0o600)
    expect(await credentialsWith({})).toBe(first)
    expect((await rootKeySource(none, directory, undefined)).isTrial).toBe(true)
  })

  it('comes from a file outside the data directory', async () => {
    const rootKeyFile = await newKeyFile('root.key', 1)
    const first = await credentialsWith({ rootKeyFile })
    expect(await credentialsWith({ rootKeyFile })).toBe(first)
    await expect(readFile(directory.rootKeyFile)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(credentialsWith({ rootKeyFile: await newKeyFile('other.key', 2) })).rejects.toMatchObject({
      code: 'root-key',
      message: expect.stringContaining('does not open the keyring'),
    })
  })

  it('comes from a passphrase, whose line break at the end does not count', async () => {
    const rootKeyPassphraseFile = join(base, 'passphrase')
    await writeFile(rootKeyPassphraseFile, 'correct horse battery\n')
    const first = await credentialsWith({ rootKeyPassphraseFile })
    await writeFile(rootKeyPassphraseFile, 'correct horse battery')
    expect(await credentialsWith({ rootKeyPassphraseFile })).toBe(first)
    await expect(credentialsWith({ rootKeyFile: await newKeyFile('key', 1) })).rejects.toThrow(
      'the keyring is sealed under a passphrase, and a key was given: name the source it was sealed under',
    )
    await writeFile(rootKeyPassphraseFile, 'short\n')
    await expect(credentialsWith({ rootKeyPassphraseFile })).rejects.toThrow('shorter than 12 bytes')
  })

  it('comes from a credential of the service manager', async () => {
    await newKeyFile('my-root-key', 3)
    const first = await credentialsWith({ rootKeyCredential: 'my-root-key' }, base)
    expect(await credentialsWith({ rootKeyFile: join(base, 'my-root-key') })).toBe(first)
    await expect(credentialsWith({ rootKeyCredential: 'my-root-key' })).rejects.toThrow('$CREDENTIALS_DIRECTORY is not')
  })

  it('is not made anew for a deployment that has lost its keyring', async () => {
    await writeFile(join(directory.metadata, 'data.mdb'), 'x')
    await expect(credentialsWith({})).rejects.toThrow('Restore it from a backup')
  })

  it('is missed clearly when its file is gone', async () => {
    await credentialsWith({})
    await rm(directory.rootKeyFile)
    await expect(credentialsWith({})).rejects.toMatchObject({
      code: 'root-key',
      message: expect.stringContaining('there is no root key file'),
    })
  })
})
