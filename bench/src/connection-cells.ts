/**
 * Cost as connections grow.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { benchBucket, listPage, populate } from './cells.ts'
import { type EncryptionMode, readHeaders, writeHeaders } from './client.ts'
import type { Cell } from './run-cell.ts'

const connectionCounts = [1, 8, 64, 512]

const population = 10_000
const content = [randomBytes(4096)]

/** PUT, GET and LIST from 1 to 512 connections. */
export function connectionCells(mode: EncryptionMode): readonly Cell[] {
  const nameOf = (index: number): string => `crowd/${mode}/${String(index % population).padStart(8, '0')}`
  const cells: readonly Pick<Cell, 'name' | 'unit' | 'work'>[] = [
    {
      name: 'GET 4 KiB',
      unit: 'operations',
      async work(client, index) {
        const request = { bucket: benchBucket, name: nameOf(index * 7919), headers: readHeaders[mode] }
        const answer = await client.send({ method: 'GET', ...request })
        return { bytes: answer.bodyBytes }
      },
    },
    {
      name: 'PUT 4 KiB',
      unit: 'operations',
      async work(client, index) {
        const name = `crowded/${mode}/${index}`
        await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body: content })
        return { bytes: 4096 }
      },
    },
    {
      name: 'LIST 1,000 of 10,000',
      unit: 'entries',
      work(client, index) {
        const after = nameOf((index * 7919) % (population - 1000))
        const query = `list-type=2&max-keys=1000&prefix=crowd%2F${mode}%2F&start-after=${encodeURIComponent(after)}`
        return listPage(client, benchBucket, query)
      },
    },
  ]
  return cells.flatMap((cell, kind) =>
    connectionCounts.map((connections, at) => ({
      ...cell,
      mode,
      connections,
      name: `${cell.name} from ${connections}`,
      ...(kind === 0 && at === 0
        ? { prepare: (clients) => populate(clients, population, nameOf, mode, () => content) }
        : {}),
    })),
  )
}
