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
    expect(replayed.out).toContain("\n4 of the 4 rows of the configuration 'no-admin' were replayed, of 354 in all.\n")
    // Rows of another configuration do not fit.
    expect((await run(`--address ${address} --server proxy --directory ${path}`)).code).toBe(1)
  })

  it('replays without a directory what can be replayed, and names the rest', async () => {
    const path = join(directory, 'prepared')
    await run(`--prepare ${path} --port 0`)
    const address = async (name: string): Promise<string> => {
      await server?.close({ graceMs: 0 })
      const config = await loadKesConfig(join(path, `${name}.yml`), {})
      server = await startKesServer(kesServerOptions(config, () => FilesKeyStore.open(join(directory, name))))
      return `https://127.0.0.1:${server.addresses[0]?.port}`
    }
    const down = await run(`--address ${await address('down')} --server down`)
    expect(down).toMatchObject({ code: 0, out: expect.stringMatching(/total +3 +3 +0 +0\n/) })
    expect(down.out).toMatch(/3 of the 13 rows .*\n(?:.*\n)+Left out, .*\n {2}9\/fs directory gone: GET \/v1\/ready\n/)
    const verifying = await run(`--address ${await address('auth-on')} --server auth-on`)
    expect(verifying).toMatchObject({
      code: 0,
      out: expect.stringContaining("4 of the 12 rows of the configuration 'auth-on'"),
    })
  })

  it('says that there is no server, or none of that name, instead of counting rows', async () => {
    await expect(run('--address https://127.0.0.1:1')).rejects.toThrow(/^127\.0\.0\.1:1: connect ECONNREFUSED/)
    await expect(run('--address https://127.0.0.1:1 --server x')).rejects.toThrow("no recorded server 'x'")
  })
})
