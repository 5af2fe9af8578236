/**
 * The cells of the table: which requests are measured.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type Client, type EncryptionMode, readHeaders, writeHeaders } from './client.ts'
import type { Cell, Done } from './run-cell.ts'

/** The bucket that a run makes and leaves (with its server). */
export const benchBucket = 'bench'

export const allModes: readonly EncryptionMode[] = ['none', 'sse-s3', 'sse-kms', 'sse-c']

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const pieceBytes = 256 * kibibyte

interface Size {
  readonly label: string
  readonly bytes: number
  readonly connections: number
  /** Objects that the GET cells read in turn. */
  readonly population: number
}

const small: Size = { label: '4 KiB', bytes: 4 * kibibyte, connections: 32, population: 1000 }
const large: Size = { label: '64 MiB', bytes: 64 * mebibyte, connections: 4, population: 4 }

const larger: readonly Size[] = [
  { label: '64 KiB', bytes: 64 * kibibyte, connections: 32, population: 500 },
  { label: '1 MiB', bytes: mebibyte, connections: 16, population: 100 },
  large,
]

const listedObjects = 100_000

type MakeCell = (mode: EncryptionMode) => Cell

/** Every cell in every mode, in the order of the table: those of one name stand together. */
const inModes = (modes: readonly EncryptionMode[], makers: readonly MakeCell[]): readonly Cell[] =>
  makers.flatMap((make) => modes.map(make))

/** The cells of the part `cells`. */
export const smallCells = (modes: readonly EncryptionMode[]): readonly Cell[] =>
  inModes(modes, [
    (mode) => putCell(small, mode),
    (mode) => getCell(small, mode),
    headCell,
    deleteCell,
    mixedCell,
    listCell,
  ])

/** The cells of the part `large`. */
export const largeCells = (modes: readonly EncryptionMode[]): readonly Cell[] => [
  ...inModes(modes, [
    ...larger.flatMap((size): MakeCell[] => [(mode) => putCell(size, mode), (mode) => getCell(size, mode)]),
    rangeCell,
  ]),
  // Twice, one after the other: memory that grew with the uploads and was not free after them shows in the second.
  ...modes
    .filter((mode) => mode === 'sse-kms')
    .flatMap((mode) => [crowdOfUploads(mode, ''), crowdOfUploads(mode, ', again')]),
]

function contentOf(bytes: number): readonly Uint8Array[] {
  const content = randomBytes(bytes)
  const pieces: Uint8Array[] = []
  for (let offset = 0; offset < bytes; offset += pieceBytes) pieces.push(content.subarray(offset, offset + pieceBytes))
  return pieces
}

function sameBody(bytes: number): () => readonly Uint8Array[] {
  const body = contentOf(bytes)
  return () => body
}

const oneByte = [Buffer.from('x')]

function countUnit(size: Size): Cell['unit'] {
  return size.bytes >= mebibyte ? 'MiB' : 'operations'
}

function putCell(size: Size, mode: EncryptionMode): Cell {
  const body = contentOf(size.bytes)
  // Large objects overwrite a few names, so that a run does not fill the disk.
  const names = size.bytes >= mebibyte ? Math.max(size.connections, 8) : Number.POSITIVE_INFINITY
  return {
    name: `PUT ${size.label}`,
    mode,
    connections: size.connections,
    unit: countUnit(size),
    async work(client, index) {
      const name = `put/${mode}/${size.bytes}/${index % names}`
      await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body })
      return { bytes: size.bytes }
    },
  }
}

/** Puts `count` objects named by `nameOf`, from all connections. */
export async function populate(
  clients: readonly Client[],
  count: number,
  nameOf: (index: number) => string,
  mode: EncryptionMode,
  bodyOf: (index: number) => readonly Uint8Array[],
): Promise<void> {
  let next = 0
  await Promise.all(
    clients.map(async (client) => {
      for (let index = next++; index < count; index = next++) {
        await client.send({
          method: 'PUT',
          bucket: benchBucket,
          name: nameOf(index),
          headers: writeHeaders[mode],
          body: bodyOf(index),
        })
      }
    }),
  )
}

function getCell(size: Size, mode: EncryptionMode): Cell {
  const prefix = `get/${mode}/${size.bytes}`
  return {
    name: `GET ${size.label}`,
    mode,
    connections: size.connections,
    unit: countUnit(size),
    prepare: (clients) =>
      populate(clients, size.population, (index) => `${prefix}/${index}`, mode, sameBody(size.bytes)),
    async work(client, index) {
      const name = `${prefix}/${index % size.population}`
      const answer = await client.send({ method: 'GET', bucket: benchBucket, name, headers: readHeaders[mode] })
      if (answer.bodyBytes !== size.bytes) throw new Error(`GET gave ${answer.bodyBytes} of ${size.bytes} bytes`)
      return { bytes: answer.bodyBytes }
    },
  }
}

function headCell(mode: EncryptionMode): Cell {
  const prefix = `head/${mode}`
  return {
    name: 'HEAD',
    mode,
    connections: 32,
    unit: 'operations',
    prepare: (clients) =>
      populate(clients, small.population, (index) => `${prefix}/${index}`, mode, sameBody(small.bytes)),
    async work(client, index) {
      const name = `${prefix}/${index % small.population}`
      await client.send({ method: 'HEAD', bucket: benchBucket, name, headers: readHeaders[mode] })
      return { bytes: 0 }
    },
  }
}

function rangeCell(mode: EncryptionMode): Cell {
  const prefix = `range/${mode}`
  const length = 64 * kibibyte
  return {
    name: 'GET 64 KiB range of 64 MiB',
    mode,
    connections: 32,
    unit: 'operations',
    prepare: (clients) => populate(clients, 1, (index) => `${prefix}/${index}`, mode, sameBody(large.bytes)),
    async work(client, index) {
      // A stride that is no multiple of a package, so that ranges cross package borders.
      const first = (index * 1_000_003) % (large.bytes - length)
      const headers = { ...readHeaders[mode], range: `bytes=${first}-${first + length - 1}` }
      const answer = await client.send({ method: 'GET', bucket: benchBucket, name: `${prefix}/0`, headers })
      return { bytes: answer.bodyBytes }
    },
  }
}

/** So many objects are there to be deleted. */
const deletable = 30_000

function deleteCell(mode: EncryptionMode): Cell {
  const nameOf = (index: number): string => `delete/${mode}/${digits(index)}`
  return {
    name: 'DELETE of 4 KiB',
    mode,
    connections: 32,
    unit: 'operations',
    supply: deletable,
    prepare: (clients) => populate(clients, deletable, nameOf, mode, sameBody(small.bytes)),
    async work(client, index) {
      await client.send({ method: 'DELETE', bucket: benchBucket, name: nameOf(index) })
      return { bytes: 0 }
    },
  }
}

/** The name of the cell whose memory has a floor. */
export const crowdOfUploadsName = 'PUT 64 MiB, 64 at a time'

function crowdOfUploads(mode: EncryptionMode, suffix: string): Cell {
  return { ...putCell({ ...large, connections: 64 }, mode), name: `${crowdOfUploadsName}${suffix}` }
}

/** 45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE of 4 KiB objects, the mix that `warp mixed` uses. */
function mixedCell(mode: EncryptionMode): Cell {
  const prefix = `mixed/${mode}`
  const body = contentOf(small.bytes)
  return {
    name: 'mixed 4 KiB',
    mode,
    connections: 32,
    unit: 'operations',
    prepare: (clients) =>
      populate(clients, small.population, (index) => `${prefix}/${index}`, mode, sameBody(small.bytes)),
    async work(client, index) {
      const name = `${prefix}/${index % small.population}`
      const turn = index % 20
      if (turn < 9) await client.send({ method: 'GET', bucket: benchBucket, name, headers: readHeaders[mode] })
      else if (turn < 15) await client.send({ method: 'HEAD', bucket: benchBucket, name, headers: readHeaders[mode] })
      else {
        const own = `${prefix}/own/${index - (turn >= 18 ? 3 : 0)}`
        const headers = writeHeaders[mode]
        if (turn < 18) await client.send({ method: 'PUT', bucket: benchBucket, name: own, headers, body })
        else await client.send({ method: 'DELETE', bucket: benchBucket, name: own })
      }
      return { bytes: small.bytes }
    },
  }
}

function listCell(mode: EncryptionMode): Cell {
  const prefix = `list-${mode}/`
  return {
    name: 'LIST 1,000 of 100,000',
    mode,
    connections: 8,
    unit: 'entries',
    prepare: (clients) =>
      populate(
        clients,
        listedObjects,
        (index) => `${prefix}${digits(index)}`,
        mode,
        () => oneByte,
      ),
    async work(client, index) {
      const after = `${prefix}${digits((index * 1000) % (listedObjects - 1000))}`
      const query = `list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}&start-after=${encodeURIComponent(after)}`
      return await listPage(client, benchBucket, query)
    },
  }
}

/** One page of a listing; its units are the entries in it. */
export async function listPage(client: Client, bucket: string, query: string): Promise<Done> {
  const answer = await client.send({ method: 'GET', bucket, query, wantsStart: true })
  const count = /<KeyCount>(\d+)</.exec(answer.bodyStart)
  if (count === null) throw new Error(`a listing without a count: ${answer.bodyStart}`)
  return { bytes: 0, units: Number(count[1]) }
}

function digits(index: number): string {
  return String(index).padStart(8, '0')
}
