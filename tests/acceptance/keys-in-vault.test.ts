/**
 * A server whose built-in key service keeps its keys in Vault: the settings of KES under `kms`, the default key made when
 * Vault is there at last, versions, locks and deletions as entries of their own, and Vault failing meanwhile.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sseKms, sseS3 } from '../support/encryption-headers.ts'
import type { RawResponse } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { VaultServer } from '../support/vault-server.ts'
import { VendorServer } from '../support/vendor-server.ts'

const bucket = 'vaulted'
let directory: string
let vault: VaultServer
let service: VendorServer
let server: TestServer

const put = (name: string, headers: Readonly<Record<string, string>>): Promise<RawResponse> =>
  server.raw.send({ method: 'PUT', bucket, name, headers, body: name })
const get = (name: string): Promise<RawResponse> => server.raw.send({ method: 'GET', bucket, name })
const outcome = ({ status, code }: RawResponse): string => (status < 300 ? String(status) : `${status} ${code}`)

/** Entries that are not deleted. */
const entries = (): readonly string[] =>
  [...vault.kv2]
    .filter(([, versions]) => versions.at(-1)?.deletionTime === '' && versions.at(-1)?.isDestroyed === false)
    .map(([name]) => name)
    .sort()

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200 && !(await isSo()); attempt++) await sleep(100)
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-vault-'))
  vault = new VaultServer({ now: Date.now })
  service = await VendorServer.start(vault.handler)
  const ca = join(directory, 'vault.crt')
  await writeFile(ca, service.caPem)
  const config = join(directory, 'strongroom.yaml')
  const { role_id, secret_id } = vault.approle
  const lines = [
    'kms:',
    '  keystore:',
    '    vault:',
    `      endpoint: ${service.endpoint}`,
    '      engine: kv2',
    '      version: v2',
    '      approle:',
    `        id: ${role_id}`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what the environment puts in there
    '        secret: ${VAULT_SECRET}',
    '      tls:',
    `        ca: ${ca}`,
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  vault.isSealed = true
  server = await startServer({
    defaultKey: 'deployment',
    args: ['--key-store', config, '--kms-timeout', '2s', '--data-key-cache-time', '1ms'],
    environment: { VAULT_SECRET: secret_id },
    defaultEncryption: 'none',
  })
})

afterAll(async () => {
  await server?.stop()
  await service?.close()
  await rm(directory, { recursive: true })
})

describe('keys in Vault', { timeout: 180_000 }, () => {
  it('are not needed for starting, and the default key is made as soon as Vault can be used', async () => {
    expect(outcome(await server.raw.send({ method: 'PUT', bucket }))).toBe('200')
    expect(outcome(await put('plain', {}))).toBe('200')
    expect(outcome(await put('sealed', sseS3))).toBe('503 ServiceUnavailable')
    expect(entries()).toEqual([])
    vault.isSealed = false
    await until(() => entries().length > 0)
    expect(entries()).toEqual(['deployment'])
    expect(outcome(await put('sealed', sseS3))).toBe('200')
    expect((await get('sealed')).text).toBe('sealed')
  })

  it('have versions, locks and deletions as entries of their own', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'team' })
    expect(outcome(await put('old', sseKms('team')))).toBe('200')
    await server.engine.rotateKey('team')
    expect(outcome(await put('new', sseKms('team')))).toBe('200')
    await server.engine.lockKey('team')
    expect(entries()).toEqual(['deployment', 'team', 'team-locked', 'team-v-2'])
    expect(outcome(await get('old'))).toBe('400 KMS.DisabledException')
    await server.engine.unlockKey('team')
    expect([(await get('old')).text, (await get('new')).text]).toEqual(['old', 'new'])
    await server.engine.scheduleKeyDeletion('team', { force: true, reason: 'a test' })
    expect(entries()).toEqual(['deployment', 'team', 'team-deletion', 'team-locked', 'team-v-2'])
    expect(outcome(await get('old'))).toBe('400 KMS.KMSInvalidStateException')
    await server.engine.cancelKeyDeletion('team')
    await server.engine.unlockKey('team')
    expect((await get('new')).text).toBe('new')
  })

  it('that are in memory are used while Vault is sealed, and others give 503 until it is not', async () => {
    const requester = { accountId: server.accounts.rootAccountId, isRootAccount: true }
    await server.engine.createKey({ requester, name: 'cold' })
    expect(outcome(await put('cold', sseKms('cold')))).toBe('200')
    vault.isSealed = true
    expect((await get('sealed')).text).toBe('sealed')
    expect(outcome(await server.raw.send({ method: 'GET', bucket, query: { 'list-type': '2' } }))).toBe('200')
    await expect(server.engine.createKey({ requester, name: 'later' })).rejects.toMatchObject({
      code: 'ServiceUnavailable',
    })
    vault.isSealed = false
    await until(async () => (await get('cold')).status === 200)
    expect((await get('cold')).text).toBe('cold')
  })
})
