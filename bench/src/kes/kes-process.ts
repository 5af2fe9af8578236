/**
 * The KES server under measurement, in a process of its own: key files in a temporary directory, audit on, and one JSON line
 * on standard output that says where it listens.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityOfSeed, makeCertificate, startKesServer } from '@strongroom/kes'
import { FilesKeyStore } from '@strongroom/kms'

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
const server = await startKesServer(
  {
    endpoints: [{ host: '127.0.0.1', port: 0 }],
    tls: { load: async () => pair },
    adminIdentity: identityOfSeed(seed),
    cache: { anyMs: 3_600_000, unusedMs: 3_600_000 },
    keys: ['bench'],
    openKeyStore: () => FilesKeyStore.open(join(directory, 'keys')),
  },
  {
    auditSink: (lines) => {
      writeSync(audit, lines)
    },
    errorSink: (line) => {
      process.stderr.write(line)
    },
  },
)
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
