/**
 * Something of every record kind, with a history: everything was written at least twice or removed again, so that there are
 * older values to put back.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { Bucket, EncryptionRequest, PutObjectInput } from '@strongroom/engine'
import { pattern } from '../pattern.ts'
import type { OpenDeployment } from './deployment.ts'

/** Contents that were ever written to a name, by `bucket/name`. */
export type Written = Map<string, Buffer[]>

export interface Populated {
  readonly written: Written
  /** Of the second account. */
  readonly otherSigner: { readonly accessKeyId: string; readonly secret: Buffer }
}

const clientKeyBytes = Buffer.alloc(32, 7)
export const clientKey = { key: clientKeyBytes, md5: createHash('md5').update(clientKeyBytes).digest('base64') }

const large = new Map(Array.from({ length: 12 }, (_, index) => [`name-${index}`, 'x'.repeat(600)]))

/** Sealed it has four packages, the last of them short. */
const severalPackages = 3 * 65_536 + 1_000

class Filler {
  readonly written: Written = new Map()
  readonly #deployment: OpenDeployment
  #next = 0

  constructor(deployment: OpenDeployment) {
    this.#deployment = deployment
  }

  get requester() {
    return { accountId: this.#deployment.accounts.rootAccountId, isRootAccount: true }
  }

  /** Bytes that no other write has. */
  content(size: number): Buffer {
    this.#next += 1
    const content = Buffer.from(pattern(size))
    if (size >= 4) content.writeUInt32BE(this.#next, 0)
    return content
  }

  remember(bucket: string, name: string, content: Buffer): void {
    const place = `${bucket}/${name}`
    this.written.set(place, [...(this.written.get(place) ?? []), content])
  }

  async put(
    bucket: Bucket,
    name: string,
    size: number,
    encryption: EncryptionRequest,
    rest: Partial<PutObjectInput> = {},
  ) {
    const content = this.content(size)
    this.remember(bucket.name, name, content)
    const body = { sizeBytes: size, content }
    const metadata = { userMetadata: new Map() }
    const { engine } = this.#deployment
    await engine.putObject({ requester: this.requester, bucket, name, body, encryption, metadata, ...rest })
  }

  /** Begins an upload and sends two parts, the second one twice. */
  async upload(bucket: Bucket, name: string, encryption: EncryptionRequest) {
    const { engine } = this.#deployment
    const metadata = { userMetadata: new Map() }
    const target = { requester: this.requester, bucket, name }
    const { uploadId } = await engine.createUpload({ ...target, encryption, metadata })
    const place = { ...target, uploadId }
    const parts: { number: number; etag: string }[] = []
    const contents: Buffer[] = []
    for (const [number, size] of [
      [1, 20_000],
      [2, 10],
      [2, 15_000],
    ] as const) {
      const content = this.content(size)
      contents[number - 1] = content
      const { etag } = await engine.uploadPart({ ...place, partNumber: number, body: { sizeBytes: size, content } })
      parts[number - 1] = { number, etag }
    }
    return { place, parts, contents }
  }

  /** A multipart object of the first part; the second one is left over. */
  async multipart(bucket: Bucket, name: string, encryption: EncryptionRequest): Promise<void> {
    const { place, parts, contents } = await this.upload(bucket, name, encryption)
    this.remember(bucket.name, name, contents[0] ?? Buffer.alloc(0))
    await this.#deployment.engine.completeUpload({ ...place, parts: parts.slice(0, 1) })
  }
}

const kms = (keyId: string): EncryptionRequest => ({ mode: 'sse-kms', keyId })
const dual = (keyId: string): EncryptionRequest => ({ mode: 'dsse-kms', keyId })

/** Objects in two layers in the bucket `plain`: two that are inline, and two that are blobs of three packages. */
export const dualNames = { inline: ['dual-1', 'dual-2'], blob: ['dual-blob-1', 'dual-blob-2'] } as const
const threePackages = 2 * 65_536 + 500

/** See the module. */
export async function populate(deployment: OpenDeployment): Promise<Populated> {
  const { engine, accounts } = deployment
  const filler = new Filler(deployment)
  const { requester } = filler
  for (const name of ['alpha', 'beta', 'gamma', 'doomed']) await engine.createKey({ requester, name })
  await engine.rotateKey('alpha')
  const plain = await engine.createBucket({ requester, name: 'plain' })
  await engine.createBucket({ requester, name: 'second' })
  await engine.changeBucket(await engine.bucket('second'), { tags: [{ key: 'a', value: 'b' }] })
  await engine.deleteBucket(await engine.createBucket({ requester, name: 'gone' }))
  // A name that the other bucket has, too: whose content is it?
  await filler.put(await engine.bucket('second'), 'inline-2', 300, { mode: 'default' })
  // Two values that are both consistent with all else.
  await filler.put(plain, 'tagged', 100, { mode: 'default' })
  await engine.putTags({ bucket: plain, name: 'tagged', tags: [{ key: 'a', value: 'b' }] })
  for (const round of [1, 2]) {
    await filler.put(plain, 'a-blob', severalPackages + round, { mode: 'sse-s3' })
    await filler.put(plain, 'b-blob', severalPackages + 10 * round, { mode: 'default' })
    await filler.put(plain, 'inline-1', 100 + round, kms('alpha'))
    await filler.put(plain, 'inline-2', 200 + round, { mode: 'default' })
    await filler.put(plain, 'kms-blob', 20_000 + round, kms('beta'))
    await filler.put(plain, 'customer', 20_000 + round, { mode: 'sse-c', customerKey: clientKey })
    await filler.multipart(plain, 'parts-1', kms('alpha'))
    await filler.multipart(plain, 'parts-2', { mode: 'sse-s3' })
    for (const name of dualNames.inline) await filler.put(plain, name, 400 + round, dual('beta'))
    for (const name of dualNames.blob) await filler.put(plain, name, threePackages + round, dual('alpha'))
  }
  await filler.multipart(plain, 'dual-parts', dual('alpha'))
  const metadata = { userMetadata: large }
  await filler.put(plain, 'large-1', 100, { mode: 'default' }, { metadata })
  await filler.put(plain, 'removed', 20_000, kms('alpha'))
  await engine.deleteObject({ bucket: plain, name: 'removed' })
  await copies(deployment, filler, plain)
  await versions(deployment, filler)
  await uploads(deployment, filler, plain)
  await engine.deleteKey('doomed')
  await engine.lockKey('gamma')
  const { accessKey } = await twoAccounts(accounts)
  await engine.grantKey('alpha', accessKey.accountId)
  await engine.idle()
  return { written: filler.written, otherSigner: accessKey }
}

/** Two copies of each, and one removed: counts of 3 that were 4. */
async function copies({ engine }: OpenDeployment, filler: Filler, bucket: Bucket): Promise<void> {
  const { requester, written } = filler
  for (const source of ['kms-blob', 'inline-1', 'parts-1', 'parts-2']) {
    for (const name of [`${source}-copy-1`, `${source}-copy-2`, `${source}-copy-3`]) {
      const encryption = kms('alpha')
      await engine.copyObject({ requester, source: { bucket, name: source }, bucket, name, encryption })
      filler.remember(bucket.name, name, written.get(`${bucket.name}/${source}`)?.at(-1) ?? Buffer.alloc(0))
    }
    await engine.deleteObject({ bucket, name: `${source}-copy-3` })
  }
}

async function versions({ engine }: OpenDeployment, filler: Filler): Promise<void> {
  const made = await engine.createBucket({ requester: filler.requester, name: 'versioned' })
  await filler.put(made, 'from-before', 50, { mode: 'default' })
  const bucket = await engine.changeBucket(made, { versioning: 'enabled' })
  for (const size of [100, 20_000, 60]) await filler.put(bucket, 'three', size, kms('beta'))
  await filler.put(bucket, 'from-before', 70, { mode: 'sse-s3' })
  await filler.put(bucket, 'deleted', 20_000, { mode: 'sse-s3' })
  await engine.deleteObject({ bucket, name: 'deleted' })
  const current = await engine.listVersions({ bucket, prefix: 'three', limit: 1 })
  const first = current.items[0]
  if (first?.kind !== 'item') throw new Error('there is no version')
  const { versionId } = first.item
  await engine.putTags({ bucket, name: 'three', versionId, tags: [{ key: 'a', value: 'b' }] })
}

async function uploads({ engine }: OpenDeployment, filler: Filler, bucket: Bucket): Promise<void> {
  await filler.upload(bucket, 'running-1', kms('alpha'))
  await filler.upload(bucket, 'running-2', kms('beta'))
  const { place } = await filler.upload(bucket, 'aborted', kms('alpha'))
  await engine.abortUpload(place)
}

async function twoAccounts(accounts: OpenDeployment['accounts']) {
  await accounts.createAccount('first')
  const { accountId, accessKeyId, secretAccessKey } = await accounts.createAccount('second')
  return { accessKey: { accountId, accessKeyId, secret: Buffer.from(secretAccessKey) } }
}
