/**
 * The KES server under measurement, in a process of its own, or in as many as its argument says: key files in a temporary
 * directory, audit on, and one JSON line on standard output that says where it listens.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityOfSeed, makeCertificate, startKesServer } from '@strongroom/kes'
import { FilesKeyStore } from '@strongroom/kms'
import { KesPool } from '@strongroom/server'

/** What the process prints. */
export interface KesProcessReady {
  readonly port: number
  /** Of the admin, PEM. */
  readonly cert: string
  readonly key: string
}

const directory = await mkdtemp(join(tmpdir(), 'strongroom-bench-kes-'))
const seed = new Uint8Array(32).fill(7)
const pair = await makeCertificate(new Uint8Array(32).fill(8), { names: ['localhost', '127.0.0.1'] })
const admin = await makeCertificate(seed)
const audit = openSync(join(directory, 'audit.log'), 'a')
const endpoints = [{ host: '127.0.0.1', port: 0 }]
const adminIdentity = identityOfSeed(seed)
const writeAudit = (lines: string | Uint8Array): void => {
  writeSync(audit, typeof lines === 'string' ? Buffer.from(lines) : lines)
}
const writeError = (text: string): void => {
  process.stderr.write(text)
}
const workers = Number(process.argv[2] ?? 1)
const server = workers > 1 ? await openPool() : await openServer()

function openServer() {
  return startKesServer(
    {
      endpoints,
      tls: { load: async () => pair },
      adminIdentity,
      cache: { anyMs: 3_600_000, unusedMs: 3_600_000 },
      keys: ['bench'],
      openKeyStore: () => FilesKeyStore.open(join(directory, 'keys')),
    },
    { auditSink: writeAudit, errorSink: writeError },
  )
}

/** The same as `strongroom kes server --workers N` serves. */
async function openPool(): Promise<KesPool> {
  const [key, cert, config] = ['key.pem', 'cert.pem', 'kes.json'].map((name) => join(directory, name))
  if (key === undefined || cert === undefined || config === undefined) throw new Error('there are three files')
  await writeFile(key, pair.key, { mode: 0o600 })
  await writeFile(cert, pair.cert)
  // JSON is YAML.
  const content = {
    admin: { identity: adminIdentity },
    tls: { key, cert },
    cache: { expiry: { any: '1h', unused: '1h' } },
    keys: [{ name: 'bench' }],
    keystore: { fs: { path: join(directory, 'keys') } },
  }
  await writeFile(config, JSON.stringify(content))
  const given = { config, isDev: false, isJson: false, workers }
  const told = { given, environment: {}, version: '0', startedAtMs: Date.now() }
  return KesPool.open({ endpoints, workers, told, isJson: false, writeOut: writeAudit, writeError })
}

const ready: KesProcessReady = { port: server.addresses[0]?.port ?? 0, cert: admin.cert, key: admin.key }
process.stdout.write(`${JSON.stringify(ready)}\n`)

process.once('SIGTERM', () => {
  void (async () => {
    await server.close()
    closeSync(audit)
    await rm(directory, { recursive: true, force: true })
    process.exit(0)
  })()
})
