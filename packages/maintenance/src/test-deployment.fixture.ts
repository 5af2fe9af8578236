/**
 * A deployment over memory stores with something of everything in it, and the means to damage it.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import {
  type Bucket,
  type CopyObjectInput,
  createEngine,
  type EncryptionRequest,
  type EngineOptions,
  type MaintainedEngine,
  RecordStore,
} from '@strongroom/engine'
import { KeyService, type Kms, MemoryKeyStore } from '@strongroom/kms'
import { type Commit, type Entry, MemoryBlobStore, MemoryMetadataStore, prefixEnd } from '@strongroom/storage'
import type { FsckReport } from './findings.ts'
import { fsck } from './fsck.ts'
import type { FsckOptions } from './inspection.ts'

export const requester = { accountId: '100000000001', isRootAccount: true } as const

/** Least of a part that is not the last. */
export const partBytes = 5 * 2 ** 20

/** A file blob: larger than what is kept inline. */
export const blobBytes = 20_000

interface Parts {
  readonly metadata: MemoryMetadataStore
  readonly blobs: MemoryBlobStore
  readonly kms: Kms
  readonly options: EngineOptions
}

export class TestDeployment {
  readonly metadata: MemoryMetadataStore
  readonly blobs: MemoryBlobStore
  readonly kms: Kms
  readonly options: EngineOptions
  readonly records: RecordStore
  readonly engine: MaintainedEngine

  private constructor({ metadata, blobs, kms, options }: Parts, engine: MaintainedEngine) {
    this.metadata = metadata
    this.blobs = blobs
    this.kms = kms
    this.options = options
    this.records = new RecordStore(options.recordSealer)
    this.engine = engine
  }

  /** @param overrides options of the engine that differ */
  static async open(overrides: Partial<EngineOptions> = {}): Promise<TestDeployment> {
    const stores = { metadata: new MemoryMetadataStore(), blobs: new MemoryBlobStore() }
    const kms = new KeyService(new MemoryKeyStore())
    const options: EngineOptions = {
      ...stores,
      kms,
      recordSealer: new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) }),
      plainDataKeys: { currentId: 1, keys: new Map([[1, randomBytes(32)]]) },
      rootAccountId: requester.accountId,
      region: 'us-east-1',
      defaultKey: 'deployment-key',
      ...overrides,
    }
    return new TestDeployment({ ...stores, kms, options }, await createEngine(options))
  }

  async close(): Promise<void> {
    await this.engine.close()
    await this.kms.close()
  }

  async fsck(options: Partial<FsckOptions> = {}): Promise<FsckReport> {
    await this.engine.idle()
    return this.fsckNow(options)
  }

  /** Without waiting for the garbage that is being removed. */
  fsckNow(options: Partial<FsckOptions> = {}): Promise<FsckReport> {
    const { metadata, blobs, kms, recordSealer, plainDataKeys } = this.options
    return fsck({ metadata, blobs, kms, recordSealer, plainDataKeys, now: Date.now, random: randomBytes, ...options })
  }

  bucket(name: string, versioning?: 'enabled' | 'suspended'): Promise<Bucket> {
    const made = this.engine.createBucket({ requester, name })
    return versioning ? made.then((bucket) => this.engine.changeBucket(bucket, { versioning })) : made
  }

  put(
    bucket: Bucket,
    name: string,
    sizeBytes: number,
    encryption: EncryptionRequest = { mode: 'default' },
    userMetadata: ReadonlyMap<string, string> = new Map(),
  ): ReturnType<MaintainedEngine['putObject']> {
    const content = contentOf(sizeBytes)
    return this.engine.putObject({
      requester,
      bucket,
      name,
      body: { sizeBytes, content },
      encryption,
      metadata: { userMetadata },
    })
  }

  copy(bucket: Bucket, source: string, name: string, rest: Partial<CopyObjectInput> = {}): Promise<unknown> {
    const encryption = { mode: 'default' } as const
    return this.engine.copyObject({ requester, source: { bucket, name: source }, bucket, name, encryption, ...rest })
  }

  async startUpload(bucket: Bucket, name: string, encryption: EncryptionRequest = { mode: 'default' }) {
    const metadata = { userMetadata: new Map() }
    const { uploadId } = await this.engine.createUpload({ requester, bucket, name, encryption, metadata })
    const customerKey = encryption.mode === 'sse-c' ? { customerKey: encryption.customerKey } : {}
    return { requester, bucket, name, uploadId, ...customerKey }
  }

  uploadPart(target: Awaited<ReturnType<TestDeployment['startUpload']>>, partNumber: number, sizeBytes: number) {
    return this.engine.uploadPart({ ...target, partNumber, body: { sizeBytes, content: contentOf(sizeBytes) } })
  }

  /** A multipart object; a part more was uploaded and left out. */
  async multipart(
    bucket: Bucket,
    name: string,
    encryption?: EncryptionRequest,
    sizes: readonly number[] = [blobBytes],
  ): Promise<void> {
    const target = await this.startUpload(bucket, name, encryption)
    const parts: { number: number; etag: string }[] = []
    for (const [index, sizeBytes] of sizes.entries()) {
      const { number, etag } = await this.uploadPart(target, index + 1, sizeBytes)
      parts.push({ number, etag })
    }
    await this.uploadPart(target, sizes.length + 1, blobBytes)
    await this.engine.completeUpload({ ...target, parts })
  }

  async entries(tag: number): Promise<Entry[]> {
    const snapshot = this.metadata.snapshot()
    try {
      const gte = Buffer.of(tag)
      return await snapshot.list({ gte, lt: prefixEnd(gte), limit: 100_000 })
    } finally {
      snapshot.release()
    }
  }

  /** The only entry of a table that `isWanted`. */
  async entry(tag: number, isWanted: (entry: Entry) => boolean = () => true): Promise<Entry> {
    const [found, ...more] = (await this.entries(tag)).filter(isWanted)
    if (!found || more.length > 0) throw new Error(`there are ${more.length + (found ? 1 : 0)} such entries`)
    return found
  }

  async commit(commit: Commit): Promise<void> {
    await this.metadata.commit(commit)
  }

  /** Deletes an entry behind the engine's back. */
  delete(entry: Entry): Promise<void> {
    return this.commit({ deletes: [entry.key] })
  }

  /** Changes one bit of a value. */
  flip(entry: Entry): Promise<void> {
    const value = Buffer.from(entry.value)
    const at = value.length - 1
    value[at] = (value[at] ?? 0) ^ 1
    return this.commit({ puts: [{ key: entry.key, value }] })
  }

  /** Puts a record that is well formed and says something else. */
  replace(entry: Pick<Entry, 'key'>, body: Uint8Array): Promise<void> {
    return this.commit({ puts: [{ key: entry.key, value: this.records.seal(entry.key, body) }] })
  }

  /** Replaces a blob by other bytes. */
  async overwriteBlob(blobId: string, change: (bytes: Buffer) => Buffer): Promise<void> {
    const size = (await this.blobs.size(blobId)) ?? 0
    const pieces: Uint8Array[] = []
    for await (const piece of this.blobs.read(blobId, 0, size)) pieces.push(Buffer.from(piece))
    await this.blobs.delete(blobId)
    await this.writeBlob(blobId, change(Buffer.concat(pieces)))
  }

  async writeBlob(blobId: string, bytes: Uint8Array): Promise<void> {
    const writer = await this.blobs.create(blobId)
    await writer.write([bytes])
    await writer.sync()
  }
}

/** Bytes that differ from place to place. */
export function contentOf(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i += 1) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff
  return bytes
}

export function clientKey(fill: number): Extract<EncryptionRequest, { mode: 'sse-c' }> {
  const key = Buffer.alloc(32, fill)
  return { mode: 'sse-c', customerKey: { key, md5: createHash('md5').update(key).digest('base64') } }
}

/** Kinds of findings, in the order in which they were found. */
export function kindsOf(report: FsckReport): string[] {
  return report.findings.map(({ kind }) => kind)
}
