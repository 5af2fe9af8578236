/**
 * Checks what one version of an object refers to: its details, its key, its stored bytes.
 *
 * @module
 */

import { formatId, type ObjectVersion, tableKey } from '@strongroom/engine'
import { checkKeyOf, checkOverflow, checkStream, type HolderEntry } from './check-details.ts'
import type { Inspection } from './inspection.ts'
import { type ManifestData, readTable } from './stored-table.ts'

/** Tables that were looked at: copies share them, and what is missing is told once. Forgotten when there are too many. */
const maxRemembered = 10_000

export class VersionCheck {
  readonly #inspection: Inspection
  readonly #rightTables = new Set<string>()

  constructor(inspection: Inspection) {
    this.#inspection = inspection
  }

  /** See the module's comment. */
  async check(holder: HolderEntry, record: ObjectVersion): Promise<void> {
    const { data, sizeBytes, overflow, envelope } = record
    const { place } = holder
    if (overflow) await checkOverflow(this.#inspection, place, overflow)
    await checkKeyOf(this.#inspection, place, envelope)
    if (data.kind === 'manifest') return this.#checkTable(holder, data, sizeBytes)
    if ((data.kind === 'none') !== (sizeBytes === 0)) {
      const problem = `the record says ${sizeBytes} bytes and names ${data.kind === 'none' ? 'no' : 'stored'} data`
      await this.#inspection.found({ kind: 'wrong-size', place, problem })
    } else if (data.kind === 'single') {
      await this.#inspection.pool.add(() => checkStream(this.#inspection, holder, data, sizeBytes))
    }
  }

  async #checkTable(holder: HolderEntry, data: ManifestData, sizeBytes: number): Promise<void> {
    const inspection = this.#inspection
    const { snapshot } = inspection
    const id = formatId(data.id)
    if (!(await snapshot.get(tableKey.encode(data.id)))) inspection.unrecordedTables.add(id)
    const known = `${id}${formatId(data.tableDigest)}${data.chunkCount}/${data.partCount}/${sizeBytes}`
    if (this.#rightTables.has(known)) return
    const table = await readTable(inspection, snapshot, data, sizeBytes)
    if ('problem' in table) {
      inspection.wrongTables.add(id)
      await inspection.found({ kind: 'part-table', place: { ...holder.place, id }, problem: table.problem })
      return
    }
    for (const part of table.parts) {
      const place = { ...holder.place, partNumber: part.number }
      for (const segment of part.segments) {
        await inspection.pool.add(() => checkStream(inspection, { ...holder, place }, segment, segment.sizeBytes))
      }
    }
    if (this.#rightTables.size >= maxRemembered) this.#rightTables.clear()
    this.#rightTables.add(known)
  }
}
