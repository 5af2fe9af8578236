/**
 * How cost grows: with the objects of a bucket, and with connections. The cells of one list are run in order on one server.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { benchBucket, populate } from './cells.ts'
import { type EncryptionMode, readHeaders, writeHeaders } from './client.ts'
import type { Cell } from './run-cell.ts'

const connectionCounts = [1, 8, 64, 512]
const small = [randomBytes(4096)]
const tiny = [Buffer.from('x')]
const digits = (index: number): string => String(index).padStart(8, '0')

/** PUT, GET and LIST with this many objects in the bucket, in the order of `counts`, which must rise. */
export function objectGrowthCells(mode: EncryptionMode, counts: readonly number[]): readonly Cell[] {
  const prefix = `growth/${mode}/`
  let present = 0
  return counts.flatMap((count) => {
    const with_ = `with ${count.toLocaleString('en')} objects`
    const get: Cell = {
      name: `GET 1 B ${with_}`,
      mode,
      connections: 32,
      unit: 'operations',
      async prepare(clients) {
        const first = present
        present = count
        await populate(
          clients,
          count - first,
          (index) => `${prefix}${digits(first + index)}`,
          mode,
          () => tiny,
        )
      },
      async work(client, index) {
        const name = `${prefix}${digits((index * 7919) % count)}`
        await client.send({ method: 'GET', bucket: benchBucket, name, headers: readHeaders[mode] })
        return { bytes: 1 }
      },
    }
    const put: Cell = {
      name: `PUT 4 KiB ${with_}`,
      mode,
      connections: 32,
      unit: 'operations',
      async work(client, index) {
        const name = `grown/${mode}/${count}/${index}`
        await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body: small })
        return { bytes: 4096 }
      },
    }
    const list: Cell = {
      name: `LIST 1,000 ${with_}`,
      mode,
      connections: 8,
      unit: 'entries',
      async work(client, index) {
        const after = `${prefix}${digits((index * 7919) % Math.max(count - 1000, 1))}`
        const query = `list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}&start-after=${encodeURIComponent(after)}`
        await client.send({ method: 'GET', bucket: benchBucket, query })
        return { bytes: 0, units: Math.min(1000, count) }
      },
    }
    return [get, put, list]
  })
}

/** GET of 4 KiB from 1 to 512 connections. */
export function connectionGrowthCells(mode: EncryptionMode): readonly Cell[] {
  const population = 1000
  const nameOf = (index: number): string => `crowd/${mode}/${index % population}`
  return connectionCounts.map((connections, at) => ({
    name: `GET 4 KiB at ${connections} connections`,
    mode,
    connections,
    unit: 'operations',
    ...(at === 0 ? { prepare: (clients) => populate(clients, population, nameOf, mode, () => small) } : {}),
    async work(client, index) {
      const name = nameOf(index)
      const answer = await client.send({ method: 'GET', bucket: benchBucket, name, headers: readHeaders[mode] })
      return { bytes: answer.bodyBytes }
    },
  }))
}
