/**
 * Finding what to damage in a populated deployment.
 *
 * @module
 */

import {
  bucketNameKey,
  decodeObjectRecord,
  encodeGarbageRecord,
  type ObjectVersion,
  objectKey,
  versionKey,
} from '@strongroom/engine'
import type { Entry } from '@strongroom/storage'
import type { FindingKind } from './findings.ts'
import type { TestDeployment } from './test-deployment.fixture.ts'

export interface Damage {
  readonly does: string
  readonly finds: readonly FindingKind[]
  readonly damage: (store: Store) => Promise<unknown>
  /** Words of the finding. */
  readonly says?: string
}

/** A garbage record of a blob or table. */
export const garbage = (): Buffer => encodeGarbageRecord({ sinceMs: 1, includedParts: new Uint8Array(0) })

/** Looks things up by the names that people know. */
export class Store {
  readonly test: TestDeployment

  constructor(test: TestDeployment) {
    this.test = test
  }

  /** The current record of a name that only one bucket has. */
  current(name: string): Promise<Entry> {
    return this.test.entry(objectKey.tag, ({ key }) => objectKey.decode(key)[1] === name)
  }

  async objectOf(name: string): Promise<ObjectVersion> {
    const record = decodeObjectRecord(this.test.records.open(await this.current(name)))
    if (record.kind !== 'object') throw new Error('a delete marker')
    return record
  }

  async blobIdOf(name: string): Promise<Buffer> {
    const { data } = await this.objectOf(name)
    if (data.kind !== 'single') throw new Error('not a single stream')
    return Buffer.from(data.blobId)
  }

  async tableIdOf(name: string): Promise<Buffer> {
    const { data } = await this.objectOf(name)
    if (data.kind !== 'manifest') throw new Error('no part table')
    return Buffer.from(data.id)
  }

  /** A version of a name that only one bucket has; 0 is the newest. */
  async versionOf(name: string, index: number): Promise<Entry> {
    const versions = (await this.test.entries(versionKey.tag)).filter(({ key }) => versionKey.decode(key)[1] === name)
    const entry = versions[index]
    if (!entry) throw new Error('no such version')
    return entry
  }

  entryAt(key: Uint8Array): Promise<Entry> {
    return this.test.entry(key[0] ?? 0, (entry) => Buffer.compare(entry.key, key) === 0)
  }

  async bucketIdOf(name: string): Promise<Buffer> {
    return Buffer.from((await this.entryAt(bucketNameKey.encode(name))).value)
  }
}
