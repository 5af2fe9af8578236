/**
 * Phase `objects`: every name's current version against its versions, and what each version refers to. Where one of the two
 * records of a version is lost, the other says what it was.
 *
 * @module
 */

import {
  bucketCountKey,
  bucketCounts,
  decodeObjectRecord,
  encodeObjectRecord,
  formatId,
  formatVersionId,
  type ObjectRecord,
  versionOf,
} from '@strongroom/engine'
import type { Entry, Snapshot } from '@strongroom/storage'
import { VersionCheck } from './check-version.ts'
import type { Place } from './findings.ts'
import type { Inspection } from './inspection.ts'
import { type NameGroup, nameGroups, type Target } from './name-groups.ts'
import { correctNull, rebuildCurrent, restoreVersion } from './repair-versions.ts'

/** See the module's comment. */
export async function checkObjects(inspection: Inspection): Promise<void> {
  const versions = new VersionCheck(inspection)
  const onMalformed = async (entry: Entry) => {
    const problem = 'not formed as keys of this table are'
    await inspection.found({ kind: 'unknown-key', place: inspection.placeOf(entry), problem })
    inspection.conceal()
  }
  let bucketId: Uint8Array | undefined
  for await (const group of nameGroups(inspection.snapshot, onMalformed)) {
    if (!bucketId || Buffer.compare(bucketId, group.bucketId) !== 0) {
      bucketId = group.bucketId
      await checkBucketOf(inspection, bucketId)
    }
    await new NameCheck(inspection, versions, group).run()
  }
}

/** What the buckets' counters say there is: for showing how far a check has come. */
export async function estimateVersions(inspection: Inspection, snapshot: Snapshot): Promise<number> {
  let total = 0
  for (const id of inspection.buckets.keys()) {
    const bucketId = Buffer.from(id, 'hex')
    for (const what of ['objects', 'versions'] as const) {
      total += await snapshot.counter(bucketCountKey.encode(bucketId, bucketCounts.indexOf(what)))
    }
  }
  return total
}

/** The bucket of objects or uploads has a record. One that does not open is a finding of its own. */
export async function checkBucketOf(inspection: Inspection, bucketId: Uint8Array): Promise<void> {
  if (await inspection.hasBucketRecord(bucketId)) return
  const place = { bucket: formatId(bucketId) }
  await inspection.found({ kind: 'bucket-missing', place, problem: 'there are objects or uploads, and no such bucket' })
}

type Opened = ObjectRecord | 'damaged' | undefined

/** Goes over one name. */
class NameCheck {
  readonly #inspection: Inspection
  readonly #versionCheck: VersionCheck
  readonly #group: NameGroup
  readonly #target: Target
  readonly #place: Place
  #current: Opened
  #newest: { readonly entry: Entry; readonly sequence: number; readonly record: Opened } | undefined
  #nullSequences: number[] = []
  readonly #damagedSequences = new Set<number>()
  #hasVersionOfCurrent = false

  constructor(inspection: Inspection, versionCheck: VersionCheck, group: NameGroup) {
    this.#inspection = inspection
    this.#versionCheck = versionCheck
    this.#group = group
    this.#target = { bucketId: group.bucketId, name: group.name }
    this.#place = { table: 'object', bucket: inspection.bucketName(group.bucketId), name: group.name }
  }

  async run(): Promise<void> {
    const { current } = this.#group
    this.#current = current && (this.#inspection.tryOpen(current, decodeObjectRecord) ?? 'damaged')
    if (current) this.#look('objects')
    for await (const { entry, sequence } of this.#group.versions) await this.#checkVersion(entry, sequence)
    await this.#checkCurrent()
  }

  #look(what: string): void {
    this.#inspection.count(what)
    this.#inspection.progress(1)
  }

  async #checkVersion(entry: Entry, sequence: number): Promise<void> {
    this.#look('versions')
    const record = this.#inspection.tryOpen(entry, decodeObjectRecord)
    this.#newest ??= { entry, sequence, record: record ?? 'damaged' }
    const current = this.#current
    const isCurrent =
      current !== undefined && current !== 'damaged' && current.sequence === sequence && current.inVersions
    if (isCurrent) this.#hasVersionOfCurrent = true
    if (!record) {
      this.#damagedSequences.add(sequence)
      const repair = isCurrent
        ? restoreVersion(this.#inspection, this.#target, this.#group.current, sequence, entry)
        : undefined
      await this.#inspection.open(entry, decodeObjectRecord, repair ? { repair } : {})
      return
    }
    const place = { ...this.#place, table: 'version', versionId: formatVersionId(record) }
    if (record.isNull) this.#nullSequences.push(sequence)
    if (record.sequence !== sequence || !record.inVersions || record.nullSequence !== undefined) {
      await this.#inspection.found({ kind: 'current-version', place, problem: 'the record is not one of this place' })
    } else if (isCurrent && !encodeObjectRecord(versionOf(current)).equals(encodeObjectRecord(record))) {
      await this.#inspection.found({ kind: 'current-version', place, problem: 'its two records differ' })
    }
    if (record.kind === 'object') await this.#versionCheck.check({ entry, place }, record)
  }

  async #checkCurrent(): Promise<void> {
    const { current: entry } = this.#group
    const current = this.#current
    const newest = this.#newest
    if (current === 'damaged' && entry) {
      // With versions, the newest of them is what was current.
      const repair =
        newest && newest.record !== 'damaged'
          ? rebuildCurrent(this.#inspection, this.#target, entry, newest.entry)
          : undefined
      await this.#inspection.open(entry, decodeObjectRecord, repair ? { repair } : {})
      return
    }
    if (!entry || !current || current === 'damaged') return this.#foundStale('there is no current version', undefined)
    if (!current.inVersions) return this.#checkAlone(entry, current)
    if (newest && newest.sequence > current.sequence) return this.#foundStale('a newer version is there', entry)
    if (!this.#hasVersionOfCurrent) {
      await this.#inspection.found({
        kind: 'current-version',
        place: { ...this.#place, versionId: formatVersionId(current) },
        problem: 'the record among the versions is missing',
        repair: restoreVersion(this.#inspection, this.#target, entry, current.sequence, undefined),
      })
    }
    await this.#checkNull(entry, current)
  }

  /** A version from before versioning was enabled stands alone. */
  async #checkAlone(entry: Entry, current: ObjectRecord): Promise<void> {
    if (this.#newest) {
      const problem = 'the current version says that there are no others'
      await this.#inspection.found({ kind: 'current-version', place: this.#place, problem })
    }
    if (current.kind === 'object') await this.#versionCheck.check({ entry, place: this.#place }, current)
  }

  async #checkNull(entry: Entry, current: ObjectRecord): Promise<void> {
    const others = this.#nullSequences.filter((sequence) => sequence !== current.sequence)
    const isOne = this.#nullSequences.length <= 1
    if (isOne && others[0] === current.nullSequence) return
    // That it is damaged has been told.
    if (current.nullSequence !== undefined && this.#damagedSequences.has(current.nullSequence)) return
    const problem = isOne ? 'the null version is not where the current one says' : 'there are several null versions'
    const repair = isOne ? correctNull(this.#inspection, this.#target, entry) : undefined
    const found = { kind: 'current-version', place: this.#place, problem } as const
    await this.#inspection.found(repair ? { ...found, repair } : found)
  }

  async #foundStale(problem: string, entry: Entry | undefined): Promise<void> {
    const newest = this.#newest
    // A damaged newest version may have been the current one; that it is damaged has been told.
    if (newest?.record === 'damaged') return
    const repair = newest ? rebuildCurrent(this.#inspection, this.#target, entry, newest.entry) : undefined
    await this.#inspection.found({
      kind: 'current-version',
      place: this.#place,
      problem,
      ...(repair ? { repair } : undefined),
    })
  }
}
