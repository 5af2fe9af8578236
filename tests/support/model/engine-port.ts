/**
 * The model's requests against an engine, without the wire.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import {
  type BucketEncryption,
  type CustomerKey,
  type EncryptionInfo,
  type EncryptionRequest,
  type Engine,
  EngineError,
  type EtagCondition,
  type Listed,
  type ListedPage,
  type ObjectHead,
  type ObjectMetadata,
  type Requester,
  type Tags,
  type UploadTarget,
  type VersionSummary,
  type WriteConditions,
} from '@strongroom/engine'
import {
  type Answer,
  bytesOf,
  type ClientKey,
  type Conditions,
  type Kind,
  type Listing,
  lineOf,
  type Mode,
  type Outcome,
  type Port,
  type Range,
  type Request,
  type Requests,
  type Rule,
  type UploadRef,
} from './requests.ts'

type Handlers = { readonly [K in Kind]: (request: Requests[K]) => Promise<Answer> }

/** The test's SSE-C keys. */
export function clientKeyBytes(which: ClientKey): CustomerKey {
  const key = Buffer.alloc(32, which)
  return { key, md5: createHash('md5').update(key).digest('base64') }
}

/** See the module. */
export class EnginePort implements Port {
  readonly #engine: Engine
  readonly #requester: Requester

  constructor(engine: Engine, requester: Requester) {
    this.#engine = engine
    this.#requester = requester
  }

  async send(request: Request): Promise<Outcome> {
    try {
      const handler = this.#handlers[request.kind] as (request: Request) => Promise<Answer>
      return { ok: true, answer: await handler(request) }
    } catch (error) {
      if (error instanceof EngineError && error.code !== 'InternalError') return { ok: false, code: error.code }
      throw error
    }
  }

  readonly #handlers: Handlers = {
    'create-bucket': async ({ bucket: name }) => {
      await this.#engine.createBucket({ requester: this.#requester, name })
      return {}
    },
    'delete-bucket': async ({ bucket }) => {
      await this.#engine.deleteBucket(await this.#engine.bucket(bucket))
      return {}
    },
    'list-buckets': async () => {
      const { accountId } = this.#requester
      const { buckets } = await this.#engine.listBuckets({ accountId, limit: 1_000 })
      return { items: buckets.map(({ name }) => name) }
    },
    'set-versioning': async ({ bucket, state }) => {
      await this.#engine.changeBucket(await this.#engine.bucket(bucket), { versioning: state })
      return {}
    },
    'set-rule': async ({ bucket, rule }) => {
      const target = await this.#engine.bucket(bucket)
      const encryption = rule && {
        algorithm: algorithmOf(rule),
        ...(rule.key === undefined ? {} : { keyId: rule.key }),
        bucketKeyEnabled: rule.bucketKey,
        blocksSseC: false,
      }
      await this.#engine.changeBucket(target, { encryption })
      return {}
    },
    put: (request) => this.#put(request),
    get: async (request) => {
      const read = await this.#engine.getObject(await this.#readInput(request))
      const { body } = read
      const pieces: Uint8Array[] = []
      if (body instanceof Uint8Array) pieces.push(Buffer.from(body))
      else for await (const piece of body) pieces.push(Buffer.from(piece))
      return { ...headAnswer(read), content: Buffer.concat(pieces) }
    },
    head: async (request) => headAnswer(await this.#engine.headObject(await this.#readInput(request))),
    delete: async ({ bucket, name, versionId, ifMatch }) => {
      const target = {
        bucket: await this.#engine.bucket(bucket),
        name,
        ...(versionId === undefined ? {} : { versionId }),
      }
      const conditions = ifMatch === undefined ? {} : { conditions: conditionsOf({ ifMatch }) }
      const deleted = await this.#engine.deleteObject({ ...target, ...conditions })
      return {
        ...(deleted.versionId === undefined ? {} : { versionId: deleted.versionId }),
        ...(deleted.deleteMarker ? { deleteMarker: true } : {}),
      }
    },
    copy: (request) => this.#copy(request),
    'get-tags': async ({ bucket, name, versionId }) => {
      const target = {
        bucket: await this.#engine.bucket(bucket),
        name,
        ...(versionId === undefined ? {} : { versionId }),
      }
      const { tags, ...rest } = await this.#engine.getTags(target)
      const tag = tags[0]?.value
      return { ...(tag === undefined ? {} : { tag }), ...idOf(rest.versionId) }
    },
    'put-tags': async ({ bucket, name, versionId, tag }) => {
      const target = {
        bucket: await this.#engine.bucket(bucket),
        name,
        ...(versionId === undefined ? {} : { versionId }),
      }
      return idOf((await this.#engine.putTags({ ...target, tags: tagsOf(tag) })).versionId)
    },
    list: async (request) => ({ items: await this.#list(request) }),
    'list-parts': async ({ upload, pageSize }) => {
      const target = await this.#uploadTarget(upload)
      const items: string[] = []
      for (let after = 0; ; ) {
        const page = await this.#engine.listParts({ ...target, after, limit: pageSize })
        for (const { number, etag, sizeBytes } of page.parts) items.push(lineOf.part(number, etag, sizeBytes))
        if (!page.truncated) return { items }
        after = page.parts.at(-1)?.number ?? 0
      }
    },
    begin: async ({ bucket, name, mode, meta, tag }) => {
      const { uploadId, encryption } = await this.#engine.createUpload({
        requester: this.#requester,
        bucket: await this.#engine.bucket(bucket),
        name,
        encryption: encryptionRequest(mode),
        metadata: metadataOf(meta),
        tags: tagsOf(tag),
      })
      return { uploadId, encryption: encryptionText(encryption) }
    },
    part: async ({ upload, number, content }) => {
      const bytes = bytesOf(content)
      const target = await this.#uploadTarget(upload)
      const body = { sizeBytes: bytes.length, content: bytes }
      return { etag: (await this.#engine.uploadPart({ ...target, partNumber: number, body })).etag }
    },
    'part-copy': async ({ upload, number, source, range }) => {
      const copied = await this.#engine.uploadPartCopy({
        ...(await this.#uploadTarget(upload)),
        partNumber: number,
        source: await this.#source(source),
        ...(range === undefined ? {} : { range }),
      })
      return { etag: copied.etag, ...idOf(copied.sourceVersionId, 'sourceVersionId') }
    },
    complete: async ({ upload, parts, ifNoneMatch }) => {
      const conditions = ifNoneMatch === undefined ? {} : { conditions: conditionsOf({ ifNoneMatch }) }
      const written = await this.#engine.completeUpload({ ...(await this.#uploadTarget(upload)), parts, ...conditions })
      return writtenAnswer(written)
    },
    abort: async ({ upload }) => {
      await this.#engine.abortUpload(await this.#uploadTarget(upload))
      return {}
    },
    lock: async ({ key }) => {
      await this.#engine.lockKey(key)
      return {}
    },
    unlock: async ({ key }) => {
      await this.#engine.unlockKey(key)
      return {}
    },
    rotate: async ({ key }) => {
      await this.#engine.rotateKey(key)
      return {}
    },
  }

  async #put(request: Requests['put']): Promise<Answer> {
    const content = bytesOf(request.content)
    const checksum = request.checksum === undefined ? {} : { checksum: { algorithm: request.checksum } }
    const written = await this.#engine.putObject({
      requester: this.#requester,
      bucket: await this.#engine.bucket(request.bucket),
      name: request.name,
      // Small bodies come whole, larger ones as a stream.
      body: { sizeBytes: content.length, content: content.length > 6_000 ? inPieces(content) : content, ...checksum },
      encryption: encryptionRequest(request.mode),
      metadata: metadataOf(request.meta),
      tags: tagsOf(request.tag),
      conditions: conditionsOf(request),
    })
    return writtenAnswer(written)
  }

  async #copy(request: Requests['copy']): Promise<Answer> {
    const { sourceVersionId, ...written } = await this.#engine.copyObject({
      requester: this.#requester,
      source: { ...(await this.#source(request.source)), conditions: conditionsOf(request.source) },
      bucket: await this.#engine.bucket(request.bucket),
      name: request.name,
      encryption: encryptionRequest(request.mode),
      ...(request.meta === undefined ? {} : { metadata: metadataOf(request.meta) }),
      ...(request.tag === undefined ? {} : { tags: tagsOf(request.tag) }),
    })
    return { ...writtenAnswer(written), ...idOf(sourceVersionId, 'sourceVersionId') }
  }

  async #source({ bucket, name, versionId, clientKey }: Requests['copy']['source']) {
    return {
      bucket: await this.#engine.bucket(bucket),
      name,
      ...(versionId === undefined ? {} : { versionId }),
      ...customerKeyOf(clientKey),
    }
  }

  async #readInput({ bucket, name, versionId, clientKey, range, part, ...conditions }: Requests['get']) {
    return {
      requester: this.#requester,
      bucket: await this.#engine.bucket(bucket),
      name,
      ...(versionId === undefined ? {} : { versionId }),
      ...customerKeyOf(clientKey),
      ...(range === undefined ? {} : { range: rangeOf(range) }),
      ...(part === undefined ? {} : { partNumber: part }),
      conditions: conditionsOf(conditions),
    }
  }

  async #uploadTarget({ bucket, name, uploadId, clientKey }: UploadRef): Promise<UploadTarget> {
    const target = { requester: this.#requester, bucket: await this.#engine.bucket(bucket), name, uploadId }
    return { ...target, ...customerKeyOf(clientKey) }
  }

  async #list(request: Listing): Promise<string[]> {
    const { flavour, prefix, delimiter, pageSize: limit } = request
    const bucket = await this.#engine.bucket(request.bucket)
    const input = { bucket, prefix, limit, ...(delimiter === undefined ? {} : { delimiter }) }
    if (flavour === 'versions')
      return allPages(input, (page) => this.#engine.listVersions(page), versionMarker, versionLine)
    if (flavour === 'uploads') {
      const marker = (item: { readonly name: string; readonly uploadId: string }) => ({
        keyMarker: item.name,
        uploadIdMarker: item.uploadId,
      })
      return allPages(
        input,
        (page) => this.#engine.listUploads(page),
        marker,
        (item) => lineOf.upload(item.name, item.uploadId),
      )
    }
    const after = request.after === undefined ? {} : { keyMarker: request.after }
    return allPages(
      { ...input, ...after },
      ({ keyMarker, ...page }) =>
        this.#engine.listObjects({ ...page, ...(keyMarker === undefined ? {} : { after: keyMarker }) }),
      ({ name }) => ({ keyMarker: name }),
      ({ name, etag, sizeBytes }) => lineOf.object(name, etag, sizeBytes),
    )
  }
}

type Markers = { readonly keyMarker?: string; readonly versionIdMarker?: string; readonly uploadIdMarker?: string }

/** Reads all pages, each from where the one before ended. */
async function allPages<I extends object, T>(
  input: I,
  list: (input: I & Markers) => Promise<ListedPage<T>>,
  markerOf: (item: T) => Markers,
  line: (item: T) => string,
): Promise<string[]> {
  const items: string[] = []
  const prefixes: string[] = []
  let markers: Markers = {}
  for (;;) {
    const page = await list({ ...input, ...markers })
    for (const each of page.items) {
      if (each.kind === 'item') items.push(line(each.item))
      else prefixes.push(lineOf.prefix(each.prefix))
    }
    const last: Listed<T> | undefined = page.items.at(-1)
    if (!page.truncated || !last) return [...items, ...prefixes]
    markers = last.kind === 'item' ? markerOf(last.item) : { keyMarker: last.prefix }
  }
}

const versionMarker = ({ name, versionId }: VersionSummary): Markers => ({
  keyMarker: name,
  versionIdMarker: versionId,
})

const versionLine = ({ name, versionId, etag, sizeBytes, isLatest, deleteMarker }: VersionSummary): string =>
  lineOf.version(name, versionId, etag, sizeBytes, `${deleteMarker ? 'marker' : 'object'}${isLatest ? ' latest' : ''}`)

async function* inPieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < content.length; start += 4_096) yield content.subarray(start, start + 4_096)
}

function encryptionRequest(mode: Mode): EncryptionRequest {
  if (mode.mode === 'sse-c') return { mode: 'sse-c', customerKey: clientKeyBytes(mode.clientKey) }
  if (mode.mode !== 'sse-kms' && mode.mode !== 'dsse-kms') return mode
  return {
    ...(mode.mode === 'sse-kms' ? { mode: 'sse-kms', bucketKeyEnabled: mode.bucketKey } : { mode: 'dsse-kms' }),
    ...(mode.key === undefined ? {} : { keyId: mode.key }),
    ...(mode.context ? { context: new Map([['team', 'blue']]) } : {}),
  }
}

function algorithmOf({ key, layers }: Rule): BucketEncryption['algorithm'] {
  if (key === undefined) return 'AES256'
  return layers === 2 ? 'aws:kms:dsse' : 'aws:kms'
}

const encryptionText = (info: EncryptionInfo): string => ('keyId' in info ? `${info.mode}:${info.keyId}` : info.mode)

const metadataOf = (meta: string | undefined): ObjectMetadata => ({
  userMetadata: new Map(meta === undefined ? [] : [['m', meta]]),
})

const tagsOf = (tag: string | undefined): Tags => (tag === undefined ? [] : [{ key: 't', value: tag }])

const customerKeyOf = (which: ClientKey | undefined): { readonly customerKey?: CustomerKey } =>
  which === undefined ? {} : { customerKey: clientKeyBytes(which) }

const rangeOf = (range: Range) => ('suffix' in range ? { suffixLength: range.suffix } : range)

const etagCondition = (etag: string): EtagCondition => (etag === '*' ? '*' : [etag])

const conditionsOf = ({ ifMatch, ifNoneMatch }: Conditions): WriteConditions => ({
  ...(ifMatch === undefined ? {} : { ifMatch: etagCondition(ifMatch) }),
  ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: etagCondition(ifNoneMatch) }),
})

const idOf = (id: string | undefined, field: 'versionId' | 'sourceVersionId' = 'versionId'): Answer =>
  id === undefined ? {} : { [field]: id }

type Written = Pick<ObjectHead, 'etag' | 'encryption' | 'checksum' | 'versionId'>

const writtenAnswer = ({ etag, encryption, checksum, versionId }: Written): Answer => ({
  etag,
  encryption: encryptionText(encryption),
  ...(checksum === undefined ? {} : { checksum: `${checksum.algorithm}:${checksum.value}` }),
  ...idOf(versionId),
})

function headAnswer({ head, range, contentLength, checksum }: Awaited<ReturnType<Engine['headObject']>>): Answer {
  const meta = head.metadata.userMetadata.get('m')
  return {
    ...writtenAnswer({ etag: head.etag, encryption: head.encryption, ...(checksum ? { checksum } : {}) }),
    ...idOf(head.versionId),
    size: contentLength,
    ...(meta === undefined ? {} : { meta }),
    ...(head.tagCount === 0 ? {} : { tagCount: head.tagCount }),
    ...(range === undefined ? {} : { range: `${range.first}-${range.last}` }),
  }
}
