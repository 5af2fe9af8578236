/**
 * Reading a version's bytes: only the packages that are needed, none released before it was authenticated (DESIGN 6, 8).
 * Small answers come as one piece, others as a stream that reads ahead by no more than a chunk.
 *
 * @module
 */

import { sealedPackageSizeBytes, unsealKey } from '@strongroom/crypto'
import { type Snapshot, StorageError } from '@strongroom/storage'
import { StaleSnapshot } from './commit-loop.ts'
import type { EngineContext } from './context.ts'
import { formatId } from './ids.ts'
import { type LayerKeys, zeroLayers } from './layer-keys.ts'
import type { ObjectVersion, StoredStream } from './object-record.ts'
import type { PartTable } from './part-tables.ts'
import { type ByteSpan, tableOf } from './read-plan.ts'
import { dataKey } from './tables.ts'
import { openRange, openStream } from './two-layers.ts'
import { withSnapshot } from './with-snapshot.ts'

/** A piece of a stored stream that is to be read. */
interface Extent extends ByteSpan {
  readonly stream: StoredStream
  /** Plaintext bytes of the whole stream. */
  readonly streamBytes: number
}

/** Answers up to this size are given as one piece. */
const wholeBytes = 131_072

/** Sealed bytes that are opened at a time. */
const openBytes = sealedPackageSizeBytes

/** Inline data looked up ahead, from the snapshot that the record is from. */
const maxPrefetched = 64

/** What a read needs of the state that its record is from, so that it needs no snapshot any more. */
export interface BodySource {
  readonly record: ObjectVersion
  readonly span: ByteSpan
  readonly extents: readonly Extent[]
  /** Inline data, as far as it was fetched. */
  readonly inline: ReadonlyMap<Extent, Uint8Array>
  /** Lets go of a part table, which is kept until then. For sources that are not read to their end; may be called twice. */
  readonly release: () => void
}

const nothingHeld = () => {}

/**
 * Finds the bytes of a span. The result has to be opened or released.
 *
 * @throws StaleSnapshot if the data is gone: the record has to be read again
 */
export async function findBody(
  context: EngineContext,
  snapshot: Snapshot,
  record: ObjectVersion,
  span: ByteSpan,
): Promise<BodySource> {
  const inline = new Map<Extent, Uint8Array>()
  const { data } = record
  if (span.length === 0 || data.kind === 'none') return { record, span, extents: [], inline, release: nothingHeld }
  const release = data.kind === 'manifest' ? context.pins.pin(data.id) : nothingHeld
  try {
    const table = await tableOf(context, snapshot, record)
    const extents = table ? extentsOf(table, span) : singleExtent(record, span)
    for (const extent of extents) {
      if (!extent.stream.isInline || inline.size >= maxPrefetched) continue
      // Absent: the record lies. That is found when it is opened, and said then.
      const entry = await snapshot.get(dataKey.encode(extent.stream.blobId))
      if (entry) inline.set(extent, entry.value)
    }
    return { record, span, extents, inline, release }
  } catch (error) {
    release()
    throw error
  }
}

/**
 * The bytes of a span. The first of them have been authenticated when this resolves. If it rejects, the source is still to
 * be released.
 *
 * @param objectKey stays the caller's
 * @throws StaleSnapshot if the data is gone: the record has to be read again
 * @throws CryptoError `not-authentic`
 */
export async function openBody(
  context: EngineContext,
  source: BodySource,
  objectKey: LayerKeys,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const { record, span, extents, inline } = source
  const { data } = record
  const [first] = extents
  if (!first) return Buffer.alloc(0)
  const sealed = data.kind === 'single' ? inline.get(first) : undefined
  if (sealed) {
    const opened = openStream(first.stream, record.sizeBytes, objectKey, sealed)
    return span.length === opened.length ? opened : opened.subarray(span.offset, span.offset + span.length)
  }
  return new ExtentReader(context, source, streamKeysOf(record, objectKey)).start(span.length)
}

/** What the keys of a version's streams are sealed under, for each layer; the caller zeroes it. */
function streamKeysOf({ data }: ObjectVersion, { outer, inner }: LayerKeys): LayerKeys {
  const sealedUnder = data.kind === 'manifest' ? unsealKey(outer, data.sealedTableKey) : Buffer.from(outer)
  return inner ? { outer: sealedUnder, inner: Buffer.from(inner) } : { outer: sealedUnder }
}

function singleExtent(record: ObjectVersion, span: ByteSpan): Extent[] {
  return record.data.kind === 'single' ? [{ ...span, stream: record.data, streamBytes: record.sizeBytes }] : []
}

/** The pieces of a multipart object that a span touches. */
export function extentsOf(table: PartTable, span: ByteSpan): Extent[] {
  const extents: Extent[] = []
  const end = span.offset + span.length
  for (let index = firstPart(table, span.offset); index < table.parts.length; index += 1) {
    let at = table.offsets[index] ?? end
    if (at >= end) break
    for (const stream of table.parts[index]?.segments ?? []) {
      const offset = Math.max(span.offset - at, 0)
      const length = Math.min(end - at, stream.sizeBytes) - offset
      if (length > 0) extents.push({ stream, streamBytes: stream.sizeBytes, offset, length })
      at += stream.sizeBytes
    }
  }
  return extents
}

/** The part in which an offset lies, by bisection. */
function firstPart(table: PartTable, offset: number): number {
  let low = 0
  let high = table.parts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((table.offsets[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return low
}

async function inlineData(snapshot: Snapshot, stream: StoredStream): Promise<Uint8Array> {
  const entry = await snapshot.get(dataKey.encode(stream.blobId))
  if (!entry) throw new StaleSnapshot()
  return entry.value
}

/** Reads extents one after the other. Owns the keys that their keys are sealed under. */
class ExtentReader {
  readonly #context: EngineContext
  readonly #extents: readonly Extent[]
  readonly #streamKeys: LayerKeys
  readonly #release: () => void
  readonly #inline: ReadonlyMap<Extent, Uint8Array>

  constructor(context: EngineContext, { extents, inline, release }: BodySource, streamKeys: LayerKeys) {
    this.#context = context
    this.#extents = extents
    this.#inline = inline
    this.#streamKeys = streamKeys
    this.#release = release
  }

  /** The bytes: in one piece if they are few, else as a stream whose first piece is there already. */
  async start(lengthBytes: number): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    const pieces = this.#read()
    try {
      if (lengthBytes > wholeBytes) return resume(await pieces.next(), pieces)
      const whole = Buffer.allocUnsafe(lengthBytes)
      let at = 0
      for await (const piece of pieces) {
        whole.set(piece, at)
        at += piece.length
      }
      return whole
    } catch (error) {
      throw error instanceof StorageError && error.code === 'not-found' ? new StaleSnapshot() : error
    }
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (const extent of this.#extents) {
        if (extent.stream.isInline) yield await this.#readInline(extent)
        else yield* this.#readBlob(extent)
      }
    } finally {
      this.#end()
    }
  }

  async #readInline(extent: Extent): Promise<Uint8Array> {
    const { stream, streamBytes, offset, length } = extent
    const sealed =
      this.#inline.get(extent) ?? (await withSnapshot(this.#context, (snapshot) => inlineData(snapshot, stream)))
    return openStream(stream, streamBytes, this.#streamKeys, sealed).subarray(offset, offset + length)
  }

  async *#readBlob({ stream, streamBytes, offset, length }: Extent): AsyncGenerator<Uint8Array, void, undefined> {
    const { sealedOffset, sealedLength, opener } = openRange(stream, streamBytes, this.#streamKeys, { offset, length })
    try {
      const blobId = formatId(stream.blobId)
      for await (const chunk of this.#context.blobs.read(blobId, sealedOffset, sealedLength)) {
        // Package by package: what a slow reader has not taken yet stays sealed, and is not in memory twice.
        for (let start = 0; start < chunk.length; start += openBytes) {
          yield* opener.open(chunk.subarray(start, start + openBytes))
        }
      }
      opener.final()
    } finally {
      opener.destroy()
    }
  }

  #end(): void {
    zeroLayers(this.#streamKeys)
    this.#release()
  }
}

/** A stream whose first piece is there already. Not a generator: ending one that nobody has begun closes nothing. */
function resume(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncIterableIterator<Uint8Array, void, undefined> {
  let pending: IteratorResult<Uint8Array, void> | undefined = first
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      const result = pending ?? (await rest.next())
      pending = undefined
      return result
    },
    async return() {
      pending = undefined
      return rest.return()
    },
  }
}
