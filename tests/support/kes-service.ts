/**
 * A `strongroom kes server` as a process of its own, reached over mTLS through a gate that can fail, and what a server needs
 * to use it.
 *
 * @module
 */

import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatApiKey, identityOfSeed, KesClient, type KeyPairPem, makeCertificate } from '@strongroom/kes'
import { Gate } from './gate.ts'
import { spawnProgram } from './program.ts'

/** What MinIO's documentation grants a server: it neither describes nor deletes keys. */
export const minioPolicy = [
  '/v1/key/create/*',
  '/v1/key/generate/*',
  '/v1/key/decrypt/*',
  '/v1/key/list/*',
  '/v1/status',
]

/** All that a Strongroom can make use of. */
export const fullPolicy = [
  '/v1/*',
  ...['describe', 'rotate', 'lock', 'unlock', 'schedule-deletion', 'cancel-deletion'].map(
    (verb) => `/strongroom/v1/key/${verb}/*`,
  ),
]

/** See the module. */
export class KesService {
  readonly directory: string
  readonly gate: Gate
  readonly #identity: string
  readonly #admin: { readonly apiKey: string; readonly identity: string }
  #server: KeyPairPem
  #process: ChildProcess | undefined
  #output = ''

  private constructor(
    directory: string,
    gate: Gate,
    identities: { readonly identity: string; readonly admin: { readonly apiKey: string; readonly identity: string } },
    server: KeyPairPem,
  ) {
    this.directory = directory
    this.gate = gate
    this.#identity = identities.identity
    this.#admin = identities.admin
    this.#server = server
  }

  /** Starts with a fresh key directory and fresh certificates. */
  static async start(allow: readonly string[] = fullPolicy): Promise<KesService> {
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-kes-'))
    await mkdir(join(directory, 'keys'))
    const [clientSeed, adminSeed] = [randomBytes(32), randomBytes(32)]
    const client = await makeCertificate(clientSeed)
    await writeFile(join(directory, 'client.crt'), client.cert)
    await writeFile(join(directory, 'client.key'), client.key, { mode: 0o600 })
    const identities = {
      identity: identityOfSeed(clientSeed),
      admin: { apiKey: formatApiKey(adminSeed), identity: identityOfSeed(adminSeed) },
    }
    const server = await makeCertificate(randomBytes(32), { names: ['localhost', '127.0.0.1'] })
    const service = new KesService(directory, await Gate.open(0), identities, server)
    await service.trust()
    await service.#write(allow)
    await service.run()
    return service
  }

  /** Flags with which a server keeps its keys here. */
  get flags(): readonly string[] {
    const at = (name: string): string => join(this.directory, name)
    return [
      ...['--kes-endpoints', `https://127.0.0.1:${this.gate.port}`],
      ...['--kes-cert-file', at('client.crt'), '--kes-key-file', at('client.key'), '--kes-ca', at('ca.crt')],
    ]
  }

  /** Runs the process, and lets the gate lead to it. */
  async run(): Promise<void> {
    const workers = process.env.STRONGROOM_TEST_KES_WORKERS
    const more = workers === undefined ? [] : ['--workers', workers]
    const child = spawnProgram(['kes', 'server', '--config', join(this.directory, 'config.yml'), ...more])
    this.#process = child
    child.stdout?.on('data', (piece) => {
      this.#output += piece
    })
    child.stderr?.on('data', (piece) => {
      this.#output += piece
    })
    await this.#says(/Address\s+https:\/\/127\.0\.0\.1:\d+[\s\S]*up and running/)
    this.gate.target = Number(/Address\s+https:\/\/127\.0\.0\.1:(\d+)/.exec(this.#output)?.[1])
  }

  /** Ends the process as an accident would. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    this.#output = ''
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  /** Other rules for the server's identity, without a restart. */
  async allow(rules: readonly string[]): Promise<void> {
    await this.#write(rules)
    this.#output = ''
    this.#process?.kill('SIGHUP')
    await this.#says(/SIGHUP signal completed/)
  }

  /** A certificate that nobody trusts yet; the process has to be run anew. */
  async changeCertificate(): Promise<void> {
    this.#server = await makeCertificate(randomBytes(32), { names: ['localhost', '127.0.0.1'] })
    await this.#writeServer()
  }

  /** Makes the present certificate of the service the one that its clients trust. */
  async trust(): Promise<void> {
    await writeFile(join(this.directory, 'ca.crt'), this.#server.cert)
  }

  /** Does something as the admin of the service. */
  async asAdmin<T>(work: (client: KesClient) => Promise<T>): Promise<T> {
    const { apiKey } = this.#admin
    const endpoints = [`https://127.0.0.1:${this.gate.target}`]
    const client = await KesClient.open({ endpoints, credentials: { apiKey }, ca: [this.#server.cert] })
    try {
      return await work(client)
    } finally {
      await client.close()
    }
  }

  async stop(): Promise<void> {
    await this.kill()
    await this.gate.close()
    await rm(this.directory, { recursive: true })
  }

  async #write(allow: readonly string[]): Promise<void> {
    await this.#writeServer()
    const config = {
      version: 'v1',
      address: '127.0.0.1:0',
      admin: { identity: this.#admin.identity },
      tls: { key: join(this.directory, 'server.key'), cert: join(this.directory, 'server.crt') },
      policy: { server: { allow, identities: [this.#identity] } },
      cache: { expiry: { any: '2s', unused: '1s' } },
      log: { audit: 'off', error: 'on' },
      keystore: { fs: { path: join(this.directory, 'keys') } },
    }
    // JSON is YAML.
    await writeFile(join(this.directory, 'config.yml'), JSON.stringify(config))
  }

  async #writeServer(): Promise<void> {
    await writeFile(join(this.directory, 'server.crt'), this.#server.cert)
    await writeFile(join(this.directory, 'server.key'), this.#server.key, { mode: 0o600 })
  }

  async #says(words: RegExp): Promise<void> {
    const child = this.#process
    while (!words.test(this.#output)) {
      if (child === undefined || child.exitCode !== null) throw new Error(`the key service ended: ${this.#output}`)
      await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'close')])
    }
  }
}
