/**
 * Churn: objects of mixed sizes, overwritten and deleted until as many bytes were written ten times as the store holds. A
 * store whose free space falls into pieces shows it here: values larger than a page once brought LMDB from 9,300 to 128 puts
 * a second.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Bench, openServer } from './bench.ts'
import { benchBucket } from './cells.ts'
import { type Client, writeHeaders } from './client.ts'
import { type Cell, type CellResult, runCells } from './run-cell.ts'
import type { MeasuredServer } from './server-process.ts'

/** Sizes in turn: most objects are small, some fill a metadata value, a few are files. */
const sizes = [4096, 512, 7000, 4096, 1024, 4096, 65_536, 4096, 2048, 7000]
const turnovers = 10
const defaultObjects = 20_000
const connections = 32

export interface ChurnTurn {
  /** 0: the store being filled. */
  readonly turnover: number
  readonly result: CellResult
  readonly metadataBytes: number
  readonly blobBytes: number
}

export interface Churn {
  readonly objects: number
  /** Of the contents. */
  readonly storeBytes: number
  readonly turns: readonly ChurnTurn[]
  /** One connection overwrites: what a commit takes. */
  readonly commitBefore: CellResult
  readonly commitAfter: CellResult
}

const bodies = sizes.map((bytes): readonly Uint8Array[] => [randomBytes(bytes)])
const bodyOf = (index: number): readonly Uint8Array[] => bodies[index % bodies.length] ?? []
const bytesOf = (index: number): number => sizes[index % sizes.length] ?? 0

export async function measureChurn(bench: Bench): Promise<Churn> {
  const objects = bench.settings.objects?.[0] ?? defaultObjects
  const server = await openServer(bench)
  try {
    const turns = [await runTurn(bench, server, objects, 0)]
    const commitBefore = await measureCommits(bench, server, objects)
    for (let turnover = 1; turnover <= turnovers; turnover++) {
      turns.push(await runTurn(bench, server, objects, turnover))
    }
    const commitAfter = await measureCommits(bench, server, objects)
    const storeBytes = Array.from({ length: objects }, (_, at) => bytesOf(at)).reduce((sum, bytes) => sum + bytes, 0)
    return { objects, storeBytes, turns, commitBefore, commitAfter }
  } finally {
    await server.stop()
  }
}

/** A stride without a common factor with usual numbers of objects: neighbours do not follow each other. */
const stride = 1237
const nameOf = (index: number, objects: number): string => `churn/${(index * stride) % objects}`

/** Every object once, with another size than before; one in four is deleted first. */
async function runTurn(bench: Bench, server: MeasuredServer, objects: number, turnover: number): Promise<ChurnTurn> {
  const mode = bench.settings.oneMode
  const cell: Cell = {
    name: turnover === 0 ? 'filling' : `turnover ${turnover} of ${turnovers}`,
    mode,
    connections,
    unit: 'operations',
    supply: objects,
    async work(client, index) {
      const name = nameOf(index, objects)
      if (turnover > 0 && index % 4 === 0) await client.send({ method: 'DELETE', bucket: benchBucket, name })
      const at = index + turnover
      await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body: bodyOf(at) })
      return { bytes: bytesOf(at) }
    },
  }
  const options = { ...bench.runOptions(server), warmupSeconds: 0, secondsPerCell: Number.POSITIVE_INFINITY }
  const [result] = await runCells([cell], options)
  if (result === undefined) throw new Error('a turnover was not measured')
  return { turnover, result, ...fileSizes(server.data ?? '') }
}

async function measureCommits(bench: Bench, server: MeasuredServer, objects: number): Promise<CellResult> {
  const mode = bench.settings.oneMode
  const work = async (client: Client, index: number) => {
    const name = nameOf(index, objects)
    await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body: bodyOf(0) })
    return { bytes: bytesOf(0) }
  }
  const cell: Cell = { name: 'PUT 4 KiB, one connection', mode, connections: 1, unit: 'operations', work }
  const [result] = await runCells([cell], bench.runOptions(server))
  if (result === undefined) throw new Error('the commits were not measured')
  return result
}

function fileSizes(data: string): { readonly metadataBytes: number; readonly blobBytes: number } {
  return { metadataBytes: statSync(join(data, 'metadata/data.mdb')).size, blobBytes: treeBytes(join(data, 'blobs')) }
}

function treeBytes(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    // Files are unlinked meanwhile.
    bytes += entry.isDirectory() ? treeBytes(path) : (statSync(path, { throwIfNoEntry: false })?.size ?? 0)
  }
  return bytes
}
