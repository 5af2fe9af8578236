/**
 * Goes over `object/…` and `version/…` side by side: both are in the order of bucket and name, so what belongs to one name
 * comes together without being looked up.
 *
 * @module
 */

import { objectKey, rangeOf, versionKey } from '@strongroom/engine'
import { type Entry, type Snapshot, StorageError } from '@strongroom/storage'
import { entriesOf } from './walk.ts'

export interface Target {
  readonly bucketId: Uint8Array
  readonly name: string
}

export interface VersionEntry {
  readonly entry: Entry
  /** As the key has it. */
  readonly sequence: number
}

/** All that stands under one name. `versions` has to be gone through to its end before the next group is asked for. */
export interface NameGroup extends Target {
  readonly current: Entry | undefined
  /** Newest first. */
  readonly versions: AsyncIterable<VersionEntry>
}

interface Placed extends Target {
  readonly entry: Entry
  readonly sequence: number
}

/** @param onMalformed is told of keys that are no keys of their table */
export async function* nameGroups(
  snapshot: Snapshot,
  onMalformed: (entry: Entry) => Promise<void>,
): AsyncGenerator<NameGroup, void> {
  const objects = placed(snapshot, objectKey.tag, decodeObject, onMalformed)
  const versions = placed(snapshot, versionKey.tag, decodeVersion, onMalformed)
  let object = await next(objects)
  let version = await next(versions)
  while (object || version) {
    const order = !object ? 1 : !version ? -1 : compareTargets(object, version)
    const head = order <= 0 ? object : version
    if (!head) return
    const target = { bucketId: head.bucketId, name: head.name }
    const ofThisName = async function* (): AsyncGenerator<VersionEntry, void> {
      while (version && compareTargets(version, target) === 0) {
        yield version
        version = await next(versions)
      }
    }
    yield { ...target, current: order <= 0 ? object?.entry : undefined, versions: ofThisName() }
    if (order <= 0) object = await next(objects)
  }
}

async function next(placed: AsyncGenerator<Placed, void>): Promise<Placed | undefined> {
  const result = await placed.next()
  return result.done ? undefined : result.value
}

async function* placed(
  snapshot: Snapshot,
  tag: number,
  decode: (entry: Entry) => Placed,
  onMalformed: (entry: Entry) => Promise<void>,
): AsyncGenerator<Placed, void> {
  for await (const entry of entriesOf(snapshot, rangeOf(Buffer.of(tag)))) {
    let decoded: Placed
    try {
      decoded = decode(entry)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      await onMalformed(entry)
      continue
    }
    yield decoded
  }
}

function decodeObject(entry: Entry): Placed {
  const [bucketId, name] = objectKey.decode(entry.key)
  return { bucketId, name, entry, sequence: 0 }
}

function decodeVersion(entry: Entry): Placed {
  const [bucketId, name, sequence] = versionKey.decode(entry.key)
  return { bucketId, name, entry, sequence }
}

/** The order of keys. */
function compareTargets(a: Target, b: Target): number {
  return Buffer.compare(a.bucketId, b.bucketId) || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))
}
