/**
 * An engine over memory stores and the built-in key service, for tests.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import { KeyService, type Kms, MemoryKeyStore } from '@strongroom/kms'
import { MemoryBlobStore, MemoryMetadataStore } from '@strongroom/storage'
import type { EngineContext, EngineOptions } from './context.ts'
import type {
  Bucket,
  CustomerKey,
  EncryptionRequest,
  PutObjectInput,
  ReadObject,
  ReadObjectInput,
  Requester,
} from './contract.ts'
import { assembleEngine, createContext, createEngine, type MaintainedEngine } from './engine.ts'

export const rootRequester: Requester = { accountId: '100000000001', isRootAccount: true }
export const otherRequester: Requester = { accountId: '200000000002', isRootAccount: false }

/** Everything of a test engine that a test may want to look at. */
export interface TestEngine {
  readonly engine: MaintainedEngine
  readonly context: EngineContext
  readonly options: EngineOptions
  readonly metadata: MemoryMetadataStore
  readonly blobs: MemoryBlobStore
  readonly kms: Kms
  /** Milliseconds; tests move it on. */
  readonly clock: { nowMs: number }
  bucket(name?: string, versioning?: 'enabled' | 'suspended'): Promise<Bucket>
  put(
    bucket: Bucket,
    name: string,
    content: Uint8Array | string,
    rest?: Partial<PutObjectInput>,
  ): ReturnType<MaintainedEngine['putObject']>
  get(bucket: Bucket, name: string, rest?: Partial<ReadObjectInput>): Promise<ReadObject & { readonly bytes: Buffer }>
  close(): Promise<void>
}

/** Makes one. Options of the test win. */
export async function createTestEngine(overrides: Partial<EngineOptions> = {}): Promise<TestEngine> {
  const metadata = overrides.metadata ?? new MemoryMetadataStore()
  const blobs = overrides.blobs ?? new MemoryBlobStore()
  const kms = overrides.kms ?? new KeyService(new MemoryKeyStore())
  const clock = { nowMs: 1_790_000_000_000 }
  const options: EngineOptions = {
    recordSealer: new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) }),
    plainDataKeys: { currentId: 1, keys: new Map([[1, randomBytes(32)]]) },
    rootAccountId: rootRequester.accountId,
    region: 'us-east-1',
    defaultKey: 'deployment-key',
    now: () => clock.nowMs,
    ...overrides,
    metadata,
    blobs,
    kms,
  }
  // The same steps as createEngine, so that the test has the context too.
  await (await createEngine(options)).close()
  const context = await createContext(options)
  const engine = assembleEngine(context)
  return {
    engine,
    context,
    options,
    metadata: metadata as MemoryMetadataStore,
    blobs: blobs as MemoryBlobStore,
    kms,
    clock,
    async bucket(name = 'bucket', versioning) {
      const bucket = await engine.createBucket({ requester: rootRequester, name })
      return versioning ? engine.changeBucket(bucket, { versioning }) : bucket
    },
    put: (bucket, name, content, rest) => engine.putObject(putInput(bucket, name, content, rest)),
    async get(bucket, name, rest) {
      const read = await engine.getObject({ requester: rootRequester, bucket, name, ...rest })
      return { ...read, bytes: await bytesOfBody(read.body) }
    },
    async close() {
      await engine.close()
      await kms.close()
    },
  }
}

export function putInput(
  bucket: Bucket,
  name: string,
  content: Uint8Array | string,
  rest: Partial<PutObjectInput> = {},
): PutObjectInput {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return {
    requester: rootRequester,
    bucket,
    name,
    body: { sizeBytes: bytes.length, content: bytes },
    encryption: { mode: 'default' },
    metadata: { userMetadata: new Map() },
    ...rest,
  }
}

export async function bytesOfBody(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body)
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A body in chunks of a size. */
export async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes)
}

export function customerKey(fill: number): CustomerKey {
  const key = Buffer.alloc(32, fill)
  return { key, md5: createHash('md5').update(key).digest('base64') }
}

/** One request for each mode. */
export const encryptionModes = {
  'sse-s3': { mode: 'sse-s3' },
  'sse-kms': { mode: 'sse-kms', keyId: 'deployment-key', context: new Map([['team', 'blue']]) },
  'sse-kms with a bucket key': { mode: 'sse-kms', bucketKeyEnabled: true },
  'dsse-kms': { mode: 'dsse-kms', keyId: 'deployment-key', context: new Map([['team', 'blue']]) },
  'sse-c': { mode: 'sse-c', customerKey: customerKey(7) },
} as const satisfies Record<string, EncryptionRequest>

/** Bytes that differ from place to place. */
export function pattern(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  for (let i = 0; i < sizeBytes; i += 1) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff
  return bytes
}
