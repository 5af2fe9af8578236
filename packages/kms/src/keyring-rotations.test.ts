import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addMetadataKey, createKeyring, openKeyring } from './keyring-file.ts'
import { createRootKeyFile, fileRootKey, rotateRootKeyFile } from './root-key/key-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-rotations-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('changes of the root key that meet leave a keyring and a key that opens it', async () => {
  const path = join(directory, 'root.key')
  await createRootKeyFile(path)
  ;(await createKeyring({ directory, rootKey: fileRootKey(path) })).close()
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 4 }, () => rotateRootKeyFile({ directory, path })))
    ;(await openKeyring({ directory, rootKey: fileRootKey(path) })).close()
  }
})

test('a new metadata key and a new root key at one moment: neither is lost', async () => {
  const path = join(directory, 'root.key')
  await createRootKeyFile(path)
  const location = { directory, rootKey: fileRootKey(path) }
  const before = await createKeyring(location)
  const ids = before.metadataKeys.keys.size
  before.close()
  const [added] = await Promise.all([addMetadataKey(location), rotateRootKeyFile({ directory, path })])
  added.close()
  const after = await openKeyring(location)
  expect(after.metadataKeys.keys.size).toBe(ids + 1)
  after.close()
})
