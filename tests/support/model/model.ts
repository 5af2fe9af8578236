/**
 * The model: what S3 answers to each request, and what becomes of the state. Where several refusals apply, any of them is
 * right; what the server is free to choose (ids, entity tags that are no digests) is taken from its answer.
 *
 * @module
 */

import {
  asCopyCode,
  changesNothing,
  checksumOf,
  detailsOf,
  differences,
  idAnswer,
  opaque,
  shown,
  spanOf,
  tagAnswer,
  withDefined,
} from './model-answers.ts'
import { listed } from './model-listings.ts'
import {
  type Answer,
  bytesOf,
  type Kind,
  type Outcome,
  type Request,
  type Requests,
  type VersionRef,
} from './requests.ts'
import {
  type BucketState,
  currentOf,
  describeEncryption,
  type Encryption,
  encryptionOf,
  hasMd5,
  md5Hex,
  objectOf,
  type Part,
  readRefusals,
  type Upload,
  type Version,
  writeRefusals,
} from './state.ts'

/** What has to come: one of these refusals, or this answer; and what it changes. */
export interface Expected {
  readonly refusals?: readonly string[]
  readonly answer?: Answer
  readonly effect?: (answer: Answer) => void
}

type Handlers = { readonly [K in Kind]: (request: Requests[K]) => Expected }

/** Codes that only requests side by side may get; they change nothing. */
const crowded: ReadonlySet<string> = new Set(['OperationAborted', 'SlowDown'])

/** The smallest part but for the last. */
export const fullPartBytes = 5 * 2 ** 20

const noBucket: Expected = { refusals: ['NoSuchBucket'] }

export interface ModelOptions {
  readonly defaultEncryption: 'none' | 'sse-s3'
  /** A bucket with running uploads is not empty: to the engine; on the wire they go with it, as on AWS. */
  readonly uploadsKeepBucket: boolean
  /** Status of a code, for answers that have no code. */
  readonly statusOf: (code: string) => number
}

export class Model {
  readonly buckets: Map<string, BucketState>
  readonly locked: Set<string>
  readonly #options: ModelOptions
  /** Where copies find their source. */
  #sources: Model = this

  constructor(options: ModelOptions, from?: Model) {
    this.#options = options
    this.buckets = new Map(from?.buckets)
    this.locked = new Set(from?.locked)
  }

  clone(): Model {
    return new Model(this.#options, this)
  }

  /** The same for two states that look the same to clients. */
  fingerprint(): string {
    // Contents begin differently wherever they come from.
    const shortly = (content: Buffer) => `${content.length} ${content.toString('latin1', 0, 16)}`
    const buckets = [...this.buckets].map(([bucket, { names, uploads }]) => [
      bucket,
      [...names].map(([name, versions]) => [
        name,
        versions.map(({ content, parts, ...rest }) => ({
          ...rest,
          content: shortly(content),
          parts: [...(parts ?? [])],
        })),
      ]),
      [...uploads].map(([id, { parts }]) => [
        id,
        [...parts].map(([number, { etag, content }]) => [number, etag, shortly(content)]).sort(),
      ]),
    ])
    return JSON.stringify(buckets)
  }

  /**
   * Compares an outcome with what has to come, and goes on from it. Returns what is wrong, if anything is.
   *
   * @param sources the state in which a copy found its source: S3 does not promise that nothing happens between that and the
   * writing of the destination
   */
  apply(request: Request, outcome: Outcome, isCrowded: boolean, sources: Model = this): string | undefined {
    this.#sources = sources
    if (isCrowded && !outcome.ok && crowded.has(outcome.code)) return undefined
    const { refusals = [], answer = {}, effect } = this.#expect(request)
    if (!outcome.ok) {
      if (refusals.some((code) => this.#isCode(code, outcome.code))) return undefined
      return `refused with ${outcome.code}; right is ${refusals.join(' or ') || JSON.stringify(shown(answer))}`
    }
    if (refusals.length > 0)
      return `answered ${JSON.stringify(shown(outcome.answer))}; right is ${refusals.join(' or ')}`
    const wrong = differences(answer, outcome.answer)
    if (wrong.length > 0) return wrong.join('; ')
    effect?.(outcome.answer)
    return undefined
  }

  #isCode(expected: string, actual: string): boolean {
    return expected === actual || `status:${this.#options.statusOf(expected)}` === actual
  }

  #expect(request: Request): Expected {
    // The table has the handler of every kind; the compiler cannot see that both sides are of one kind.
    const handler = this.#handlers[request.kind] as (request: Request) => Expected
    return handler(request)
  }

  readonly #handlers: Handlers = {
    'create-bucket': ({ bucket }) =>
      this.buckets.has(bucket)
        ? { refusals: ['BucketAlreadyOwnedByYou'] }
        : { effect: () => this.buckets.set(bucket, { versioning: 'unset', names: new Map(), uploads: new Map() }) },
    'delete-bucket': ({ bucket }) => {
      const state = this.buckets.get(bucket)
      if (!state) return noBucket
      const isKept = state.uploads.size > 0 && this.#options.uploadsKeepBucket
      if (state.names.size > 0 || isKept) return { refusals: ['BucketNotEmpty'] }
      return { effect: () => this.buckets.delete(bucket) }
    },
    'list-buckets': () => ({ answer: { items: [...this.buckets.keys()].sort() } }),
    'set-versioning': ({ bucket, state }) => this.#change(bucket, (old) => ({ ...old, versioning: state })),
    'set-rule': ({ bucket, rule }) =>
      this.#change(bucket, ({ rule: _, ...rest }) => (rule === undefined ? rest : { ...rest, rule })),
    put: (request) => this.#put(request),
    get: (request) => this.#read(request, true),
    head: (request) => this.#read(request, false),
    delete: (request) => this.#delete(request),
    copy: (request) => this.#copy(request),
    'get-tags': (request) => {
      const found = this.#find(request)
      if ('refusals' in found) return found
      const { version, bucket } = found
      return { answer: { ...tagAnswer(version), ...idAnswer(bucket, version.id) } }
    },
    'put-tags': (request) => {
      const found = this.#find(request)
      if ('refusals' in found) return found
      const { tag: _, ...rest } = found.version
      const changed: Version = request.tag === undefined ? rest : { ...rest, tag: request.tag }
      return {
        answer: idAnswer(found.bucket, changed.id),
        effect: () => this.#setVersions(request, (all) => all.map((each) => (each.id === changed.id ? changed : each))),
      }
    },
    list: (request) => {
      const state = this.buckets.get(request.bucket)
      return state ? { answer: { items: listed(state, request) } } : noBucket
    },
    'list-parts': ({ upload }) => {
      const found = this.#upload(upload)
      return 'refusals' in found ? found : { answer: { items: listed(found.upload) } }
    },
    begin: (request) => this.#begin(request),
    part: ({ upload, number, content }) => {
      const found = this.#upload(upload)
      if ('refusals' in found) return found
      return this.#putPart(found.upload, upload, number, bytesOf(content), this.#uploadRefusals(found.upload, upload))
    },
    'part-copy': (request) => this.#partCopy(request),
    complete: (request) => this.#complete(request),
    abort: ({ upload }) => {
      const found = this.#upload(upload)
      if ('refusals' in found) return found
      return { effect: () => this.#setUpload(upload.bucket, upload.uploadId, undefined) }
    },
    lock: ({ key }) => ({ effect: () => this.locked.add(key) }),
    unlock: ({ key }) => ({ effect: () => this.locked.delete(key) }),
    rotate: ({ key }) => (this.locked.has(key) ? { refusals: ['KMS.DisabledException'] } : {}),
  }

  #change(name: string, change: (state: BucketState) => BucketState): Expected {
    const state = this.buckets.get(name)
    return state ? { effect: () => this.buckets.set(name, change(state)) } : noBucket
  }

  #put(request: Requests['put']): Expected {
    const bucket = this.buckets.get(request.bucket)
    if (!bucket) return noBucket
    const encryption = encryptionOf(request.mode, bucket.rule, this.#options.defaultEncryption)
    const refusals = [...writeRefusals(request, objectOf(bucket, request.name)), ...this.#lockRefusals(encryption)]
    if (refusals.length > 0) return { refusals }
    const content = bytesOf(request.content)
    const checksum = request.checksum && checksumOf(request.checksum, content)
    return this.#write(request, { content, encryption, ...withDefined({ checksum, ...detailsOf(request) }) })
  }

  #copy(request: Requests['copy']): Expected {
    const bucket = this.buckets.get(request.bucket)
    if (!bucket) return noBucket
    const found = this.#sources.#find(request.source)
    if ('refusals' in found) return { refusals: found.refusals.map(asCopyCode) }
    const { version } = found
    const encryption = encryptionOf(request.mode, bucket.rule, this.#options.defaultEncryption)
    const refusals = [
      ...this.#readRefusals(version, request.source, version.content.length > 0),
      ...readRefusals(request.source, version).map(asCopyCode),
      ...this.#lockRefusals(encryption),
      ...(changesNothing(request, bucket, version, encryption) ? ['InvalidRequest'] : []),
    ]
    if (refusals.length > 0) return { refusals }
    const { content } = version
    const algorithm = version.checksum?.startsWith('SHA256') ? 'SHA256' : 'CRC32'
    const checksum = version.checksum === undefined ? undefined : checksumOf(algorithm, content)
    const meta = request.meta ?? version.meta
    const tag = request.tag ?? version.tag
    return this.#write(
      request,
      { content, encryption, ...withDefined({ checksum, meta, tag }) },
      idAnswer(found.bucket, version.id, 'sourceVersionId'),
    )
  }

  /** A new version in place of what is current. */
  #write(
    { bucket: bucketName, name }: { readonly bucket: string; readonly name: string },
    made: Pick<Version, 'content' | 'encryption'> & Partial<Version>,
    more: Answer = {},
  ): Expected {
    const bucket = this.buckets.get(bucketName)
    if (!bucket) return noBucket
    const { checksum } = made
    const etag = made.etag ?? (hasMd5(made.encryption) ? md5Hex(made.content) : opaque)
    const answer = { etag, encryption: describeEncryption(made.encryption), ...withDefined({ checksum }), ...more }
    return {
      answer:
        bucket.versioning === 'enabled' ? { ...answer, versionId: opaque } : { ...answer, ...idAnswer(bucket, 'null') },
      effect: (given) => {
        const id = bucket.versioning === 'enabled' ? (given.versionId ?? '') : 'null'
        const version: Version = { ...made, id, isMarker: false, etag: given.etag ?? '' }
        this.#push({ bucket: bucketName, name }, version)
      },
    }
  }

  #push(place: { readonly bucket: string; readonly name: string }, version: Version): void {
    this.#setVersions(place, (all) => [version, ...all.filter(({ id }) => version.id !== 'null' || id !== 'null')])
  }

  #setVersions(
    { bucket, name }: { readonly bucket: string; readonly name: string },
    change: (versions: readonly Version[]) => readonly Version[],
  ): void {
    const state = this.buckets.get(bucket)
    if (!state) return
    const names = new Map(state.names)
    const versions = change(names.get(name) ?? [])
    if (versions.length > 0) names.set(name, versions)
    else names.delete(name)
    this.buckets.set(bucket, { ...state, names })
  }

  #setUpload(bucket: string, uploadId: string, upload: Upload | undefined): void {
    const state = this.buckets.get(bucket)
    if (!state) return
    const uploads = new Map(state.uploads)
    if (upload) uploads.set(uploadId, upload)
    else uploads.delete(uploadId)
    this.buckets.set(bucket, { ...state, uploads })
  }

  /** The version that a reference means. */
  #find({ bucket: bucketName, name, versionId }: VersionRef) {
    const bucket = this.buckets.get(bucketName)
    if (!bucket) return { refusals: ['NoSuchBucket'] }
    const current = currentOf(bucket, name)
    if (versionId === undefined) {
      if (!current || current.isMarker) return { refusals: ['NoSuchKey'] }
      return { bucket, version: current }
    }
    const version = bucket.names.get(name)?.find(({ id }) => id === versionId)
    if (!version) return { refusals: ['NoSuchVersion'] }
    return version.isMarker ? { refusals: ['MethodNotAllowed'] } : { bucket, version }
  }

  #upload({ bucket, name, uploadId }: Requests['abort']['upload']) {
    const state = this.buckets.get(bucket)
    if (!state) return noBucket as { readonly refusals: readonly string[] }
    const upload = state.uploads.get(uploadId)
    return upload?.name === name ? { upload } : { refusals: ['NoSuchUpload'] }
  }

  #lockRefusals({ key }: Encryption): string[] {
    return key !== undefined && this.locked.has(key) ? ['KMS.DisabledException'] : []
  }

  /** Of opening a version: the class of the client's key, the key, a lock. */
  #readRefusals({ encryption }: Version, { clientKey }: VersionRef, needsKey: boolean): string[] {
    if ((encryption.mode === 'sse-c') !== (clientKey !== undefined)) return ['InvalidRequest']
    if (encryption.clientKey !== clientKey) return ['AccessDenied']
    return needsKey ? this.#lockRefusals(encryption) : []
  }

  #uploadRefusals({ encryption }: Upload, { clientKey }: Requests['abort']['upload']): string[] {
    return encryption.clientKey === clientKey ? this.#lockRefusals(encryption) : ['InvalidRequest']
  }

  #read(request: Requests['get'], isGet: boolean): Expected {
    const found = this.#find(request)
    if ('refusals' in found) return found
    const { version, bucket } = found
    const span = spanOf(version, request)
    const refusals = [
      ...this.#readRefusals(version, request, isGet),
      ...readRefusals(request, version),
      ...(typeof span === 'string' ? [span] : []),
    ]
    if (refusals.length > 0 || typeof span === 'string') return { refusals }
    const { content, checksum } = version
    const isWhole = request.range === undefined && (request.part === undefined || span.length === content.length)
    const answer = {
      etag: version.etag,
      size: span.length,
      encryption: describeEncryption(version.encryption),
      ...idAnswer(bucket, version.id),
      ...withDefined({ meta: version.meta, checksum: isWhole ? checksum : undefined }),
      ...(version.tag === undefined ? {} : { tagCount: 1 }),
      ...(span.isPartial ? { range: `${span.offset}-${span.offset + span.length - 1}` } : {}),
    }
    return { answer: isGet ? { ...answer, content: content.subarray(span.offset, span.offset + span.length) } : answer }
  }

  #delete(request: Requests['delete']): Expected {
    const { bucket: bucketName, name, versionId, ifMatch } = request
    const bucket = this.buckets.get(bucketName)
    if (!bucket) return noBucket
    const all = bucket.names.get(name) ?? []
    const meant = versionId === undefined ? all[0] : all.find(({ id }) => id === versionId)
    if (ifMatch !== undefined && (!meant || meant.isMarker || (ifMatch !== '*' && ifMatch !== meant.etag))) {
      return { refusals: ['PreconditionFailed'] }
    }
    if (versionId !== undefined) {
      return {
        answer: { versionId, ...(meant?.isMarker ? { deleteMarker: true } : {}) },
        effect: () => this.#setVersions(request, (versions) => versions.filter(({ id }) => id !== versionId)),
      }
    }
    if (bucket.versioning === 'unset') return { effect: () => this.#setVersions(request, () => []) }
    const id = bucket.versioning === 'enabled' ? opaque : 'null'
    return {
      answer: { versionId: id, deleteMarker: true },
      effect: (given) => {
        const marker = { isMarker: true, etag: '', content: Buffer.alloc(0), encryption: { mode: 'none' } } as const
        this.#push(request, { ...marker, id: given.versionId ?? '' })
      },
    }
  }

  #begin(request: Requests['begin']): Expected {
    const bucket = this.buckets.get(request.bucket)
    if (!bucket) return noBucket
    const encryption = encryptionOf(request.mode, bucket.rule, this.#options.defaultEncryption)
    const refusals = this.#lockRefusals(encryption)
    if (refusals.length > 0) return { refusals }
    return {
      answer: { uploadId: opaque, encryption: describeEncryption(encryption) },
      effect: ({ uploadId: id = '' }) =>
        this.#setUpload(request.bucket, id, {
          id,
          name: request.name,
          encryption,
          parts: new Map(),
          ...detailsOf(request),
        }),
    }
  }

  #putPart(
    upload: Upload,
    { bucket }: Requests['abort']['upload'],
    number: number,
    content: Buffer,
    refusals: readonly string[],
    more: Answer = {},
  ): Expected {
    if (refusals.length > 0) return { refusals }
    return {
      answer: { etag: hasMd5(upload.encryption) ? md5Hex(content) : opaque, ...more },
      effect: ({ etag = '' }) => {
        const parts = new Map<number, Part>(upload.parts).set(number, { etag, content })
        this.#setUpload(bucket, upload.id, { ...upload, parts })
      },
    }
  }

  #partCopy({ upload: target, number, source, range }: Requests['part-copy']): Expected {
    const found = this.#upload(target)
    const from = this.#sources.#find(source)
    if ('refusals' in found || 'refusals' in from) {
      const ofSource =
        'refusals' in from ? from.refusals.map(asCopyCode) : this.#readRefusals(from.version, source, true)
      const ofUpload = 'refusals' in found ? found.refusals : this.#uploadRefusals(found.upload, target)
      return { refusals: [...ofUpload, ...ofSource] }
    }
    const { version } = from
    const { first, last } = range ?? { first: 0, last: version.content.length - 1 }
    const content = version.content.subarray(first, last + 1)
    const refusals = [
      ...this.#uploadRefusals(found.upload, target),
      ...this.#readRefusals(version, source, content.length > 0),
      ...(range && last >= version.content.length ? ['InvalidRange', 'InvalidArgument', 'InvalidRequest'] : []),
    ]
    return this.#putPart(
      found.upload,
      target,
      number,
      content,
      refusals,
      idAnswer(from.bucket, version.id, 'sourceVersionId'),
    )
  }

  #complete({ upload: target, parts, ifNoneMatch }: Requests['complete']): Expected {
    const bucket = this.buckets.get(target.bucket)
    if (!bucket) return noBucket
    const order = parts.map(({ number }) => number)
    const isOrdered = order.every((number, index) => index === 0 || number > (order[index - 1] ?? 0))
    const early = [...(parts.length === 0 ? ['MalformedXML'] : []), ...(isOrdered ? [] : ['InvalidPartOrder'])]
    const etag = `${md5Hex(Buffer.concat(parts.map((part) => Buffer.from(part.etag, 'hex'))))}-${parts.length}`
    const found = this.#upload(target)
    if ('refusals' in found) {
      const done = currentOf(bucket, target.name)
      const isAgain = early.length === 0 && done?.uploadId === target.uploadId && done.etag === etag
      if (!isAgain || !done) return { refusals: [...early, ...found.refusals] }
      const shownAs = done.encryption.mode === 'sse-c' ? opaque : describeEncryption(done.encryption)
      return { answer: { etag, encryption: shownAs, ...idAnswer(bucket, done.id) } }
    }
    const { upload } = found
    const chosen = parts.map(({ number }) => upload.parts.get(number))
    const refusals = [
      ...early,
      ...writeRefusals(ifNoneMatch === undefined ? {} : { ifNoneMatch }, objectOf(bucket, target.name)),
      ...(upload.encryption.mode === 'sse-c' && target.clientKey === undefined
        ? []
        : this.#uploadRefusals(upload, target)),
      ...(parts.every((part, index) => part.etag === chosen[index]?.etag) ? [] : ['InvalidPart']),
      ...(chosen.slice(0, -1).some((part) => part && part.content.length < fullPartBytes) ? ['EntityTooSmall'] : []),
    ]
    if (refusals.length > 0) return { refusals }
    const content = Buffer.concat(chosen.map((part) => part?.content ?? Buffer.alloc(0)))
    const sizes = new Map(parts.map(({ number }, index) => [number, chosen[index]?.content.length ?? 0]))
    const { encryption } = upload
    const written = this.#write(target, {
      content,
      encryption,
      etag,
      parts: sizes,
      uploadId: upload.id,
      ...detailsOf(upload),
    })
    // AWS does not say in this answer that a client's key was used.
    const shownAs = encryption.mode === 'sse-c' ? { encryption: opaque } : {}
    return {
      answer: { ...written.answer, ...shownAs },
      effect: (answer) => {
        written.effect?.(answer)
        this.#setUpload(target.bucket, upload.id, undefined)
      },
    }
  }
}
