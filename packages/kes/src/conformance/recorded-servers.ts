/**
 * Servers of ours with the recorded configurations, each over an empty directory, and such a directory for servers that
 * somebody else starts.
 *
 * @module
 */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FilesKeyStore } from '@strongroom/kms'
import { makeCertificate } from '../client/make-certificate.ts'
import { kesServerOptions, loadKesConfig } from '../config/load-kes-config.ts'
import { startKesServer } from '../server/kes-server.ts'
import { type ClientCertificate, type ClientCertificates, makeClientCertificates } from './client-certificates.ts'
import { type RowResult, replay } from './run.ts'
import type { WireData } from './wire-data.ts'

/** A directory with certificates and key stores, which is removed by `close`. */
export class RecordedServers {
  readonly certificates: ClientCertificates
  readonly #directory: string
  readonly #data: WireData

  private constructor(directory: string, data: WireData, certificates: ClientCertificates) {
    this.#directory = directory
    this.#data = data
    this.certificates = certificates
  }

  static async open(data: WireData): Promise<RecordedServers> {
    const directory = await mkdtemp(join(tmpdir(), 'kes-conformance-'))
    return new RecordedServers(directory, data, await prepareServers(directory, data, 0))
  }

  /** Starts the server of that name, replays its rows, and stops it. */
  async replay(name: string): Promise<readonly RowResult[]> {
    const config = await loadKesConfig(join(this.#directory, `${name}.yml`), {})
    const path = storeDirectory(this.#directory, name)
    const server = await startKesServer(kesServerOptions(config, () => FilesKeyStore.open(path)))
    try {
      return await replay(this.#data, {
        host: '127.0.0.1',
        port: server.addresses[0]?.port ?? 0,
        server: name,
        certificates: this.certificates.byName,
        before: takesStoreAway(this.#directory, name),
      })
    } finally {
      await server.close({ graceMs: 0 })
    }
  }

  close(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true })
  }
}

const clientsFile = 'clients.json'

/**
 * Writes everything that a server with one of the recorded configurations needs: `main.yml` and its like, its certificate,
 * the root of the clients' certificates, and the clients' own for the replay. `directory` must be there and be absolute.
 */
export async function prepareServers(directory: string, data: WireData, port: number): Promise<ClientCertificates> {
  const certificates = await makeClientCertificates()
  const { cert, key } = await makeCertificate(new Uint8Array(32).fill(9), { names: ['localhost', '127.0.0.1'] })
  const isSecret = { mode: 0o600 }
  await mkdir(join(directory, 'store'))
  await Promise.all([
    writeFile(join(directory, 'server.crt'), cert),
    writeFile(join(directory, 'server.key'), key, isSecret),
    writeFile(join(directory, 'root.crt'), certificates.rootPem),
    writeFile(join(directory, clientsFile), JSON.stringify(Object.fromEntries(certificates.byName)), isSecret),
    ...Object.entries(data.servers).map(([name, template]) =>
      writeFile(
        join(directory, `${name}.yml`),
        template
          .replaceAll('<pki>', directory)
          .replaceAll('<store>', join(directory, 'store'))
          .replaceAll('<port>', String(port)),
      ),
    ),
  ])
  return certificates
}

/** The clients' certificates of a directory that was prepared. */
export async function readClients(directory: string): Promise<ReadonlyMap<string, ClientCertificate>> {
  const clients: Readonly<Record<string, ClientCertificate>> = JSON.parse(
    await readFile(join(directory, clientsFile), 'utf8'),
  )
  return new Map(Object.entries(clients))
}

/** Does the one thing that rows want done before them. */
export function takesStoreAway(directory: string, server: string): () => Promise<void> {
  const path = storeDirectory(directory, server)
  return () => rename(path, `${path}-away`)
}

const storeDirectory = (directory: string, server: string): string => join(directory, 'store', `w-${server}`)
