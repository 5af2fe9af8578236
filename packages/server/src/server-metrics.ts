/**
 * The server's own metrics beside those of requests: key service, metadata store, connections, copies.
 *
 * @module
 */
import { garbageBlobKey, garbageTableKey, garbageUploadKey, rangeOf, uploadKey } from '@strongroom/engine'
import { type Listener, Metrics } from '@strongroom/http'
import type { Sweeper } from '@strongroom/maintenance'
import { operationNames } from '@strongroom/operations'
import type { MetadataStore } from '@strongroom/storage'
import type { ServingParts } from './deployment.ts'
import { kmsApiOperations } from './minio-api/kms-api.ts'

const kmsOperations = [
  'createKey',
  'importKey',
  'describeKey',
  'listKeys',
  'generateDataKey',
  'encrypt',
  'decrypt',
  'hmac',
  'rotateKey',
  'lockKey',
  'unlockKey',
  'scheduleKeyDeletion',
  'cancelKeyDeletion',
  'deleteKey',
  'keyState',
  'status',
]

const kmsResults = [
  'ok',
  'key-not-found',
  'key-exists',
  'key-disabled',
  'key-pending-deletion',
  'not-authentic',
  'permission-denied',
  'unreachable',
  'busy',
  'invalid-name',
  'invalid-key',
  'no-hmac-key',
  'sealed',
  'unsupported',
  'error',
]

const kmsSeconds = [0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5, 1, 5]

export interface ServerMetrics {
  readonly metrics: Metrics
  onKmsCall(operation: string, result: string, milliseconds: number): void
}

export function createServerMetrics(): ServerMetrics {
  const metrics = new Metrics({ operations: [...operationNames, ...kmsApiOperations, 'unknown'] })
  const calls = metrics.counter('kms_calls_total', 'Calls to the key service by operation and result.', {
    operation: kmsOperations,
    result: kmsResults,
  })
  const seconds = metrics.histogram(
    'kms_call_duration_seconds',
    'How long calls to the key service took.',
    kmsSeconds,
    {
      operation: kmsOperations,
    },
  )
  return {
    metrics,
    onKmsCall: (operation, result, milliseconds) => {
      calls.inc([operation, result])
      seconds.observe([operation], milliseconds / 1000)
    },
  }
}

const garbageTags = [garbageBlobKey.tag, garbageTableKey.tag, garbageUploadKey.tag]

/** Of each table: who reads metrics every few seconds must not walk millions of records. */
const countedAtMost = 10_000

async function count(metadata: MetadataStore, tags: readonly number[]): Promise<number> {
  const snapshot = metadata.snapshot()
  try {
    let found = 0
    for (const tag of tags) found += (await snapshot.list({ ...rangeOf(Buffer.of(tag)), limit: countedAtMost })).length
    return found
  } finally {
    snapshot.release()
  }
}

type Gauges = readonly (readonly [name: string, help: string, read: () => number | Promise<number>])[]

/** Registers what is asked of the stores, by the one process that commits, whenever metrics are asked for. */
export function watchStores(metrics: Metrics, { metadata, space }: ServingParts, sweeper: Sweeper): void {
  const gauges: Gauges = [
    ['metadata_commits', 'Commits since the start.', () => metadata.stats().commits],
    ['metadata_failed_checks', 'Commits that another one came before.', () => metadata.stats().failedChecks],
    ['metadata_batches', 'Groups of commits that shared one sync.', () => metadata.stats().batches],
    ['metadata_queued_commits', 'Commits that wait.', () => metadata.stats().queuedCommits],
    ['metadata_map_bytes', 'Size of the metadata file.', () => metadata.stats().mapBytes],
    [
      'open_uploads',
      `Multipart uploads under way, counted up to ${countedAtMost}.`,
      () => count(metadata, [uploadKey.tag]),
    ],
    [
      'garbage',
      `Stored data waiting to be removed, counted up to ${countedAtMost}.`,
      () => count(metadata, garbageTags),
    ],
    ['blobs_swept', 'Blobs of dead writers removed since the start.', () => sweeper.figures.blobsRemoved],
    ['sweep_failures', 'Sweeps that failed since the start.', () => sweeper.figures.failures],
    ['blob_free_bytes', 'Free space of the blob store.', () => space.freeBytesOf('objects')],
    ['metadata_free_bytes', 'Free space of the metadata store.', () => space.freeBytesOf('metadata')],
  ]
  for (const [name, help, read] of gauges) metrics.gauge(name, help, read)
}

/** Registers what is asked of each process that serves. */
export function watchServing(metrics: Metrics, { engine, space }: ServingParts, listener: Listener): void {
  const gauges: Gauges = [
    ['copies_shared', 'Copies that shared the stored data.', () => engine.stats().copiesShared],
    ['copies_rewritten', 'Copies that read and wrote the data.', () => engine.stats().copiesRewritten],
    ['connections', 'Open connections.', () => listener.stats.connections],
    ['connections_refused', 'Connections refused since the start.', () => listener.stats.refused],
    ['tls_failures', 'Failed TLS handshakes since the start.', () => listener.stats.tlsFailures],
    ['writes_refused_for_space', 'Writes refused for lack of space since the start.', () => space.figures.refused],
  ]
  for (const [name, help, read] of gauges) metrics.gauge(name, help, read)
  const isFull = () => Number(space.figures.isLow)
  metrics.gauge('storage_full', '1 while writes are refused for lack of space.', isFull, { ofMany: 'max' })
}
