/**
 * Storing a body: hashed, sealed and written as it comes, with bounded memory (DESIGN 8). Small ones are sealed in one go
 * and go into the commit itself; larger ones are durable in the blob store before anything names them.
 *
 * @module
 */

import { type BlobWriter, StorageError } from '@strongroom/storage'
import { type BodyDigests, BodyHasher, digestWhole } from './body-digests.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { EngineContext } from './context.ts'
import type { WriteBody } from './contract.ts'
import { EngineError } from './engine-error.ts'
import { formatId } from './ids.ts'
import { letGo, letGoOfCiphered } from './let-go.ts'
import { type StoredStream, streamNonceBytes } from './object-record.ts'
import { newBlobId, newInlineId } from './session.ts'
import { dataKey } from './tables.ts'
import { type StreamSealer, sealStream, storedSize, streamSealer } from './two-layers.ts'
import { checkRoom, storageIsFull, type WriteSpace, withRoom } from './write-space.ts'

/** A body that was sealed. */
export interface SealedBody extends BodyDigests {
  readonly sizeBytes: number
  /** Absent for an empty body: there is nothing to seal. */
  readonly stream?: Omit<StoredStream, 'sealedKey'>
  /** Puts inline data into the commit that names it. */
  putInto(draft: CommitDraft): void
  /** Removes what was written, after it became certain that nothing is going to name it. Never throws. */
  discard(): Promise<void>
}

/** Sealed bytes gathered before they are handed to a blob writer that does not gather: memory of such an upload under way (ADR 22). */
const writeBytes = 524_288

/**
 * Seals and stores a body under a key of its own, which stays the caller's.
 *
 * @param innerKey object key of the inner layer, where there are two; stays the caller's
 * @param wantsMd5 whether an entity tag needs the MD5; a Content-MD5 is verified either way
 * @throws EngineError `IncompleteBody`, `BadDigest`, `XMinioStorageFull`, `ServiceUnavailable`; what the body throws
 */
export function writeBody(
  context: EngineContext,
  body: WriteBody,
  key: Uint8Array,
  wantsMd5: boolean,
  innerKey?: Uint8Array,
): Promise<SealedBody> {
  const sealedBytes = storedSize(innerKey ? twoLayers : oneLayer, body.sizeBytes)
  return sealedBytes > context.settings.inlineLimitBytes
    ? writeBlob(context, body, sealedBytes, key, wantsMd5, innerKey)
    : withRoom(context.space, sealedBytes, () => writeInline(context, body, key, wantsMd5, innerKey))
}

async function writeInline(
  context: EngineContext,
  body: WriteBody,
  key: Uint8Array,
  wantsMd5: boolean,
  innerKey?: Uint8Array,
): Promise<SealedBody> {
  const { sizeBytes } = body
  const layers = innerKey ? twoLayers : oneLayer
  const bytes =
    body.content instanceof Uint8Array ? whole(body.content, sizeBytes) : await collect(body.content, sizeBytes)
  const digests = digestWhole(body, bytes, wantsMd5)
  if (sizeBytes === 0) return { sizeBytes, ...digests, putInto: () => {}, discard: async () => {} }
  const stream = {
    blobId: newInlineId(context.session, context.random),
    isInline: true,
    ...layers,
    nonce: context.random(streamNonceBytes),
  }
  const sealed = sealStream(key, stream, innerKey, bytes)
  return {
    sizeBytes,
    ...digests,
    stream,
    putInto: (draft) => void draft.putRaw(dataKey.encode(stream.blobId), sealed),
    discard: async () => {},
  }
}

const oneLayer = {} as const
const twoLayers = { layers: 2 } as const

function whole(content: Uint8Array, sizeBytes: number): Uint8Array {
  if (content.length !== sizeBytes) throw new EngineError('IncompleteBody')
  return content
}

/** All of a small body. */
async function collect(content: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  for await (const chunk of content) {
    if (at + chunk.length > sizeBytes) throw new EngineError('IncompleteBody')
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (at !== sizeBytes) throw new EngineError('IncompleteBody')
  return bytes
}

async function writeBlob(
  context: EngineContext,
  body: WriteBody,
  sealedBytes: number,
  key: Uint8Array,
  wantsMd5: boolean,
  innerKey: Uint8Array | undefined,
): Promise<SealedBody> {
  // Room is set aside only for what has come: who announces much and sends little must not stop the writes of others.
  checkRoom(context.space, sealedBytes)
  const blobId = newBlobId(context.session, context.random)
  const nonce = context.random(streamNonceBytes)
  const sealer = streamSealer(key, { blobId, nonce }, innerKey)
  const hasher = new BodyHasher(body, wantsMd5)
  let writer: BlobWriter | undefined
  try {
    writer = await context.blobs.create(formatId(blobId), sealedBytes)
    await pump(body, hasher, sealer, { writer, space: context.space })
    const digests = hasher.finish()
    await writer.sync()
    const { sizeBytes } = body
    return {
      sizeBytes,
      ...digests,
      stream: { blobId, isInline: false, ...(innerKey ? twoLayers : oneLayer), nonce },
      putInto: () => {},
      discard: () => discard(context, blobId),
    }
  } catch (error) {
    await writer?.abort()
    throw storageFailure(error)
  } finally {
    sealer.destroy()
  }
}

/**
 * Moves a body through hasher and sealer into the writer. A chunk is sealed and its memory freed in the turn in which it came, so
 * that the collector never meets it (ADR 22); what has to be waited for is waited for before the next one is asked for.
 */
async function pump(
  body: WriteBody,
  hasher: BodyHasher,
  sealer: StreamSealer,
  { writer, space }: { readonly writer: BlobWriter; readonly space: WriteSpace },
): Promise<void> {
  const { content, sizeBytes } = body
  const isGiven = body.givesChunks === true && !(content instanceof Uint8Array)
  const leastBytes = writer.ready ? 1 : writeBytes
  let pieces: Uint8Array[] = []
  let gathered = 0
  let taken = 0
  const gather = (sealed: readonly Uint8Array[]) => {
    for (const piece of sealed) {
      pieces.push(piece)
      gathered += piece.length
    }
  }
  const flush = async () => {
    if (pieces.length > 0) await withRoom(space, gathered, () => writer.write(pieces))
    for (const piece of pieces) letGoOfCiphered(piece)
    pieces = []
    gathered = 0
  }
  await writer.ready?.()
  for await (const chunk of content instanceof Uint8Array ? slices(content) : content) {
    taken += chunk.length
    if (taken > sizeBytes) throw new EngineError('IncompleteBody')
    hasher.update(chunk)
    gather(sealer.seal(chunk))
    if (isGiven) letGo(chunk)
    if (gathered < leastBytes) continue
    await flush()
    await writer.ready?.()
  }
  if (taken !== sizeBytes) throw new EngineError('IncompleteBody')
  gather(sealer.final())
  await flush()
}

/** A large body in memory, in pieces: sealing it at once would double it. */
function* slices(content: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < content.length; start += writeBytes) yield content.subarray(start, start + writeBytes)
}

/** What a client is told when a store cannot take its data. */
export function storageFailure(error: unknown): unknown {
  if (!(error instanceof StorageError)) return error
  if (error.code === 'full') return storageIsFull(error)
  if (error.code !== 'unavailable') return error
  const message = 'The storage of the server does not work at present. Please try again.'
  return new EngineError('ServiceUnavailable', { message, cause: error, headers: { 'retry-after': '1' } })
}

async function discard(context: EngineContext, blobId: Uint8Array): Promise<void> {
  try {
    await context.blobs.delete(formatId(blobId))
  } catch {
    // The sweeper finds it: nothing names it, and it bears this session's id.
  }
}
