/**
 * A server without sockets whose key service can be made to fail: the real operations, engine, bounds and caches over stores in
 * memory.
 *
 * @module
 */

import { createHash, createHmac, randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import { createEngine, type MaintainedEngine } from '@strongroom/engine'
import { BoundedKms, CachingKms, KeyService, MemoryKeyStore } from '@strongroom/kms'
import { type FsckReport, fsck } from '@strongroom/maintenance'
import { createS3Handler, headerRecord, type S3Handler, type S3Request } from '@strongroom/operations'
import { encodeUriComponent, encodeUriPath, type SignOptions, signRequest } from '@strongroom/sigv4'
import { MemoryBlobStore, MemoryMetadataStore } from '@strongroom/storage'
import { FaultyKms } from './faulty-kms.ts'

const accountId = '100000000001'
const secret = 'test secret'
const region = 'us-east-1'
const credentials = { accessKeyId: 'TESTKEY', secret: Buffer.from(secret) }

export interface FaultRequest {
  readonly method: string
  readonly bucket?: string
  readonly name?: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** A browser form: its fields are signed, its body is the file. */
  readonly form?: Readonly<Record<string, string>>
}

export interface FaultResponse {
  readonly status: number
  /** S3 code of a refusal. */
  readonly code: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly text: string
  element(name: string): string
}

/** Longest time of a call to the key service here, in milliseconds. */
export const kmsTimeoutMs = 150

/** See the module. */
export class FaultServer {
  readonly kms: FaultyKms
  /** Unexpected errors: what a server logs. */
  readonly faults: unknown[]
  readonly #stores: Parameters<typeof fsck>[0]
  readonly #engine: MaintainedEngine
  readonly #handle: S3Handler
  readonly #clock: { skippedMs: number }

  private constructor(
    kms: FaultyKms,
    engine: MaintainedEngine,
    stores: Parameters<typeof fsck>[0],
    clock: { skippedMs: number },
  ) {
    this.kms = kms
    this.#engine = engine
    this.#stores = stores
    this.#clock = clock
    this.faults = []
    const accounts = {
      rootAccountId: accountId,
      lookup: async (accessKeyId: string) =>
        accessKeyId === credentials.accessKeyId
          ? { principal: { accountId, accessKeyId, isRootAccount: true }, secret: Uint8Array.from(credentials.secret) }
          : undefined,
    }
    const onUnexpectedError = (error: unknown) => this.faults.push(error)
    this.#handle = createS3Handler({ engine, accounts, region, defaultEncryption: 'none', onUnexpectedError })
  }

  static async start(): Promise<FaultServer> {
    const clock = { skippedMs: 0 }
    const now = () => Date.now() + clock.skippedMs
    const kms = new FaultyKms(new KeyService(new MemoryKeyStore()))
    const bounded = new BoundedKms(kms, { timeoutMs: kmsTimeoutMs, now })
    const plainDataKeys = { currentId: 1, keys: new Map([[1, randomBytes(32)]]) }
    const stores = {
      metadata: new MemoryMetadataStore(),
      blobs: new MemoryBlobStore(),
      kms: new CachingKms(bounded, { now }),
      recordSealer: new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) }),
      plainDataKeys,
    }
    const settings = { rootAccountId: accountId, region, defaultKey: 'default', defaultEncryption: 'none' } as const
    const engine = await createEngine({ ...stores, ...settings, now })
    await engine.createKey({ requester: { accountId, isRootAccount: true }, name: 'named' })
    return new FaultServer(kms, engine, { ...stores, now: Date.now, random: randomBytes }, clock)
  }

  /** Lets everything expire that is believed or kept for a while. */
  skipTime(): void {
    this.#clock.skippedMs += 600_000
  }

  async send(input: FaultRequest): Promise<FaultResponse> {
    return await sendTo(this.#handle, input, credentials)
  }

  /** Every byte checked. */
  async fsck(): Promise<FsckReport> {
    await this.#engine.idle()
    return await fsck({ ...this.#stores, verifyData: true })
  }

  async stop(): Promise<void> {
    await this.#engine.close()
    await this.#stores.kms.close()
  }
}

/** Signs a request, and gives it to a handler as the listener would. Reads the whole answer. */
export async function sendTo(
  handle: S3Handler,
  input: FaultRequest,
  signer: SignOptions['credentials'],
): Promise<FaultResponse> {
  const { status, headers, body } = await handle(requestOf(input, signer))
  const pieces: Uint8Array[] = []
  let failure = ''
  try {
    if (typeof body === 'string') pieces.push(Buffer.from(body))
    else if (body instanceof Uint8Array) pieces.push(body)
    else if (body !== undefined) for await (const piece of body) pieces.push(Buffer.from(piece))
  } catch (error) {
    failure = `cut: ${error instanceof Error ? error.message : String(error)}`
  }
  const bytes = Buffer.concat(pieces)
  const text = bytes.length < 100_000 ? bytes.toString() : ''
  const element = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(text)?.[1] ?? ''
  return { status, headers, body: bytes, text, element, code: failure || (status >= 300 ? element('Code') : '') }
}

function requestOf(
  { method, bucket, name, query = {}, headers = {}, body = '', form }: FaultRequest,
  signer: SignOptions['credentials'],
): S3Request {
  const rawPath = `/${bucket ?? ''}${name === undefined ? '' : `/${encodeUriPath(name)}`}`
  const rawQuery = Object.entries(query)
    .map(([key, value]) => encodeUriComponent(key) + (value === undefined ? '' : `=${encodeUriComponent(value)}`))
    .join('&')
  const bytes = form === undefined ? Buffer.from(body) : formBody(form, Buffer.from(body))
  const plain = { host: 'localhost', ...headers }
  const sent =
    form === undefined
      ? signRequest(
          { method, rawPath, rawQuery, headers: plain },
          { credentials: signer, region, payloadHash: createHash('sha256').update(bytes).digest('hex') },
        ).headers
      : { ...plain, 'content-type': `multipart/form-data; boundary=${boundary}` }
  return {
    method,
    rawPath,
    rawQuery,
    headers: headerRecord(Object.entries({ ...sent, 'content-length': String(bytes.length) }).flat()),
    body: {
      declaredLength: bytes.length,
      read: async () => bytes,
      stream: async function* () {
        if (bytes.length > 0) yield Buffer.from(bytes)
      },
    },
    secure: true,
    remoteAddress: '127.0.0.1',
    requestId: 'REQUEST',
    hostId: 'HOST',
  }
}

const boundary = '----fault'

/** Fields with a policy that allows exactly them, signed (SigV4 POST), and the file. */
function formBody(fields: Readonly<Record<string, string>>, file: Buffer): Buffer {
  const nowText = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${nowText.slice(0, 8)}/${region}/s3/aws4_request`
  const all: Record<string, string> = {
    ...fields,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKeyId}/${scope}`,
    'x-amz-date': nowText,
  }
  const conditions = [{ bucket: 'faults' }, ...Object.entries(all).map(([name, value]) => ({ [name]: value }))]
  const expiration = new Date(Date.now() + 600_000).toISOString()
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64')
  const key = scope
    .split('/')
    .reduce<Buffer | string>((from, part) => createHmac('sha256', from).update(part).digest(), `AWS4${secret}`)
  const signature = createHmac('sha256', key).update(policy).digest('hex')
  const parts = Object.entries({ ...all, policy, 'x-amz-signature': signature }).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n`
  return Buffer.concat([Buffer.from(parts.join('') + head), file, Buffer.from(`\r\n--${boundary}--\r\n`)])
}
