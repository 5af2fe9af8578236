/**
 * A process that commits for another one: frames on its standard input and output. Argument: the metadata directory.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { openLmdbMetadataStore } from '../metadata/lmdb/lmdb-metadata-store.ts'
import { serveCommit } from '../metadata/remote/commit-server.ts'
import { FrameStream } from '../metadata/remote/frame-stream.ts'

const [, , directory = ''] = process.argv

const store = await openLmdbMetadataStore(directory, { onFatal: () => process.exit(4) })
const frames: FrameStream = new FrameStream(process.stdin, process.stdout, {
  onFrame: (_type, message) => void serveCommit(store, message, (reply) => frames.send(0, reply)),
  onEnd: () => void store.close().then(() => process.exit(0)),
})
// The first frame, empty: the store is open.
frames.send(0, Buffer.alloc(0))
