/**
 * The tamper matrix (issue 4 section 1): everything that is stored × every way to tamper with it, on a deployment that is
 * stopped; then everything is read over S3 and checked by fsck. What is observed is compared with what can be detected, and
 * with the page docs/reference/tamper.md, which `npm run matrices` writes.
 *
 * @module
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as engineInspection from '@strongroom/engine'
import { createLog, resolveSettings, ServerError, startServer } from '@strongroom/server'
import type { Entry, MetadataStore } from '@strongroom/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChangeName, changeNames, commitsFor } from '../support/tamper/changes.ts'
import {
  allEntries,
  openDeployment,
  openMetadata,
  RememberingStore,
  restoreEntries,
} from '../support/tamper/deployment.ts'
import { type FileKind, fileChanges, fileKindsOf } from '../support/tamper/files.ts'
import { kindsOf, undetected } from '../support/tamper/kinds.ts'
import { compare, type Observation, observe, probesOf } from '../support/tamper/observe.ts'
import { describeTampering, effectOf, type Row } from '../support/tamper/page.ts'
import { type Populated, populate } from '../support/tamper/populate.ts'

const repository = resolve(import.meta.dirname, '../..')
const pageFile = join(repository, 'docs/reference/tamper.md')

let directory = ''
let metadata: MetadataStore
let populated: Populated
let history: ReadonlyMap<string, readonly Buffer[]>
let whole: ReadonlyMap<string, Entry>
let before: Observation
let probes: Awaited<ReturnType<typeof probesOf>>
const kinds = await kindsOf(repository)
const rows = new Map<string, Map<ChangeName, string>>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-tamper-'))
  metadata = await openMetadata(directory)
  const remembering = new RememberingStore(metadata)
  const deployment = await openDeployment(directory, remembering)
  populated = await populate(deployment)
  probes = await probesOf(deployment, populated)
  await deployment.close()
  history = remembering.history
  await leaveGarbage()
  whole = await allEntries(metadata)
  const opened = await openDeployment(directory, metadata)
  before = await observe(opened, probes)
  await opened.close()
  await restoreEntries(metadata, whole)
}, 120_000)

afterAll(async () => {
  await metadata?.close()
  await rm(directory, { recursive: true, force: true })
})

/** Notes of garbage as a process that died leaves them: the reclaimer has been too quick for there to be any. */
async function leaveGarbage(): Promise<void> {
  const found = await allEntries(metadata)
  for (const tag of ['0c', '0d', '0e']) {
    const notes = [...history].filter(([id]) => id.startsWith(tag) && !found.has(id)).slice(-2)
    const puts = notes.map(([id, values]) => ({ key: Buffer.from(id, 'hex'), value: values.at(-1) ?? Buffer.alloc(0) }))
    await metadata.commit({ puts })
  }
}

/**
 * Entries of a kind in the order in which they were first written: ids are random, and with them the order of keys. Of
 * accounts the last comes first: it is the one whose key is asked with.
 */
function entriesOf(tag: string): Entry[] {
  const ids = [...history.keys()].filter((id) => id.startsWith(tag))
  if (tag.startsWith('6')) ids.reverse()
  return ids.flatMap((id) => {
    const entry = whole.get(id)
    return entry ? [entry] : []
  })
}

const historyOf = (tag: string) => new Map([...history].filter(([id]) => id.startsWith(tag)))

function note(kind: string, change: ChangeName, effect: string): void {
  const row = rows.get(kind) ?? new Map<ChangeName, string>()
  rows.set(kind, row.set(change, effect))
}

/** Opens what was tampered with, reads everything, and says what came of it. */
async function look(): Promise<string> {
  let after: Observation
  try {
    const deployment = await openDeployment(directory, metadata)
    try {
      after = await observe(deployment, probes)
    } finally {
      await deployment.close()
    }
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    return 'S'
  }
  const comparison = compare(before, after, populated.written)
  expect(comparison.foreign).toEqual([])
  return effectOf(comparison, after)
}

/** What all the ways of one change have in common: a change is detected if every way is. */
function inCommon(effects: readonly string[]): string {
  const [first = '', ...others] = effects
  const common = [...first].filter((sign) => others.every((each) => each.includes(sign)))
  // Which of several signs of detection it is may differ from way to way.
  const isSeen = effects.every((each) => /[SRF]/.test(each))
  return common.join('') || (isSeen ? 'D' : '')
}

describe('what was tampered with', () => {
  it('is whole before', () => {
    expect(before.findings).toEqual([])
    expect([...before.shown].filter(([name, { isRefused }]) => isRefused && !/^tagging of/.test(name))).toEqual([])
  })

  it('is of every kind there is', () => {
    const tags = new Set(kinds.map(({ tag }) => tag))
    const tables = Object.values(engineInspection).flatMap((each) =>
      typeof each === 'object' && each !== null && 'tag' in each && 'encode' in each ? [Number(each.tag)] : [],
    )
    expect(tables.filter((tag) => !tags.has(tag.toString(16).padStart(2, '0')))).toEqual([])
    const stored = new Set([...whole.keys()].map((id) => id.slice(0, 2)))
    const missing = kinds.filter(({ tag, isCounter }) => !isCounter && !stored.has(tag))
    expect(missing.map(({ name }) => name)).toEqual([])
    expect([...stored].filter((tag) => !tags.has(tag))).toEqual([])
  })

  it.each(kinds.filter(({ isCounter }) => !isCounter).map(({ name, tag }) => [name, tag] as const))(
    '%s: a change is detected, or the page says why not',
    async (name, tag) => {
      const entries = entriesOf(tag)
      const entry = entries[0]
      if (!entry) throw new Error('there is no entry of this kind')
      const kind = { entries, history: historyOf(tag) }
      for (const change of changeNames) {
        const effects: string[] = []
        for (const commit of commitsFor(change, entry, kind)) {
          await metadata.commit(commit)
          effects.push(await look())
          await restoreEntries(metadata, whole)
        }
        note(name, change, effects.length === 0 ? '·' : inCommon(effects))
      }
    },
    120_000,
  )

  it.each(kinds.filter(({ isCounter }) => isCounter).map(({ name, tag }) => [name, tag] as const))(
    '%s: a change is detected',
    async (name, tag) => {
      const keys = await engineCounters(tag)
      expect(keys.length).toBeGreaterThan(0)
      for (const change of changeNames) note(name, change, '·')
      const [key = Buffer.alloc(0)] = keys
      await metadata.commit({ adds: [{ key, delta: 1 }] })
      note(name, 'flip', await look())
      await metadata.commit({ adds: [{ key, delta: -1 }] })
      await restoreEntries(metadata, whole)
    },
    60_000,
  )

  const fileKinds: readonly FileKind[] = fileKindsOf()

  it.each(fileKinds.map((kind) => [kind.name, kind] as const))(
    '%s: a change is detected, or the page says why not',
    async (name, kind) => {
      for (const change of changeNames) {
        const effects: string[] = []
        for await (const undo of fileChanges(change, kind, directory)) {
          effects.push(await look())
          await restoreEntries(metadata, whole)
          await undo()
        }
        note(name, change, effects.length === 0 ? '·' : inCommon(effects))
      }
    },
    120_000,
  )

  it('the format stamps: a change is refused at the start', async () => {
    for (const [name, file] of Object.entries(stampFiles)) {
      for (const change of changeNames) {
        const effects = await startsWith(change, file)
        note(name, change, effects.length === 0 ? '·' : inCommon(effects))
      }
    }
  }, 120_000)

  it('is detected but for what is listed, with the reason', () => {
    const silent = [...rows].flatMap(([kind, row]) =>
      [...row].filter(([, effect]) => !/[SRFD·]/.test(effect)).map(([change]) => `${kind}: ${change}`),
    )
    expect(silent.sort()).toEqual(Object.keys(undetected).sort())
  })

  it('the page says what was observed', async () => {
    const all: Row[] = [...rows].map(([kind, effects]) => ({ kind, effects }))
    const page = describeTampering(all)
    if (process.env.STRONGROOM_WRITE_MATRICES === 'on') await writeFile(pageFile, page)
    expect(await readFile(pageFile, 'utf8')).toBe(page)
  })
})

const stampFiles = { 'format stamp': 'strongroom.json', 'format stamp of the metadata': 'metadata/strongroom.json' }

/** Starts the real server on a directory of its own whose stamp was changed: refused, or as ever. */
async function startsWith(change: ChangeName, file: string): Promise<string[]> {
  const effects: string[] = []
  const root = await mkdtemp(join(tmpdir(), 'strongroom-stamp-'))
  const start = async () => {
    const args = ['--data', root, '--address', '127.0.0.1:0']
    const { settings } = resolveSettings({ args, environment: {}, readTextFile: () => undefined })
    const log = createLog({ level: 'silent', format: 'json', write: () => {} })
    await (await startServer(settings, { version: '0', log })).stop()
  }
  try {
    await start()
    const path = join(root, file)
    const kind: FileKind = { name: 'stamp', files: async () => [path] }
    for await (const undo of fileChanges(change, kind, root)) {
      effects.push(
        await start().then(
          () => '',
          (error: unknown) => (error instanceof ServerError ? 'S' : ''),
        ),
      )
      await undo()
    }
    return effects
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** Keys of counters that are not zero. */
async function engineCounters(tag: string): Promise<Buffer[]> {
  const { bucketCountKey, keyCountKey } = engineInspection
  const snapshot = metadata.snapshot()
  try {
    const buckets = entriesOf('03').map(({ key }) => Buffer.from(key).subarray(1))
    const keyIds = entriesOf('10').map(({ key }) => Buffer.from(key).subarray(1))
    const candidates =
      tag === '14'
        ? buckets.map((bucket) => bucketCountKey.encode(bucket, 0))
        : buckets.flatMap((bucket) => keyIds.map((key) => keyCountKey.encode(key, 1, bucket, 0)))
    const found: Buffer[] = []
    for (const key of candidates) if ((await snapshot.counter(key)) > 0) found.push(Buffer.from(key))
    return found
  } finally {
    snapshot.release()
  }
}
