import { createPublicKey, sign, verify } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keyring, KeyringContent } from './keyring.ts'
import {
  addMetadataKey,
  createKeyring,
  keyringFileName,
  openKeyring,
  rotateRootCredentials,
  rotateRootKey,
} from './keyring-file.ts'
import { deriveRootCredentials } from './root-credentials.ts'
import {
  createRootKeyFile,
  credentialRootKey,
  fileRootKey,
  rootKeyCredentialName,
  rotateRootKeyFile,
} from './root-key/key-file.ts'
import { passphraseRootKey } from './root-key/passphrase.ts'
import type { RootKey } from './root-key/root-key.ts'

let directory: string
let keyPath: string
let keyringPath: string
let rootKey: RootKey

const cheap = { memoryKib: 64, passes: 1, parallelism: 1 }

/** What is in a keyring, to compare after it was closed. */
function snapshot(keyring: Keyring): KeyringContent {
  return structuredClone(keyring.content)
}

function closed(keyring: Keyring): KeyringContent {
  const content = snapshot(keyring)
  keyring.close()
  return content
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-keyring-'))
  keyPath = join(directory, 'root.key')
  keyringPath = join(directory, keyringFileName)
  await createRootKeyFile(keyPath)
  rootKey = fileRootKey(keyPath)
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('a keyring', () => {
  it('comes back as it was made', async () => {
    const made = closed(await createKeyring({ directory, rootKey }, { now: () => 1_767_225_600_000 }))
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
    expect(made.entries.map(({ purpose, id, createdAtMs }) => [purpose, id, createdAtMs])).toEqual([
      ['metadata', 1, 1_767_225_600_000],
      ['data', 1, 1_767_225_600_000],
      ['keyStore', 1, 1_767_225_600_000],
    ])
    expect(new Set(made.entries.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(3)
  })

  it('is one file that only its owner reads, and shows no secret', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    expect((await readdir(directory)).sort()).toEqual([keyringFileName, 'root.key'])
    expect((await stat(keyringPath)).mode & 0o777).toBe(0o600)
    const file = await readFile(keyringPath, 'latin1')
    const sealed = Buffer.from((JSON.parse(file) as { sealed: string }).sealed, 'base64')
    for (const secret of [...made.entries.map(({ key }) => key), made.credentialsSeed, made.signingSeed]) {
      expect(sealed.includes(Buffer.from(secret))).toBe(false)
      expect(file).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20))
    }
  })

  it('is not made a second time', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    await expect(createKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'key-exists' })
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
  })

  it('is missing where there is none', async () => {
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'key-not-found' })
  })

  it('does not open with another root key, and says so', async () => {
    closed(await createKeyring({ directory, rootKey }))
    const otherPath = join(directory, 'other.key')
    await createRootKeyFile(otherPath)
    await expect(openKeyring({ directory, rootKey: fileRootKey(otherPath) })).rejects.toMatchObject({
      code: 'not-authentic',
      message: expect.stringContaining('the root key does not open the keyring'),
    })
    const passphrase = passphraseRootKey(Buffer.from('x'), cheap)
    await expect(openKeyring({ directory, rootKey: passphrase })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('under a key, and a passphrase was given'),
    })
  })

  it('does not open when any part of it was changed', async () => {
    closed(await createKeyring({ directory, rootKey }))
    const file = JSON.parse(await readFile(keyringPath, 'utf8')) as { sealed: string; rootKey: object; format: string }
    const sealed = Buffer.from(file.sealed, 'base64')
    const store = (changed: unknown): Promise<void> => writeFile(keyringPath, JSON.stringify(changed))
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed)
      changed[i] = (changed[i] ?? 0) ^ 0x80
      await store({ ...file, sealed: changed.toString('base64') })
      await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'not-authentic' })
    }
    await store({ ...file, sealed: sealed.subarray(0, -1).toString('base64') })
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'not-authentic' })
    await store({ ...file, rootKey: { kind: 'key', parameters: 'other' } })
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'not-authentic' })
    await store({ ...file, format: 'strongroom-keyring-v2' })
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it.each(['', '{', '[]', 'null', '{"format":"strongroom-keyring-v1"}', '{"format":5}', '\u0000'])(
    'refuses the file %j',
    async (text) => {
      await writeFile(keyringPath, text)
      await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'invalid-key' })
    },
  )

  it('zeroes its secrets when it is closed', async () => {
    const keyring = await createKeyring({ directory, rootKey })
    keyring.close()
    const secrets = [...keyring.content.entries.map(({ key }) => key), keyring.content.credentialsSeed]
    for (const secret of [...secrets, keyring.content.signingSeed]) expect([...secret]).toEqual(Array(32).fill(0))
  })

  it('gets new metadata keys and keeps the old ones', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    const added = await addMetadataKey({ directory, rootKey })
    expect(added.metadataKeys.currentId).toBe(2)
    expect([...added.metadataKeys.keys.keys()]).toEqual([1, 2])
    expect(added.dataKeys.currentId).toBe(1)
    const content = closed(added)
    expect(content.entries.slice(0, 3)).toEqual(made.entries)
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(content)
  })

  it('signs with a key of its own', async () => {
    const keyring = await createKeyring({ directory, rootKey })
    const message = Buffer.from('erased')
    const signature = sign(null, message, keyring.signingKey())
    expect(verify(null, message, createPublicKey(keyring.signingKey()), signature)).toBe(true)
    expect(verify(null, Buffer.from('kept'), createPublicKey(keyring.signingKey()), signature)).toBe(false)
    keyring.close()
  })
})

describe('root credentials', () => {
  it('have the form of an access key pair', async () => {
    const keyring = await createKeyring({ directory, rootKey })
    const { accessKeyId, secretAccessKey } = deriveRootCredentials(keyring)
    expect(accessKeyId).toMatch(/^[A-Z0-9]{20}$/)
    expect(secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/)
    keyring.close()
  })

  it('survive a change of the root key and of metadata keys, and change when they are rotated', async () => {
    const keyring = await createKeyring({ directory, rootKey })
    const before = deriveRootCredentials(keyring)
    keyring.close()
    await rotateRootKeyFile({ directory, path: keyPath })
    const added = await addMetadataKey({ directory, rootKey })
    expect(deriveRootCredentials(added)).toEqual(before)
    added.close()
    const rotated = await rotateRootCredentials({ directory, rootKey })
    const after = deriveRootCredentials(rotated)
    expect(after.accessKeyId).not.toBe(before.accessKeyId)
    expect(after.secretAccessKey).not.toBe(before.secretAccessKey)
    rotated.close()
    const reopened = await openKeyring({ directory, rootKey })
    expect(deriveRootCredentials(reopened)).toEqual(after)
    reopened.close()
  })
})

describe('a root key file', () => {
  it('holds 32 bytes in base64, is for its owner only, and is not made twice', async () => {
    expect(await readFile(keyPath, 'utf8')).toMatch(/^[A-Za-z0-9+/]{43}=\n$/)
    expect((await stat(keyPath)).mode & 0o777).toBe(0o600)
    await expect(createRootKeyFile(keyPath)).rejects.toMatchObject({ code: 'key-exists' })
  })

  it('is refused when everybody may read it', async () => {
    await chmod(keyPath, 0o644)
    await expect(createKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'permission-denied' })
  })

  it('is refused when it is missing or holds something else, and its content is not told', async () => {
    await expect(createKeyring({ directory, rootKey: fileRootKey(join(directory, 'none')) })).rejects.toMatchObject({
      code: 'key-not-found',
    })
    for (const content of ['', 'short', 'A'.repeat(44), 'B'.repeat(2000)]) {
      await writeFile(keyPath, content)
      const failure = createKeyring({ directory, rootKey })
      await expect(failure).rejects.toMatchObject({ code: 'invalid-key' })
      if (content !== '') await expect(failure).rejects.not.toThrow(content)
    }
  })

  it('may lie anywhere, also as a credential of a service manager, as text or as bytes', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    const credentials = join(directory, 'credentials')
    await mkdir(credentials)
    const credential = join(credentials, rootKeyCredentialName)
    await rename(keyPath, credential)
    await chmod(credential, 0o444)
    expect(closed(await openKeyring({ directory, rootKey: credentialRootKey(credentials) }))).toEqual(made)
    expect(closed(await openKeyring({ directory, rootKey: credentialRootKey(credential) }))).toEqual(made)
    const raw = Buffer.from(await readFile(credential, 'utf8'), 'base64')
    await rm(credential)
    await writeFile(credential, raw)
    expect(closed(await openKeyring({ directory, rootKey: credentialRootKey(credentials) }))).toEqual(made)
    await rm(credential)
    await expect(openKeyring({ directory, rootKey: credentialRootKey(credentials) })).rejects.toMatchObject({
      code: 'key-not-found',
    })
  })
})

describe('changing the root key', () => {
  it('rewrites the keyring only, and the old key opens it no more', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    const oldKey = await readFile(keyPath)
    await rotateRootKeyFile({ directory, path: keyPath })
    expect(await readFile(keyPath)).not.toEqual(oldKey)
    expect((await readdir(directory)).sort()).toEqual([keyringFileName, 'root.key'])
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
    await writeFile(keyPath, oldKey)
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('goes from a file to a passphrase and back', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    const passphrase = passphraseRootKey(Buffer.from('correct horse'), cheap)
    await rotateRootKey({ directory, rootKey, newRootKey: passphrase })
    expect(closed(await openKeyring({ directory, rootKey: passphrase }))).toEqual(made)
    await expect(openKeyring({ directory, rootKey })).rejects.toMatchObject({ code: 'unsupported' })
    await rotateRootKey({ directory, rootKey: passphrase, newRootKey: rootKey })
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
  })

  it('leaves everything as it was when the old key is the wrong one', async () => {
    closed(await createKeyring({ directory, rootKey }))
    const before = await readFile(keyringPath)
    const otherPath = join(directory, 'other.key')
    await createRootKeyFile(otherPath)
    await expect(rotateRootKeyFile({ directory, path: otherPath })).rejects.toMatchObject({ code: 'not-authentic' })
    expect(await readFile(keyringPath)).toEqual(before)
    expect((await readdir(directory)).sort()).toEqual([keyringFileName, 'other.key', 'root.key'])
  })

  it('survives a crash before the keyring was rewritten', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    await createRootKeyFile(`${keyPath}.next`)
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
    await rotateRootKeyFile({ directory, path: keyPath })
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
    expect((await readdir(directory)).sort()).toEqual([keyringFileName, 'root.key'])
  })

  it('survives a crash after the keyring was rewritten and before the key was put in place', async () => {
    const made = closed(await createKeyring({ directory, rootKey }))
    const oldKey = await readFile(keyPath)
    await rotateRootKeyFile({ directory, path: keyPath })
    await rename(keyPath, `${keyPath}.next`)
    await writeFile(keyPath, oldKey, { mode: 0o600 })
    expect(closed(await openKeyring({ directory, rootKey }))).toEqual(made)
    expect(await readFile(keyPath)).not.toEqual(oldKey)
    expect((await readdir(directory)).sort()).toEqual([keyringFileName, 'root.key'])
  })
})

describe('a passphrase', () => {
  it('opens with the same passphrase and no other', async () => {
    const passphrase = passphraseRootKey(Buffer.from('correct horse'), cheap)
    const made = closed(await createKeyring({ directory, rootKey: passphrase }))
    // The cost stands in the keyring, not in the settings.
    expect(closed(await openKeyring({ directory, rootKey: passphraseRootKey(Buffer.from('correct horse')) }))).toEqual(
      made,
    )
    await expect(
      openKeyring({ directory, rootKey: passphraseRootKey(Buffer.from('battery staple')) }),
    ).rejects.toMatchObject({ code: 'not-authentic' })
  })

  it('takes at least 64 MiB and three passes by default', async () => {
    closed(await createKeyring({ directory, rootKey: passphraseRootKey(Buffer.from('correct horse')) }))
    expect(await readFile(keyringPath, 'utf8')).toContain('$argon2id$v=19$m=65536,t=3,p=4$')
  })

  it('is not empty', async () => {
    await expect(createKeyring({ directory, rootKey: passphraseRootKey(Buffer.alloc(0)) })).rejects.toMatchObject({
      code: 'invalid-key',
    })
  })

  it.each([
    '',
    'm=1',
    '$argon2id$v=19$m=9999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA',
    '$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA',
  ])('refuses to work with the parameters %j', async (parameters) => {
    const passphrase = passphraseRootKey(Buffer.from('correct horse'), cheap)
    closed(await createKeyring({ directory, rootKey: passphrase }))
    const file = JSON.parse(await readFile(keyringPath, 'utf8')) as object
    await writeFile(keyringPath, JSON.stringify({ ...file, rootKey: { kind: 'passphrase', parameters } }))
    await expect(openKeyring({ directory, rootKey: passphrase })).rejects.toMatchObject({ code: 'invalid-key' })
  })
})
