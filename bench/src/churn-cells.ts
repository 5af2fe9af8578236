/**
 * Churn: objects of mixed sizes, overwritten and deleted until the store has turned over many times; the same work is
 * measured before and after. A store whose free space falls into pieces shows it here.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { benchBucket, populate } from './cells.ts'
import { type Client, type EncryptionMode, writeHeaders } from './client.ts'
import type { Cell } from './run-cell.ts'

/** Sizes in turn: most objects are small, some fill a metadata value, a few are files. */
const sizes = [4096, 512, 7000, 4096, 1024, 4096, 65_536, 4096, 2048, 7000]
const objects = 4000
const turnovers = 10

const bodies = sizes.map((bytes): readonly Uint8Array[] => [randomBytes(bytes)])
const bodyOf = (index: number): readonly Uint8Array[] => bodies[index % bodies.length] ?? []

/** The cells of churn, to be run in this order on one server. */
export function churnCells(mode: EncryptionMode): readonly Cell[] {
  const nameOf = (index: number): string => `churn/${mode}/${index % objects}`
  const work = async (client: Client, index: number) => {
    // A stride without a common factor with the number of objects: neighbours do not follow each other.
    const name = nameOf(index * 1237)
    if (index % 4 === 0) await client.send({ method: 'DELETE', bucket: benchBucket, name })
    const body = bodyOf(index)
    await client.send({ method: 'PUT', bucket: benchBucket, name, headers: writeHeaders[mode], body })
    return { bytes: body[0]?.length ?? 0 }
  }
  const cell = (name: string, rounds: number): Cell => ({
    name,
    mode,
    connections: 32,
    unit: 'operations',
    async prepare(clients) {
      for (let round = 0; round < rounds; round += 1) {
        await populate(
          clients,
          objects,
          (index) => nameOf(index * 1237),
          mode,
          (index) => bodyOf(index + round),
        )
      }
    },
    work,
  })
  return [cell('churn, fresh store', 1), cell(`churn, after ${turnovers} turnovers`, turnovers)]
}
