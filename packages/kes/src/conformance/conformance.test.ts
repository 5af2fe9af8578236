/**
 * All 354 recorded requests, over real mTLS, against servers that were started from the recorded configurations.
 */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FilesKeyStore } from '@strongroom/kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCertificate } from '../client/make-certificate.ts'
import { kesServerOptions, loadKesConfig } from '../config/load-kes-config.ts'
import { startKesServer } from '../server/kes-server.ts'
import { type ClientCertificates, makeClientCertificates } from './client-certificates.ts'
import { type RowResult, replay } from './run.ts'
import { readWireData, type WireData } from './wire-data.ts'

let directory: string
let data: WireData
let certificates: ClientCertificates

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kes-conformance-'))
  data = await readWireData(fileURLToPath(new URL('../../testdata/kes', import.meta.url)))
  certificates = await makeClientCertificates()
  const { cert, key } = await makeCertificate(new Uint8Array(32).fill(9), { names: ['localhost', '127.0.0.1'] })
  await mkdir(join(directory, 'store'))
  await Promise.all([
    writeFile(join(directory, 'server.crt'), cert),
    writeFile(join(directory, 'server.key'), key),
    writeFile(join(directory, 'root.crt'), certificates.rootPem),
  ])
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function run(name: string): Promise<readonly RowResult[]> {
  const file = join(directory, `${name}.yml`)
  const template = data.servers[name] ?? ''
  const text = template.replaceAll('<pki>', directory).replaceAll('<store>', join(directory, 'store'))
  await writeFile(file, text.replaceAll('<port>', '0'))
  const config = await loadKesConfig(file, {})
  const path = config.store.kind === 'files' ? config.store.path : ''
  const server = await startKesServer(kesServerOptions(config, () => FilesKeyStore.open(path)))
  try {
    return await replay(data, {
      host: '127.0.0.1',
      port: server.addresses[0]?.port ?? 0,
      server: name,
      certificates: certificates.byName,
      before: () => rename(path, `${path}-away`),
    })
  } finally {
    await server.close({ graceMs: 0 })
  }
}

describe('a server with a recorded configuration answers as real KES did', () => {
  it.each([
    ['main', 281],
    ['skip', 29],
    ['auth-on', 12],
    ['auth-on-skip', 12],
    ['no-admin', 4],
    ['proxy', 3],
    ['down', 13],
  ])('%s: %i rows', async (name, rows) => {
    const results = await run(name)
    expect(results).toHaveLength(rows)
    const wrong = results.filter(({ kind }) => kind === 'wrong').map(({ row, detail }) => `${row.id}: ${detail}`)
    expect(wrong).toEqual([])
    // A deviation that is none any more has to go.
    const listed = data.deviations.filter(({ id }) => data.rows.some((row) => row.id === id && row.server === name))
    expect(results.filter(({ kind }) => kind === 'deviates')).toHaveLength(listed.length)
  })
})
