/**
 * Reading a version's bytes: only the packages that are needed, none released before it was authenticated (DESIGN 6, 8).
 * Small answers come as one piece, others as a stream that reads ahead by no more than a batch of packages.
 *
 * @module
 */

import { unsealKey } from '@strongroom/crypto'
import { type Snapshot, StorageError } from '@strongroom/storage'
import { BlobExtent } from './blob-extent.ts'
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
  return await new ExtentReader(context, source, streamKeysOf(record, objectKey)).start()
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

type Piece = IteratorResult<Uint8Array, undefined>

/** Reads extents one after the other. Owns the keys that their keys are sealed under. Closes itself at its end. */
class ExtentReader implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #context: EngineContext
  readonly #source: BodySource
  readonly #streamKeys: LayerKeys
  #nextExtent = 0
  #blob: BlobExtent | undefined
  /** Opened and not taken yet, from `#nextPiece` on. */
  #pieces: readonly Uint8Array[] = []
  #nextPiece = 0
  #isEnded = false
  /** Never rejects. */
  #filling: Promise<unknown> | undefined

  constructor(context: EngineContext, source: BodySource, streamKeys: LayerKeys) {
    this.#context = context
    this.#source = source
    this.#streamKeys = streamKeys
  }

  /** The bytes: in one piece if they are few, else as a stream whose first pieces are there already. */
  async start(): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    const lengthBytes = this.#source.span.length
    try {
      await this.#fill()
      if (lengthBytes > wholeBytes) return this
      const [first] = this.#pieces
      const whole = first?.length === lengthBytes ? first : Buffer.allocUnsafe(lengthBytes)
      let at = 0
      for await (const piece of this) {
        if (piece !== whole) whole.set(piece, at)
        at += piece.length
      }
      return whole
    } catch (error) {
      throw error instanceof StorageError && error.code === 'not-found' ? new StaleSnapshot() : error
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Piece> {
    const value = this.#takePiece()
    return value === undefined ? this.#nextFilled() : Promise.resolve({ done: false, value })
  }

  async return(): Promise<Piece> {
    await this.#filling
    await this.#end()
    return { done: true, value: undefined }
  }

  #takePiece(): Uint8Array | undefined {
    const piece = this.#pieces[this.#nextPiece]
    this.#nextPiece += 1
    return piece
  }

  async #nextFilled(): Promise<Piece> {
    await this.#fill()
    const value = this.#takePiece()
    return value === undefined ? { done: true, value } : { done: false, value }
  }

  async #fill(): Promise<void> {
    const filling = this.#fillOnce()
    this.#filling = filling.catch(() => undefined)
    await filling
  }

  /** The next pieces, or none at the end. */
  async #fillOnce(): Promise<void> {
    this.#pieces = []
    this.#nextPiece = 0
    try {
      while (!this.#isEnded && this.#pieces.length === 0) {
        if (this.#blob) await this.#fillFrom(this.#blob)
        else await this.#openNext()
      }
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  async #fillFrom(blob: BlobExtent): Promise<void> {
    const pieces = await blob.next()
    if (pieces) this.#pieces = pieces
    else await this.#closeBlob()
  }

  async #openNext(): Promise<void> {
    const extent = this.#source.extents[this.#nextExtent]
    this.#nextExtent += 1
    if (!extent) await this.#end()
    else if (extent.stream.isInline) this.#pieces = [await this.#readInline(extent)]
    else this.#blob = await this.#openBlob(extent)
  }

  async #readInline(extent: Extent): Promise<Uint8Array> {
    const { stream, streamBytes, offset, length } = extent
    const sealed =
      this.#source.inline.get(extent) ?? (await withSnapshot(this.#context, (snapshot) => inlineData(snapshot, stream)))
    return openStream(stream, streamBytes, this.#streamKeys, sealed).subarray(offset, offset + length)
  }

  async #openBlob({ stream, streamBytes, offset, length }: Extent): Promise<BlobExtent> {
    const { blobs, readMemory } = this.#context
    const range = openRange(stream, streamBytes, this.#streamKeys, { offset, length })
    try {
      const blob = await blobs.open(formatId(stream.blobId), range.sealedOffset + range.sealedLength)
      return new BlobExtent(blob, range, readMemory)
    } catch (error) {
      range.opener.destroy()
      throw error
    }
  }

  async #closeBlob(): Promise<void> {
    const blob = this.#blob
    this.#blob = undefined
    await blob?.close()
  }

  async #end(): Promise<void> {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#pieces = []
    zeroLayers(this.#streamKeys)
    this.#source.release()
    await this.#closeBlob()
  }
}
