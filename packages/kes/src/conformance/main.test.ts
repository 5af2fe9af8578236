/**
 * The command as a person uses it who starts the server himself.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FilesKeyStore } from '@strongroom/kms'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { kesServerOptions, loadKesConfig } from '../config/load-kes-config.ts'
import type { KesServer } from '../contract.ts'
import { startKesServer } from '../server/kes-server.ts'
import { runConformance } from './main.ts'

const data = fileURLToPath(new URL('../../testdata/kes', import.meta.url))

describe('npm run kes-conformance', () => {
  let directory: string
  let server: KesServer | undefined

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'strongroom-conformance-'))
  })

  afterEach(async () => {
    await server?.close({ graceMs: 0 })
    server = undefined
    await rm(directory, { recursive: true })
  })

  const run = async (line: string): Promise<{ readonly code: number; readonly out: string }> => {
    let out = ''
    const code = await runConformance(line.split(' '), data, (text) => {
      out += text
    })
    return { code, out }
  }

  it('prepares what a server needs that somebody else starts, and replays against it', async () => {
    const path = join(directory, 'prepared')
    expect((await run(`--prepare ${path} --port 0`)).out).toContain(`--server main --directory ${path}`)
    const config = await loadKesConfig(join(path, 'no-admin.yml'), {})
    server = await startKesServer(kesServerOptions(config, () => FilesKeyStore.open(join(directory, 'keys'))))
    const address = `https://127.0.0.1:${server.addresses[0]?.port}`
    const replayed = await run(`--address ${address} --server no-admin --directory ${path}`)
    expect(replayed.out).toMatch(/total +4 +4 +0 +0\n/)
    expect(replayed.code).toBe(0)
    // Rows of another configuration do not fit.
    expect((await run(`--address ${address} --server proxy --directory ${path}`)).code).toBe(1)
  })

  it('says that there is no server, or none of that name, instead of counting rows', async () => {
    await expect(run('--address https://127.0.0.1:1')).rejects.toThrow(/^127\.0\.0\.1:1: connect ECONNREFUSED/)
    await expect(run('--address https://127.0.0.1:1 --server x')).rejects.toThrow("no recorded server 'x'")
  })
})
