/**
 * Keys of MinIO and KES under a Strongroom: a key directory of KES served by a `strongroom kes server` of its own and put
 * behind the built-in key service opens every data key that MinIO had made, with MinIO's contexts; keys move between
 * the directory and other stores and back.
 *
 * @module
 */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeyService, type Kms, openKeyStore } from '@strongroom/kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sseKms } from '../support/encryption-headers.ts'
import { KesService } from '../support/kes-service.ts'
import { run } from '../support/program.ts'
import { startServer } from '../support/test-server.ts'

interface SealedDataKey {
  readonly of: string
  readonly keyId: string
  readonly ciphertext: string
  readonly context: string
  readonly dek: string
}

interface Data {
  /** As KES stores them. */
  readonly storedKeys: Readonly<Record<string, string>>
  readonly dataKeys: readonly SealedDataKey[]
  readonly staticDataKeys: readonly (SealedDataKey & { readonly masterKey: string })[]
}

const data: Data = JSON.parse(await readFile(join(import.meta.dirname, 'testdata/minio-data-keys.json'), 'utf8'))
let directory: string

async function fillKeyDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  for (const [name, stored] of Object.entries(data.storedKeys)) await writeFile(join(path, name), stored)
}

/** Of everything that MinIO had sealed, what does not open. */
async function unopened(kms: Kms, dataKeys: readonly SealedDataKey[]): Promise<readonly string[]> {
  const bad: string[] = []
  for (const { of, keyId, ciphertext, context, dek } of dataKeys) {
    const opened = await kms.decrypt(keyId, 1, Buffer.from(ciphertext, 'base64'), Buffer.from(context))
    if (Buffer.from(opened).toString('base64') !== dek) bad.push(of)
    const other = kms.decrypt(keyId, 1, Buffer.from(ciphertext, 'base64'), Buffer.from(`${context} `))
    if (await other.then(() => true).catch(() => false)) bad.push(`${of} with another context`)
  }
  return bad
}

const staticKeyOf = ({ staticDataKeys: [first] }: Data): string => `${first?.keyId}:${first?.masterKey}`

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-keys-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

describe("MinIO's data keys", { timeout: 180_000 }, () => {
  it('open over mTLS through a key service that has the keys of KES', async () => {
    const kes = await KesService.start()
    const server = await startServer({ args: kes.flags, defaultKey: 'minio-default' })
    try {
      for (const [name, stored] of Object.entries(data.storedKeys)) {
        if (name !== 'minio-default') await writeFile(join(kes.directory, 'keys', name), stored)
      }
      const others = data.dataKeys.filter(({ keyId }) => keyId !== 'minio-default')
      expect(others.length).toBeGreaterThan(0)
      expect(await unopened(server.deployment.kms, others)).toEqual([])
    } finally {
      await server.stop()
      await kes.stop()
    }
  })

  it('open with a key directory of KES behind the built-in key service, and new ones are under the same keys', async () => {
    const keys = join(directory, 'kes')
    await fillKeyDirectory(keys)
    const config = join(directory, 'strongroom.yaml')
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what the environment puts in there
    await writeFile(config, 'kms:\n  keystore:\n    fs:\n      path: ${KEYS}\n')
    const server = await startServer({
      args: ['--key-store', config],
      environment: { KEYS: keys },
      defaultKey: 'minio-default',
    })
    try {
      expect(data.dataKeys.length).toBe(34)
      expect(await unopened(server.deployment.kms, data.dataKeys)).toEqual([])
      await server.raw.send({ method: 'PUT', bucket: 'keys' })
      const put = await server.raw.send({
        method: 'PUT',
        bucket: 'keys',
        name: 'o',
        headers: sseKms('testkey-1'),
        body: 'x',
      })
      expect(put.status).toBe(200)
      // Nothing was written beside the keys that were there, and nothing of them was changed.
      expect((await readdir(keys)).sort()).toEqual(Object.keys(data.storedKeys).sort())
      for (const [name, stored] of Object.entries(data.storedKeys)) {
        expect(await readFile(join(keys, name), 'utf8')).toBe(stored)
      }
    } finally {
      await server.stop()
    }
  })

  it('of a static key open with the setting of MinIO', async () => {
    const server = await startServer({ args: ['--static-key', staticKeyOf(data)] })
    try {
      expect(await unopened(server.deployment.kms, data.staticDataKeys)).toEqual([])
    } finally {
      await server.stop()
    }
  })
})

describe('keys of KES', { timeout: 180_000 }, () => {
  it('are copied to another store and back by one command each, byte for byte', async () => {
    const at = (name: string): string => join(directory, name)
    await fillKeyDirectory(at('from'))
    for (const name of ['from', 'to', 'back']) {
      await mkdir(at(name), { recursive: true })
      await writeFile(at(`${name}.yml`), `version: v1\nkeystore:\n  fs:\n    path: ${at(name)}\n`)
    }
    for (const [from, to] of [
      ['from', 'to'],
      ['to', 'back'],
    ] as const) {
      const done = await run(['kes', 'migrate', '--from', at(`${from}.yml`), '--to', at(`${to}.yml`)])
      expect([done.code, done.out]).toEqual([0, expect.stringContaining('3 keys')])
    }
    for (const [name, stored] of Object.entries(data.storedKeys)) {
      expect(await readFile(join(at('back'), name), 'utf8')).toBe(stored)
    }
    const kms = new KeyService(await openKeyStore({ kind: 'files', path: at('back') }))
    expect(await unopened(kms, data.dataKeys)).toEqual([])
    await kms.close()
  })

  it('move into the sealed files of a deployment and out again, and open in between', async () => {
    const at = (name: string): string => join(directory, 'move', name)
    await fillKeyDirectory(at('kes'))
    for (const name of ['kes', 'out']) {
      await mkdir(at(name), { recursive: true })
      await writeFile(at(`${name}.yml`), `keystore:\n  fs:\n    path: ${at(name)}\n`)
    }
    const into = ['--from', at('kes.yml'), '--data', at('data')]
    expect(await run(['key', 'copy', ...into])).toMatchObject({ code: 0, out: 'Migrated   3 keys successfully!\n' })
    expect((await run(['key', 'copy', ...into])).out).toContain('Unchanged  3 keys')
    for (const [name, stored] of Object.entries(data.storedKeys)) {
      const sealed = await readFile(join(at('data'), 'keys', name), 'utf8')
      expect(sealed).toMatch(/^strongroom:sealed:v1:/)
      expect(sealed).not.toContain(stored.slice(0, 40))
    }
    const server = await startServer({ args: ['--data', at('data'), '--static-key', staticKeyOf(data)] })
    try {
      expect(await unopened(server.deployment.kms, data.dataKeys)).toEqual([])
      const busy = await run(['key', 'copy', ...into])
      expect([busy.code, busy.error]).toEqual([5, expect.stringContaining('server')])
    } finally {
      await server.stop()
    }
    expect((await run(['key', 'copy', 'testkey-*', '--to', at('out.yml'), '--data', at('data')])).code).toBe(0)
    expect((await readdir(at('out'))).sort()).toEqual(['testkey-1', 'testkey-2'])
    for (const name of ['testkey-1', 'testkey-2']) {
      expect(await readFile(join(at('out'), name), 'utf8')).toBe(data.storedKeys[name])
    }
    expect((await run(['key', 'copy', '--data', at('data')])).error).toContain('--from FILE or --to FILE')
  })

  it('of a server that has been in use go along to a key service, and all objects with them', async () => {
    const dataDirectory = join(directory, 'in-use')
    const kes = await KesService.start()
    const before = await startServer({ hasOwnKeys: true, args: ['--data', dataDirectory] })
    const object = { bucket: 'objects', name: 'o' }
    try {
      await before.raw.send({ method: 'PUT', bucket: 'objects' })
      const put = await before.raw.send({ method: 'PUT', ...object, headers: sseKms(), body: 'from before' })
      expect(put.status).toBe(200)
    } finally {
      await before.stop()
    }
    try {
      const to = join(kes.directory, 'config.yml')
      const moved = await run(['key', 'copy', '--to', to, '--data', dataDirectory])
      expect([moved.code, moved.out]).toEqual([0, 'Migrated   1 key successfully!\n'])
      const after = await startServer({ args: ['--data', dataDirectory, ...kes.flags] })
      try {
        expect((await after.raw.send({ method: 'GET', ...object })).text).toBe('from before')
      } finally {
        await after.stop()
      }
    } finally {
      await kes.stop()
    }
  })
})
