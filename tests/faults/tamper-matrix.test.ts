/**
 * The tamper matrix (issue 4 section 1): everything that is stored × every way to tamper with it, on a deployment that is
 * stopped; then everything is read over S3 and checked by fsck. What is observed is compared with what can be detected, and
 * with the page docs/reference/tamper.md, which `npm run matrices` writes. That command makes each change in every way that there
 * is (`--check`: and writes nothing); `npm test` makes each in one way, and asks whether the page agrees.
 *
 * @module
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as engineInspection from '@strongroom/engine'
import { createLog, resolveSettings, ServerError, startServer } from '@strongroom/server'
import type { Commit, Entry, MetadataStore } from '@strongroom/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ChangeName, changeNames, commitsFor } from '../support/tamper/changes.ts'
import {
  allEntries,
  openDeployment,
  openMetadata,
  RememberingStore,
  restoreEntries,
} from '../support/tamper/deployment.ts'
import { type FileKind, fileChanges, fileKindsOf, filesOf } from '../support/tamper/files.ts'
import { kindsOf, undetected } from '../support/tamper/kinds.ts'
import { compare, type Observation, observe, probesOf } from '../support/tamper/observe.ts'
import { cellsOf, describeTampering, effectOf, inCommon, isConsistent, type Row } from '../support/tamper/page.ts'
import { dualNames, type Populated, populate } from '../support/tamper/populate.ts'
import { type DualObject, dualObject, forget, innerChanges } from '../support/tamper/two-layers.ts'

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
const isWritten = process.env.STRONGROOM_WRITE_MATRICES === 'on'
const isWhole = isWritten || process.env.STRONGROOM_WHOLE_MATRICES === 'on'
/** Two objects in two layers of each kind: what is done to the first of them. */
let duals: Readonly<Record<keyof typeof dualNames, readonly [DualObject, DualObject]>>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-tamper-'))
  metadata = await openMetadata(directory)
  const remembering = new RememberingStore(metadata)
  const deployment = await openDeployment(directory, remembering)
  populated = await populate(deployment)
  probes = await probesOf(deployment, populated)
  const plain = await deployment.engine.bucket('plain')
  const find = async ([first, second]: readonly [string, string]) =>
    [await dualObject(deployment, plain, first), await dualObject(deployment, plain, second)] as const
  duals = { inline: await find(dualNames.inline), blob: await find(dualNames.blob) }
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
  if (duals) forget(...duals.inline, ...duals.blob)
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
 * Entries of a kind in the order in which they were first written: ids are random, and with them the order of keys. Those
 * that had other values before come first. Of accounts the last comes first: it is the one whose key is asked with.
 */
function entriesOf(tag: string): Entry[] {
  const ids = [...history.keys()].filter((id) => id.startsWith(tag))
  if (tag.startsWith('6')) ids.reverse()
  const isChanged = (id: string) => new Set(history.get(id)?.map((value) => value.toString('hex'))).size > 1
  return [...ids.filter(isChanged), ...ids.filter((id) => !isChanged(id))].flatMap((id) => {
    const entry = whole.get(id)
    return entry ? [entry] : []
  })
}

/** Entries of the kind that these are of, with these first. */
function entriesFrom(...firstKeys: readonly Buffer[]): Entry[] {
  const isFirst = ({ key }: Entry) => firstKeys.some((each) => Buffer.compare(each, key) === 0)
  const all = entriesOf(firstKeys[0]?.subarray(0, 1).toString('hex') ?? '')
  return [...all.filter(isFirst), ...all.filter((entry) => !isFirst(entry))]
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

/**
 * Makes all changes to the first of some entries, each in one way or in all, and notes what comes of them.
 *
 * @param isOne only what is about that entry
 */
async function tamperWith(name: string, entries: readonly Entry[], isOne = false): Promise<void> {
  const entry = entries[0]
  if (!entry) throw new Error('there is no entry of this kind')
  const kind = { entries, history: historyOf(Buffer.from(entry.key).subarray(0, 1).toString('hex')) }
  for (const change of changeNames) {
    const commits = commitsFor(change, entry, kind)
    await apply(name, change, isOne ? commits.slice(0, aboutOne[change]) : commits)
  }
}

/** How many ways of a change are about the one entry: the others are about its kind. */
const aboutOne: Readonly<Partial<Record<ChangeName, number>>> = { 'put back': 0, 'older value': 1 }

async function apply(name: string, change: ChangeName, commits: readonly Commit[]): Promise<void> {
  const effects: string[] = []
  for (const commit of isWhole ? commits : commits.slice(0, 1)) {
    await metadata.commit(commit)
    effects.push(await look())
    await restoreEntries(metadata, whole)
  }
  note(name, change, effects.length === 0 ? '·' : inCommon(effects))
}

async function tamperWithFiles(name: string, kind: FileKind): Promise<void> {
  for (const change of changeNames) {
    const effects: string[] = []
    for await (const undo of fileChanges(change, kind, directory)) {
      if (isWhole || effects.length === 0) effects.push(await look())
      await restoreEntries(metadata, whole)
      await undo()
    }
    note(name, change, effects.length === 0 ? '·' : inCommon(effects))
  }
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
    (name, tag) => tamperWith(name, entriesOf(tag)),
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
    (name, kind) => tamperWithFiles(name, kind),
    120_000,
  )

  it('an object in two layers: a change of its record, its data or its blob is detected', async () => {
    const { inline, blob } = duals
    await tamperWith('object in two layers', entriesFrom(inline[0].objectEntry, inline[1].objectEntry), true)
    await tamperWith('data in two layers', entriesFrom(inline[0].dataEntry, inline[1].dataEntry), true)
    const files = filesOf(blob.map(({ blobId }) => blobId))
    await tamperWithFiles('blob file in two layers', { name: 'in two layers', files, isStream: true })
  }, 120_000)

  it('the inner of two layers: a change is detected, with the outer one sealed over it anew', async () => {
    const [inline, otherInline] = duals.inline
    const [entry, other] = entriesFrom(inline.dataEntry, otherInline.dataEntry)
    if (!entry || !other) throw new Error('there is no data in two layers')
    const sealed = Buffer.from(entry.value)
    for (const change of changeNames) {
      const values = innerChanges(change, inline, sealed, { dual: otherInline, sealed: Buffer.from(other.value) })
      await apply(
        'inner layer of data',
        change,
        values.map((value) => ({ puts: [{ key: entry.key, value }] })),
      )
    }
    const [blob, otherBlob] = duals.blob
    await tamperWithFiles('inner layer of a blob file', {
      name: 'inner layer',
      files: filesOf([blob.blobId, otherBlob.blobId]),
      changed: (change, content, otherContent) =>
        innerChanges(change, blob, content, { dual: otherBlob, sealed: otherContent }),
    })
  }, 120_000)

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
    const listed = Object.keys(undetected)
    if (isWhole) expect(silent.sort()).toEqual(listed.sort())
    else expect(silent.filter((cell) => !listed.includes(cell))).toEqual([])
  })

  it('the page says what was observed', async () => {
    const all: Row[] = [...rows].map(([kind, effects]) => ({ kind, effects }))
    const page = describeTampering(all)
    if (isWritten) await writeFile(pageFile, page)
    const written = await readFile(pageFile, 'utf8')
    if (isWhole) return expect(written).toBe(page)
    const cells = cellsOf(written)
    expect([...cells.keys()]).toEqual([...rows.keys()])
    const wrong = [...rows].flatMap(([kind, row]) =>
      [...row].flatMap(([change, effect]) => {
        const cell = cells.get(kind)?.get(change) ?? ''
        return isConsistent(cell, effect) ? [] : [`${kind}, ${change}: ${cell} on the page, now ${effect}`]
      }),
    )
    expect(wrong).toEqual([])
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
      if (isWhole || effects.length === 0) {
        effects.push(
          await start().then(
            () => '',
            (error: unknown) => (error instanceof ServerError ? 'S' : ''),
          ),
        )
      }
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
