/**
 * A server for client programs: the files that they store, the settings they are given, and a second opinion (the SDK's) on
 * what they stored.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { CreateBucketCommand, HeadObjectCommand, PutBucketEncryptionCommand, type S3Client } from '@aws-sdk/client-s3'
import { type ShellOptions, shell } from './clients.ts'
import { caOf, Program, run } from './program.ts'
import { sdkClient } from './sdk-client.ts'

/** 32 bytes that are text, too: clients take SSE-C keys in either form. */
export const customerKey = Buffer.from('a customer key of 32 characters!')

export type ShownEncryption = 'none' | 'AES256' | 'aws:kms' | 'SSE-C'

/** Files under test: empty, small, and one that every client uploads in parts, and not a whole number of them. */
export const fileNames = ['empty', 'small', 'large'] as const

export class ClientServer {
  readonly base: string
  readonly data: string
  readonly #server: Program
  readonly #sdk: S3Client
  readonly #ca: string

  private constructor(base: string, data: string, server: Program, sdk: S3Client, ca: string) {
    this.base = base
    this.data = data
    this.#server = server
    this.#sdk = sdk
    this.#ca = ca
  }

  /** Starts it; `stop` removes everything. */
  static async start(): Promise<ClientServer> {
    const base = await mkdtemp(join(tmpdir(), 'strongroom-clients-'))
    const data = join(base, 'data')
    const server = await Program.start({ data })
    const ca = await caOf(data)
    const variables = await variablesFor(data, 'aws')
    const credentials = {
      accessKeyId: variables.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: variables.AWS_SECRET_ACCESS_KEY ?? '',
    }
    const region = variables.AWS_REGION ?? 'us-east-1'
    const sdk = sdkClient({ host: '127.0.0.1', port: server.port, ca }, credentials, region)
    await writeFile(join(base, 'small'), 'a small file\n')
    await writeFile(join(base, 'empty'), '')
    await writeFile(join(base, 'large'), randomBytes(20 * 1024 * 1024 + 3))
    await writeFile(join(base, 'key'), customerKey)
    return new ClientServer(base, data, server, sdk, ca)
  }

  async stop(): Promise<void> {
    this.#sdk.destroy()
    await this.#server.stop()
    await rm(this.base, { recursive: true, force: true })
  }

  /** What `strongroom env --for …` prints for a shell, as variables. */
  async variablesFor(client: string): Promise<Record<string, string>> {
    return await variablesFor(this.data, client)
  }

  /** What `strongroom env --for …` prints. */
  async settingsFor(client: string): Promise<string> {
    return (await run(['env', '--for', client, '--data', this.data])).out
  }

  /** A folder of its own for a scenario, with the files in `source`; and a shell there. */
  async folder(name: string, variables: Readonly<Record<string, string>>): Promise<ClientFolder> {
    const directory = join(this.base, name.replaceAll(/\W+/g, '-'))
    await mkdir(directory)
    const folder = new ClientFolder({ directory, variables })
    await folder.shell('mkdir source; cp ../empty ../small ../large source')
    return folder
  }

  /** How an object is encrypted, as HEAD says. */
  async encryptionOf(bucket: string, name: string, isCustomers = false): Promise<ShownEncryption> {
    const key = isCustomers
      ? {
          SSECustomerAlgorithm: 'AES256',
          SSECustomerKey: customerKey.toString('base64'),
          SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
        }
      : {}
    const head = await this.#sdk.send(new HeadObjectCommand({ Bucket: bucket, Key: name, ...key }))
    if (head.SSECustomerAlgorithm !== undefined) return 'SSE-C'
    const shown = head.ServerSideEncryption
    return shown === 'AES256' || shown === 'aws:kms' ? shown : 'none'
  }

  /** A bucket whose objects are encrypted so unless a request says otherwise. */
  async createBucket(name: string, algorithm: 'AES256' | 'aws:kms'): Promise<void> {
    await this.#sdk.send(new CreateBucketCommand({ Bucket: name }))
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: algorithm } }
    await this.#sdk.send(
      new PutBucketEncryptionCommand({ Bucket: name, ServerSideEncryptionConfiguration: { Rules: [rule] } }),
    )
  }

  /** What a plain GET of the URL brings. */
  async download(url: string): Promise<{ readonly status: number | undefined; readonly body: Buffer }> {
    return await new Promise((resolve, reject) => {
      const request = get(url, { ca: this.#ca, agent: false }, (response) => {
        buffer(response).then((body) => resolve({ status: response.statusCode, body }), reject)
      })
      request.on('error', reject)
    })
  }
}

export class ClientFolder {
  readonly directory: string
  readonly #options: ShellOptions

  constructor(options: ShellOptions) {
    this.directory = options.directory
    this.#options = options
  }

  /** Runs a script there. @throws Error with all that it said, if a command fails */
  async shell(script: string): Promise<string> {
    return await shell(script, this.#options)
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    await writeFile(join(this.directory, name), content)
  }

  async read(name: string): Promise<Buffer> {
    return await readFile(join(this.directory, name))
  }

  /** Digests of all files below a folder, by path. */
  async digests(name: string): Promise<Readonly<Record<string, string>>> {
    const root = join(this.directory, name)
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    const digests: Record<string, string> = {}
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath ?? entry.path, entry.name)
      digests[path.slice(root.length + 1)] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
    }
    return digests
  }
}

async function variablesFor(data: string, client: string): Promise<Record<string, string>> {
  const { out } = await run(['env', '--for', client, '--data', data])
  return Object.fromEntries(
    [...out.matchAll(/^export (\w+)='([^']*)'$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

/** What a client is to do, as a sentence, and how it is tried. */
export type Scenarios = Readonly<Record<string, (server: ClientServer) => Promise<void>>>
