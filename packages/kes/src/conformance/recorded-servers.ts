/**
 * Servers of ours with the recorded configurations, each over an empty directory.
 *
 * @module
 */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FilesKeyStore } from '@strongroom/kms'
import { makeCertificate } from '../client/make-certificate.ts'
import { kesServerOptions, loadKesConfig } from '../config/load-kes-config.ts'
import { startKesServer } from '../server/kes-server.ts'
import { type ClientCertificates, makeClientCertificates } from './client-certificates.ts'
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
    const certificates = await makeClientCertificates()
    const { cert, key } = await makeCertificate(new Uint8Array(32).fill(9), { names: ['localhost', '127.0.0.1'] })
    await mkdir(join(directory, 'store'))
    await Promise.all([
      writeFile(join(directory, 'server.crt'), cert),
      writeFile(join(directory, 'server.key'), key, { mode: 0o600 }),
      writeFile(join(directory, 'root.crt'), certificates.rootPem),
    ])
    return new RecordedServers(directory, data, certificates)
  }

  /** Starts the server of that name, replays its rows, and stops it. */
  async replay(name: string): Promise<readonly RowResult[]> {
    const file = join(this.#directory, `${name}.yml`)
    const template = this.#data.servers[name] ?? ''
    const store = join(this.#directory, 'store')
    await writeFile(
      file,
      template.replaceAll('<pki>', this.#directory).replaceAll('<store>', store).replaceAll('<port>', '0'),
    )
    const config = await loadKesConfig(file, {})
    const path = config.store.kind === 'files' ? config.store.path : ''
    const server = await startKesServer(kesServerOptions(config, () => FilesKeyStore.open(path)))
    try {
      return await replay(this.#data, {
        host: '127.0.0.1',
        port: server.addresses[0]?.port ?? 0,
        server: name,
        certificates: this.certificates.byName,
        // There is one thing that rows want done.
        before: () => rename(path, `${path}-away`),
      })
    } finally {
      await server.close({ graceMs: 0 })
    }
  }

  close(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true })
  }
}
