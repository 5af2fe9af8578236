/**
 * The cells of the table: which requests are measured.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type Client, type EncryptionMode, readHeaders, writeHeaders } from './client.ts'
import type { Cell } from './run-cell.ts'

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

const sizes: readonly Size[] = [
  { label: '4 KiB', bytes: 4 * kibibyte, connections: 32, population: 1000 },
  { label: '64 KiB', bytes: 64 * kibibyte, connections: 32, population: 500 },
  { label: '1 MiB', bytes: mebibyte, connections: 16, population: 100 },
  { label: '64 MiB', bytes: 64 * mebibyte, connections: 4, population: 4 },
]

const listedObjects = 100_000

/** Every cell, in the order of the table. */
export function makeCells(modes: readonly EncryptionMode[]): readonly Cell[] {
  const cells: Cell[] = []
  for (const size of sizes) {
    for (const mode of modes) cells.push(putCell(size, mode))
    for (const mode of modes) cells.push(getCell(size, mode))
  }
  for (const mode of modes) cells.push(headCell(mode))
  for (const mode of modes) cells.push(rangeCell(mode))
  for (const mode of modes) cells.push(deleteCell(mode))
  for (const mode of modes) cells.push(mixedCell(mode))
  for (const mode of modes) if (mode !== 'sse-c') cells.push(listCell(mode))
  return cells
}

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
  const names = size.bytes >= mebibyte ? 64 : Number.POSITIVE_INFINITY
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

const small: Size = { label: '4 KiB', bytes: 4 * kibibyte, connections: 32, population: 1000 }
const large: Size = { label: '64 MiB', bytes: 64 * mebibyte, connections: 4, population: 1 }

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

function deleteCell(mode: EncryptionMode): Cell {
  const body = contentOf(small.bytes)
  return {
    name: 'PUT 4 KiB + DELETE',
    mode,
    connections: 32,
    unit: 'operations',
    async work(client, index) {
      const name = `delete/${mode}/${index}`
      await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body })
      await client.send({ method: 'DELETE', bucket: benchBucket, name })
      return { bytes: small.bytes }
    },
  }
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
      await client.send({ method: 'GET', bucket: benchBucket, query })
      return { bytes: 0, units: 1000 }
    },
  }
}

function digits(index: number): string {
  return String(index).padStart(8, '0')
}
