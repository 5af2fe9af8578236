/**
 * Draws requests: from a seed and the model's state, so that a step can be drawn again when a trace is cut down.
 *
 * @module
 */

import type { Model } from './model.ts'
import { type Kind, keys, type Mode, type Request, type Requests, type VersionRef } from './requests.ts'
import type { BucketState, Upload, Version } from './state.ts'

/** mulberry32: small, seedable, good enough for choosing. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  below(limit: number): number {
    return limit <= 0 ? 0 : this.next() % limit
  }

  isOnce(in_: number): boolean {
    return this.below(in_) === 0
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)]
  }

  pickOr<T>(from: readonly T[], otherwise: T): T {
    return this.pick(from) ?? otherwise
  }
}

/** Names that sort otherwise as UTF-16 than as UTF-8, that contain each other, that XML has to escape. */
const names = ['a', 'a/b', 'a/c/d', 'a/c/e', 'ab', 'b', 'b/', 'c&<d', '\uffe6', '\u{1f511}/k', 'big'] as const

const prefixes = ['', '', 'a', 'a/', 'a/c/', 'b', '\u{1f511}', 'x'] as const

const sizes = [0, 1, 20, 20, 150, 150, 5_000, 9_000, 70_000] as const

/** Most versions of a name, and uploads of a bucket: beyond, the next is removed. */
const mostVersions = 8
const mostUploads = 5

/** A weight for each kind; those that change the rules for all are rare. */
const weights: Readonly<Record<Kind, number>> = {
  put: 22,
  get: 16,
  head: 7,
  delete: 10,
  copy: 10,
  'get-tags': 2,
  'put-tags': 3,
  list: 9,
  'list-parts': 2,
  begin: 6,
  part: 9,
  'part-copy': 6,
  complete: 6,
  abort: 1,
  'set-versioning': 1,
  'set-rule': 1,
  'create-bucket': 0,
  'delete-bucket': 1,
  'list-buckets': 1,
  lock: 1,
  unlock: 0,
  rotate: 1,
}

const drawn = (Object.keys(weights) as Kind[]).flatMap((kind) => Array.from({ length: weights[kind] }, () => kind))

/** These are never sent beside others: who may see the old rule, and who the new one, is nobody's promise. */
export const alone: ReadonlySet<Kind> = new Set<Kind>([
  'set-versioning',
  'set-rule',
  'create-bucket',
  'delete-bucket',
  'lock',
  'unlock',
  'rotate',
])

export interface DrawOptions {
  readonly bucketNames: readonly string[]
  /** Contents of 5 MiB as well, without which no upload has more than one part. They take a hundred times as long. */
  readonly hasLarge: boolean
}

/** Draws one request. */
export function drawRequest(seed: number, model: Model, options: DrawOptions): Request {
  const chance = new Chance(seed)
  const draw = new Draw(chance, model, options)
  const kind = chance.pickOr<Kind>(drawn, 'put')
  return draw.request(kind)
}

class Draw {
  readonly #chance: Chance
  readonly #model: Model
  readonly #options: DrawOptions

  constructor(chance: Chance, model: Model, options: DrawOptions) {
    this.#chance = chance
    this.#model = model
    this.#options = options
  }

  request(kind: Kind): Request {
    const chance = this.#chance
    const bucket = this.#bucket()
    const state = this.#model.buckets.get(bucket)
    if (!state && chance.isOnce(3)) return { kind: 'create-bucket', bucket }
    switch (kind) {
      case 'put':
        return this.#put(bucket, state)
      case 'get':
      case 'head':
        return { kind, ...this.#read() }
      case 'delete':
        return this.#delete()
      case 'copy':
        return this.#copy(bucket)
      case 'list':
        return this.#list(bucket)
      case 'get-tags':
        return { kind, ...this.#reference() }
      case 'put-tags':
        return { kind, ...this.#reference(), ...(chance.isOnce(4) ? {} : { tag: `tag ${chance.below(9)}` }) }
      case 'set-versioning':
        return { kind, bucket, state: chance.isOnce(2) ? 'enabled' : 'suspended' }
      case 'set-rule':
        return { kind, bucket, ...this.#rule() }
      case 'create-bucket':
      case 'delete-bucket':
        return { kind: state ? 'delete-bucket' : 'create-bucket', bucket }
      case 'list-buckets':
        return { kind }
      case 'lock':
      case 'unlock':
      case 'rotate':
        return this.#keyRequest(kind)
      case 'begin':
        return this.#begin(bucket, state)
      default:
        return this.#ofUpload(kind)
    }
  }

  #bucket(): string {
    return this.#chance.pickOr(this.#options.bucketNames, '')
  }

  #name(): string {
    return this.#chance.pickOr(names, 'a')
  }

  #mode(): Mode {
    const chance = this.#chance
    const which = chance.below(10)
    if (which < 3) return { mode: 'default' }
    if (which < 5) return { mode: 'sse-s3' }
    if (which < 7) return { mode: 'sse-c', clientKey: chance.isOnce(2) ? 1 : 2 }
    const key = chance.isOnce(3) ? {} : { key: chance.pickOr(keys.others, '') }
    const context = chance.isOnce(2)
    if (chance.isOnce(3)) return { mode: 'dsse-kms', context, ...key }
    return { mode: 'sse-kms', bucketKey: chance.isOnce(2), context, ...key }
  }

  #rule(): Pick<Requests['set-rule'], 'rule'> {
    const chance = this.#chance
    if (chance.isOnce(2)) return {}
    if (chance.isOnce(2)) return { rule: { bucketKey: chance.isOnce(2) } }
    const key = chance.pickOr(keys.others, '')
    return { rule: chance.isOnce(3) ? { key, layers: 2, bucketKey: false } : { key, bucketKey: chance.isOnce(2) } }
  }

  #details() {
    const chance = this.#chance
    // Details of 3,000 bytes and more outgrow small records.
    const meta = chance.isOnce(12) ? 'm'.repeat(1_900) : `meta ${chance.below(99)}`
    return { ...(chance.isOnce(2) ? { meta } : {}), ...(chance.isOnce(3) ? { tag: `tag ${chance.below(9)}` } : {}) }
  }

  #put(bucket: string, state: BucketState | undefined): Request {
    const chance = this.#chance
    const name = this.#name()
    const versions = state?.names.get(name) ?? []
    if (versions.length >= mostVersions) {
      const versionId = chance.pick(versions)?.id
      return { kind: 'delete', bucket, name, ...(versionId === undefined ? {} : { versionId }) }
    }
    const isBig = this.#options.hasLarge && name === 'big' && versions.length === 0
    return {
      kind: 'put',
      bucket,
      name,
      mode: this.#mode(),
      content: { size: isBig ? 5 * 2 ** 20 : chance.pickOr(sizes, 0), fill: chance.below(16) },
      ...this.#details(),
      ...(chance.isOnce(5) ? { checksum: chance.isOnce(2) ? 'CRC32' : 'SHA256' } : {}),
      ...this.#writeConditions(versions[0]),
    }
  }

  /** One condition at most: both at once are not implemented, as on AWS. */
  #writeConditions(current: Version | undefined) {
    if (this.#chance.isOnce(8)) return { ifNoneMatch: '*' }
    return this.#chance.isOnce(12) ? { ifMatch: current?.etag || '0'.repeat(32) } : {}
  }

  /** A version that is there, mostly, with the key that it needs, mostly. */
  #reference(): VersionRef {
    const chance = this.#chance
    const bucket = this.#bucket()
    const state = this.#model.buckets.get(bucket)
    const there = [...(state?.names.keys() ?? [])]
    const name = chance.isOnce(10) ? this.#name() : chance.pickOr(there, this.#name())
    const versions = state?.names.get(name) ?? []
    const version = chance.isOnce(2) ? chance.pick(versions) : versions[0]
    const isNamed = version !== versions[0] || chance.isOnce(4)
    const named = isNamed && version ? { versionId: version.id } : {}
    return { bucket, name, ...named, ...this.#clientKeyFor(version) }
  }

  #clientKeyFor(version: Pick<Version, 'encryption'> | undefined) {
    if (this.#chance.isOnce(20)) return { clientKey: this.#chance.isOnce(2) ? 1 : 2 } as const
    const clientKey = version?.encryption.clientKey
    return clientKey === undefined ? {} : { clientKey }
  }

  #versionOf({ bucket, name, versionId }: VersionRef): Version | undefined {
    const versions = this.#model.buckets.get(bucket)?.names.get(name)
    return versionId === undefined ? versions?.[0] : versions?.find(({ id }) => id === versionId)
  }

  #conditions(version: Version | undefined) {
    const chance = this.#chance
    const etag = chance.isOnce(3) ? '0'.repeat(32) : version?.etag || '1'.repeat(32)
    if (chance.isOnce(10)) return { ifMatch: etag }
    return chance.isOnce(12) ? { ifNoneMatch: etag } : {}
  }

  #read(): Requests['get'] {
    const chance = this.#chance
    const reference = this.#reference()
    const version = this.#versionOf(reference)
    const size = version?.content.length ?? 0
    const conditions = this.#conditions(version)
    const isWhole = size > 100_000 ? chance.isOnce(30) : chance.isOnce(2)
    if (isWhole) return { ...reference, ...conditions }
    if (chance.isOnce(6)) return { ...reference, ...conditions, part: 1 + chance.below(4) }
    const first = chance.below(size + 2)
    const last = first + chance.below(100_000)
    const ranges = [
      { first, last },
      { first: Math.max(first, size - 50_000) },
      { suffix: chance.below(70_000) },
    ] as const
    return { ...reference, ...conditions, range: chance.pickOr(ranges, { first }) }
  }

  #delete(): Request {
    const chance = this.#chance
    const { bucket, name, versionId } = this.#reference()
    const named = versionId === undefined ? {} : { versionId }
    const etag = this.#versionOf({ bucket, name, ...named })?.etag || '0'.repeat(32)
    return { kind: 'delete', bucket, name, ...named, ...(chance.isOnce(12) ? { ifMatch: etag } : {}) }
  }

  #copy(bucket: string): Request {
    const chance = this.#chance
    const source = this.#reference()
    const isItself = chance.isOnce(4)
    return {
      kind: 'copy',
      source: { ...source, ...this.#conditions(this.#versionOf(source)) },
      bucket: isItself ? source.bucket : bucket,
      name: isItself ? source.name : this.#name(),
      mode: this.#mode(),
      ...(chance.isOnce(3) ? { meta: `copied ${chance.below(9)}` } : {}),
      ...(chance.isOnce(3) ? { tag: `copied ${chance.below(9)}` } : {}),
    }
  }

  #list(bucket: string): Request {
    const chance = this.#chance
    const flavour = chance.pickOr(['v1', 'v2', 'versions', 'uploads'] as const, 'v1')
    const isPlain = flavour === 'v1' || flavour === 'v2'
    return {
      kind: 'list',
      flavour,
      bucket,
      prefix: chance.pickOr(prefixes, ''),
      ...(chance.isOnce(2) ? { delimiter: chance.isOnce(4) ? 'c' : '/' } : {}),
      ...(isPlain && chance.isOnce(4) ? { after: chance.pickOr([...names, 'a/', 'a/c', 'zz'], 'a') } : {}),
      pageSize: 1 + chance.below(4),
    }
  }

  #keyRequest(kind: 'lock' | 'unlock' | 'rotate'): Request {
    const chance = this.#chance
    const locked = chance.pick([...this.#model.locked])
    if (locked !== undefined && (kind !== 'lock' || chance.isOnce(2))) return { kind: 'unlock', key: locked }
    return {
      kind: kind === 'unlock' ? 'lock' : kind,
      key: chance.pickOr([keys.standard, ...keys.others], keys.standard),
    }
  }

  #uploads(): { readonly bucket: string; readonly upload: Upload }[] {
    return [...this.#model.buckets].flatMap(([bucket, { uploads }]) =>
      [...uploads.values()].map((upload) => ({ bucket, upload })),
    )
  }

  #begin(bucket: string, state: BucketState | undefined): Request {
    const running = [...(state?.uploads.values() ?? [])]
    const oldest = running[0]
    if (oldest && running.length >= mostUploads) {
      return { kind: 'abort', upload: { bucket, name: oldest.name, uploadId: oldest.id } }
    }
    return { kind: 'begin', bucket, name: this.#name(), mode: this.#mode(), ...this.#details() }
  }

  #ofUpload(kind: 'part' | 'part-copy' | 'complete' | 'abort' | 'list-parts'): Request {
    const chance = this.#chance
    const found = chance.pick(this.#uploads())
    if (!found) return this.request('begin')
    const { bucket, upload } = found
    const place = { bucket, name: upload.name, uploadId: upload.id }
    const target = { ...place, ...this.#clientKeyFor(upload) }
    const number = 1 + chance.below(4)
    switch (kind) {
      case 'part':
        return { kind, upload: target, number, content: { size: chance.pickOr(sizes, 0), fill: chance.below(16) } }
      case 'part-copy':
        return this.#partCopy(target, number)
      case 'complete':
        return this.#complete(target, upload)
      case 'list-parts':
        return { kind, upload: place, pageSize: 1 + chance.below(3) }
      default:
        return { kind, upload: place }
    }
  }

  #partCopy(upload: Requests['abort']['upload'], number: number): Request {
    const chance = this.#chance
    // Mostly something large enough to stand in the middle.
    const large = [...this.#model.buckets].flatMap(([bucket, { names: all }]) =>
      [...all].flatMap(([name, versions]) =>
        versions.filter(({ content }) => content.length >= 5 * 2 ** 20).map((version) => ({ bucket, name, version })),
      ),
    )
    const found = chance.isOnce(3) ? undefined : chance.pick(large)
    const source = found
      ? { bucket: found.bucket, name: found.name, versionId: found.version.id, ...this.#clientKeyFor(found.version) }
      : this.#reference()
    const size = this.#versionOf(source)?.content.length ?? 0
    if (size === 0 || chance.isOnce(2)) return { kind: 'part-copy', upload, number, source }
    const first = chance.below(size)
    const last = Math.min(size - 1, first + chance.below(30_000))
    return { kind: 'part-copy', upload, number, source, range: { first, last } }
  }

  #complete(upload: Requests['abort']['upload'], { parts }: Upload): Request {
    const chance = this.#chance
    let chosen = [...parts].sort(([a], [b]) => a - b).map(([number, { etag }]) => ({ number, etag }))
    const how = chance.below(24)
    if (how < 18) {
      const isFull = ({ number }: { number: number }) => (parts.get(number)?.content.length ?? 0) >= 5 * 2 ** 20
      chosen = chosen.filter((part, index) => isFull(part) || index === chosen.length - 1)
    } else if (how < 21) {
      chosen = chosen.filter(() => chance.isOnce(2))
    } else if (how === 21) {
      chosen.reverse()
    } else if (how === 22) {
      chosen = chosen.map((part) => ({ ...part, etag: '0'.repeat(32) }))
    }
    return { kind: 'complete', upload, parts: chosen, ...(chance.isOnce(8) ? { ifNoneMatch: '*' } : {}) }
  }
}
