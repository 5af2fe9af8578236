/**
 * A process with stores of its own, for the tests beside it. Arguments: what to do, the metadata and the blob directory.
 *
 * @module
 */

import { Buffer } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { makeBlobId } from '../blobs/blob-id.ts'
import { openFilesBlobStore } from '../blobs/files/files-blob-store.ts'
import { type LmdbMetadataStore, openLmdbMetadataStore } from '../metadata/lmdb/lmdb-metadata-store.ts'
import { StorageError } from '../storage-error.ts'

const [, , task = '', metadataDirectory = '', blobDirectory = ''] = process.argv

process.on('unhandledRejection', (reason) => {
  say(`unhandled ${reason}`)
  process.exit(3)
})

/** Straight into the pipe: what was said is known to the parent even if this process is killed right after. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function openMetadata(): Promise<LmdbMetadataStore> {
  return await openLmdbMetadataStore(metadataDirectory, {
    onFatal: (error) => {
      say(`fatal ${error.message}`)
      process.exit(4)
    },
  })
}

/** Answers each line with the value of that key, without ever giving the event loop a turn. */
async function read(): Promise<void> {
  const store = await openMetadata()
  say('ready')
  for (let key = readLine(); key !== ''; key = readLine()) {
    const snapshot = store.snapshot()
    const entry = await snapshot.get(Buffer.from(key))
    say(entry === undefined ? 'none' : Buffer.from(entry.value).toString())
    snapshot.release()
  }
  process.exit(0)
}

/** Blocks until a whole line is there; empty at the end of input. */
function readLine(): string {
  const byte = Buffer.alloc(1)
  let line = ''
  while (readSync(0, byte) === 1 && byte[0] !== 0x0a) line += byte.toString()
  return line
}

/** Writes blobs and commits that name them, until it is killed; says what was acknowledged. */
async function write(): Promise<void> {
  const metadata = await openMetadata()
  const blobs = await openFilesBlobStore(blobDirectory)
  const session = randomBytes(8).toString('hex')
  await metadata.commit({ puts: [{ key: Buffer.from(`session/${session}`), value: Buffer.alloc(0) }] })
  const writeOne = async () => {
    const content = randomBytes(1 + Math.floor(Math.random() * 200_000))
    const blobId = makeBlobId(session, randomBytes(16))
    const writer = await blobs.create(blobId)
    for (let at = 0; at < content.length; at += 65_536) await writer.write([content.subarray(at, at + 65_536)])
    await writer.sync()
    const digest = createHash('sha256').update(content).digest('hex')
    const value = Buffer.from(`${digest} ${content.length}`)
    await metadata.commit({
      checks: [{ key: Buffer.from(`a/${blobId}`), version: 'absent' }],
      puts: ['a', 'b', 'c'].map((table) => ({ key: Buffer.from(`${table}/${blobId}`), value })),
      adds: [{ key: Buffer.from('written'), delta: 1 }],
    })
    say(blobId)
  }
  const work = async () => {
    for (;;) await writeOne()
  }
  await Promise.all(Array.from({ length: 12 }, work))
}

/** Commits and writes until the disk is full (the parent set a limit on file sizes); says what was acknowledged. */
async function fill(): Promise<void> {
  const metadata = await openMetadata()
  const blobs = await openFilesBlobStore(blobDirectory)
  const writer = await blobs.create(makeBlobId('0123456789abcdef', randomBytes(16)))
  say(`blob ${await codeOf(writer.write([Buffer.alloc(64 * 1024 * 1024)]))}`)
  await writer.abort()
  const codes = new Set<string>()
  for (let i = 0; codes.size === 0 && i < 1000; i++) {
    const keys = Array.from({ length: 10 }, (_, j) => `fill/${i}/${j}`)
    const commits = keys.map((key) => metadata.commit({ puts: [{ key: Buffer.from(key), value: Buffer.alloc(7000) }] }))
    for (const [j, result] of (await Promise.allSettled(commits)).entries()) {
      if (result.status === 'fulfilled') say(`committed ${keys[j]}`)
      else codes.add(result.reason instanceof StorageError ? result.reason.code : String(result.reason))
    }
  }
  say(`metadata ${[...codes]}`)
  const snapshot = metadata.snapshot()
  say(`readable ${(await snapshot.get(Buffer.from('fill/0/0')))?.value.length}`)
  snapshot.release()
  await metadata.close()
  say('closed')
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error)
  }
}

const tasks: Readonly<Record<string, () => Promise<void>>> = { read, write, fill }
await tasks[task]?.()
