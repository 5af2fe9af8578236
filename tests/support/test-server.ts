/**
 * The real server, in this process, on a directory and ports of its own.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import type { Accounts } from '@strongroom/accounts'
import type { Engine } from '@strongroom/engine'
import { type Kms, KmsError } from '@strongroom/kms'
import { type FsckReport, fsck } from '@strongroom/maintenance'
import { createLog, type RunningServer, resolveSettings, startServer as startRealServer } from '@strongroom/server'
import type { SignOptions } from '@strongroom/sigv4'
import { LeakWatch } from './leak-watch.ts'
import { type Endpoint, RawClient, type RawCredentials } from './raw-client.ts'
import { sdkClient } from './sdk-client.ts'

export interface TestServerOptions {
  readonly compatibility?: 'aws' | 'ceph'
  readonly defaultEncryption?: 'none' | 'sse-s3' | 'sse-kms'
  readonly requireEncryption?: boolean
  /** Name of the deployment's default key. */
  readonly defaultKey?: string
  /** A plaintext listener beside the other. */
  readonly plaintext?: boolean
  /** Its keys are in its data directory in every form of the suite. */
  readonly hasOwnKeys?: true
  /** The test reaches into the process that serves, which has to be this one in every form of the suite. */
  readonly hasNoWorkers?: true
  /** Further flags. */
  readonly args?: readonly string[]
  /** What `${NAME}` stands for in the section of a key store. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Flags of servers that say themselves where their keys are. */
const ownKeys: ReadonlySet<string> = new Set(['--kes-endpoints', '--key-store', '--static-key'])
/** With `STRONGROOM_TEST_KEYS=kes` the keys of all others are in a key service of their own, another process. */
const hasKeysElsewhere = process.env.STRONGROOM_TEST_KEYS === 'kes'

/** With `STRONGROOM_TEST_WORKERS=3` all servers have so many workers, but for those whose test reaches into them. */
const workers = process.env.STRONGROOM_TEST_WORKERS

export interface TestServer {
  readonly endpoint: Endpoint
  readonly region: string
  /** Of the first account. */
  readonly credentials: RawCredentials
  readonly signOptions: SignOptions
  readonly raw: RawClient
  /** Over plain HTTP; only with the option `plaintext`. */
  readonly plain: RawClient
  readonly sdk: S3Client
  readonly engine: Engine
  readonly accounts: Accounts
  readonly deployment: RunningServer['deployment']
  /** Cuts the key service off, as if the network to it were gone, and connects it again. All data keys that it has made. */
  readonly kms: { cut(): void; restore(): void; readonly dataKeys: readonly Uint8Array[] }
  /** How many copies were made so far, in all processes. */
  copies(): Promise<{ readonly copiesShared: number; readonly copiesRewritten: number }>
  /** Lines that the server logged as errors. */
  readonly faults: readonly string[]
  /** Lines of the access log. */
  readonly accessLog: readonly string[]
  /** Resolves when a line of the access log has all of these texts. */
  accessLogged(...texts: readonly string[]): Promise<void>
  /** All that the server keeps. */
  readonly directory: string
  /** All plaintexts, keys and secrets so far; searched for in all that the server leaves behind when it stops. */
  readonly leaks: LeakWatch
  /** Reads certificates again, as at SIGHUP. */
  reload(): Promise<void>
  /** A client for another endpoint. */
  rawAt(endpoint: Endpoint): RawClient
  /** Checks everything that is stored, every byte of it. */
  fsck(): Promise<FsckReport>
  stop(): Promise<void>
}

const region = 'us-east-1'

/** Starts a server that serves virtual hosts under `s3.test.example`, too. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  // Workers run from what is built.
  if (workers !== undefined) await import('./program.ts')
  const data = await mkdtemp(join(tmpdir(), 'strongroom-test-'))
  const isOwn =
    !hasKeysElsewhere || options.hasOwnKeys === true || options.args?.some((arg) => ownKeys.has(arg)) === true
  const keys = isOwn ? undefined : await (await import('./kes-service.ts')).KesService.start()
  const credentials = { accessKeyId: 'test-root', secretAccessKey: 'test-root-secret' }
  const { settings } = resolveSettings({
    args: [
      ...['--data', data, '--address', '127.0.0.1:0', '--region', region, '--domains', 's3.test.example'],
      ...(options.compatibility === undefined ? [] : ['--compatibility', options.compatibility]),
      ...(options.defaultEncryption === undefined ? [] : ['--default-encryption', options.defaultEncryption]),
      ...(options.defaultKey === undefined ? [] : ['--default-key', options.defaultKey]),
      ...(options.requireEncryption === true ? ['--require-encryption'] : []),
      ...(options.plaintext === true ? ['--plaintext-address', '127.0.0.1:0'] : []),
      ...(keys?.flags ?? []),
      ...(workers === undefined || options.hasNoWorkers === true ? [] : ['--workers', workers]),
      ...(options.args ?? []),
    ],
    environment: {
      STRONGROOM_ROOT_USER: credentials.accessKeyId,
      STRONGROOM_ROOT_PASSWORD: credentials.secretAccessKey,
    },
    readTextFile: () => undefined,
  })
  const faults: string[] = []
  const logged: string[] = []
  const write = (line: string): void => {
    logged.push(line)
    if (line.includes('"level":"error"')) faults.push(line)
  }
  const log = createLog({ level: 'debug', format: 'json', write })
  const accessLog: string[] = []
  const access = new EventEmitter().setMaxListeners(0)
  const server = await startRealServer(settings, {
    version: '0',
    log,
    environment: options.environment ?? {},
    accessLog: {
      write: (line: string) => {
        accessLog.push(line)
        access.emit('line')
      },
    },
  })
  const ca = server.caFile === undefined ? '' : await readFile(server.caFile, 'utf8')
  const endpoint = { host: '127.0.0.1', port: portOf(server.endpoints[0]), ca }
  const leaks = new LeakWatch()
  leaks.addText('the secret of the first account', credentials.secretAccessKey)
  leaks.attach(server.deployment)
  const clients: RawClient[] = []
  const rawAt = (to: Endpoint): RawClient => {
    const client = new RawClient(to, credentials, region, (answer) => leaks.note(answer))
    clients.push(client)
    return client
  }
  const raw = rawAt(endpoint)
  const sdk = sdkClient(endpoint, credentials, region)
  const { accessKeyId, secretAccessKey } = credentials
  return {
    endpoint,
    region,
    credentials,
    signOptions: { credentials: { accessKeyId, secret: Buffer.from(secretAccessKey) }, region },
    raw,
    plain: rawAt({ host: '127.0.0.1', port: portOf(server.endpoints[1] ?? server.endpoints[0]) }),
    sdk,
    engine: server.deployment.engine,
    accounts: server.deployment.accounts,
    deployment: server.deployment,
    kms: switchOf(server.deployment.kms),
    copies: async () => {
      if (server.deployment.settings.workers === 1) return server.deployment.engine.stats()
      const { text } = await raw.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })
      const figure = (name: string): number => Number(new RegExp(`^strongroom_${name} (\\d+)$`, 'm').exec(text)?.[1])
      return { copiesShared: figure('copies_shared'), copiesRewritten: figure('copies_rewritten') }
    },
    faults,
    accessLog,
    accessLogged: async (...texts) => {
      while (!accessLog.some((line) => texts.every((text) => line.includes(text)))) await once(access, 'line')
    },
    directory: data,
    leaks,
    reload: () => server.reload(),
    rawAt,
    fsck: () => fsckOf(server.deployment),
    stop: async () => {
      const metrics = (await raw.send({ method: 'GET', rawPath: '/strongroom/metrics', auth: 'none' })).text
      sdk.destroy()
      for (const client of clients) client.close()
      await server.stop()
      await keys?.stop()
      const texts = { log: logged.join(''), 'access log': accessLog.join(''), metrics }
      const found = await leaks.findings(data, texts)
      await rm(data, { recursive: true })
      if (found.length > 0) throw new Error(`left behind in the open:\n${found.slice(0, 20).join('\n')}`)
    },
  }
}

/** With every byte read, after the garbage that is being removed is gone. */
async function fsckOf({ engine, metadata, blobs, kms, recordSealer, keyring }: RunningServer['deployment']) {
  await engine.idle()
  const sources = { metadata, blobs, kms, recordSealer, plainDataKeys: keyring.dataKeys }
  return await fsck({ ...sources, verifyData: true, now: Date.now, random: randomBytes })
}

const portOf = (url: string | undefined): number => Number(new URL(url ?? '').port)

const calls = [
  'describeKey',
  'keyState',
  'listKeys',
  'generateDataKey',
  'encrypt',
  'decrypt',
  'hmac',
  'status',
] as const

/** Own properties hide the methods of the class until they are taken away again. */
function switchOf(kms: Kms): TestServer['kms'] {
  const dataKeys: Uint8Array[] = []
  const generate = kms.generateDataKey.bind(kms)
  const noting: Kms['generateDataKey'] = async (...args) => {
    const made = await generate(...args)
    dataKeys.push(Uint8Array.from(made.plaintext))
    return made
  }
  const watch = () => Object.defineProperty(kms, 'generateDataKey', { configurable: true, value: noting })
  watch()
  return {
    dataKeys,
    cut: () => {
      const value = async (): Promise<never> => {
        throw new KmsError('unreachable', 'the key service is cut off by a test')
      }
      for (const name of calls) Object.defineProperty(kms, name, { configurable: true, value })
      // What was known of a key's state is believed for a few seconds only: here they are over.
      Object.defineProperty(kms, 'peekState', { configurable: true, value: () => undefined })
    },
    restore: () => {
      for (const name of [...calls, 'peekState']) Reflect.deleteProperty(kms, name)
      watch()
    },
  }
}
