/**
 * Random requests, alone and side by side, against a model of S3 in memory (issue 4 section 1): everything visible is
 * compared. Over the engine for volume, over the network for a share. `npm run model -- --operations N [--seed S]` for more.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { RecordSealer } from '@strongroom/crypto'
import { createEngine, type Engine } from '@strongroom/engine'
import { KeyService, MemoryKeyStore } from '@strongroom/kms'
import { fsck } from '@strongroom/maintenance'
import { errorEntry } from '@strongroom/s3'
import { JitteryMetadataStore, MemoryBlobStore } from '@strongroom/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EnginePort } from '../support/model/engine-port.ts'
import { type Batch, Difference, drawBatches, Episode } from '../support/model/episode.ts'
import { HttpPort } from '../support/model/http-port.ts'
import { keys } from '../support/model/requests.ts'
import { shrink } from '../support/model/shrink.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const requester = { accountId: '100000000001', isRootAccount: true } as const
const batchesPerEpisode = 300

/** Set by `npm run model`; without them the test is time-boxed. */
const wanted = Number(process.env.STRONGROOM_MODEL_OPERATIONS ?? 0)
const firstSeed = Number(process.env.STRONGROOM_MODEL_SEED ?? randomBytes(4).readUInt32LE())
const boxMs = { engine: 7_000, network: 4_000 } as const
/** The share of the requests of a long run that goes over the network. */
const networkShare = 0.05
const isLong = wanted > 0
const testMs = isLong ? 24 * 3_600_000 : 120_000

const statusOf = (code: string): number => errorEntry(code)?.status ?? 0

/** A run over an engine of its own. Resolves with the number of requests. @throws Difference */
async function runOnEngine(
  seed: number,
  batches: readonly Batch[],
  plant: (engine: Engine) => Engine = (engine) => engine,
): Promise<number> {
  const defaultEncryption = seed % 3 === 0 ? 'none' : 'sse-s3'
  const metadata = new JitteryMetadataStore(seed, { isCalm: true })
  const plainDataKeys = { currentId: 1, keys: new Map([[1, randomBytes(32)]]) }
  const stores = {
    metadata,
    blobs: new MemoryBlobStore(),
    kms: new KeyService(new MemoryKeyStore()),
    recordSealer: new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) }),
    plainDataKeys,
  }
  const engine = await createEngine({
    ...stores,
    rootAccountId: requester.accountId,
    region: 'us-east-1',
    defaultKey: keys.standard,
    defaultEncryption,
    // Small contents as blobs, too.
    ...(seed % 2 === 0 ? { inlineLimitBytes: 100 } : {}),
  })
  try {
    for (const name of keys.others) await engine.createKey({ requester, name })
    const onCrowd = (isCrowded: boolean) => {
      metadata.isCalm = !isCrowded
    }
    const episode = new Episode(new EnginePort(plant(engine), requester), {
      bucketNames: ['first', 'second', 'third'],
      hasLarge: seed % 6 === 0,
      defaultEncryption,
      statusOf,
      uploadsKeepBucket: true,
      onCrowd,
    })
    await episode.run(batches)
    await engine.idle()
    const report = await fsck({ ...stores, verifyData: true, now: Date.now, random: randomBytes })
    if (report.findings.length > 0) throw new Difference(`fsck: ${JSON.stringify(report.findings)}`, episode.trace)
    await episode.removeAll()
    return episode.requests
  } finally {
    await engine.close()
    await stores.kms.close()
  }
}

async function tried(
  seed: number,
  batches: readonly Batch[],
  plant?: (engine: Engine) => Engine,
): Promise<Difference | undefined> {
  try {
    await runOnEngine(seed, batches, plant)
    return undefined
  } catch (error) {
    if (error instanceof Difference) return error
    throw error
  }
}

/** Ends the test with the smallest trace that shows the difference. */
async function failWith(seed: number, batches: readonly Batch[], difference: Difference): Promise<never> {
  const untilMs = Date.now() + (isLong ? 300_000 : 45_000)
  const smallest = await shrink({ batches, difference }, (fewer) => tried(seed, fewer), { tries: 400, untilMs })
  throw new Error(
    `seed ${seed}: ${smallest.difference.message}\nafter\n${smallest.difference.trace.join('\n')}\n` +
      `(${smallest.batches.length} of ${batches.length} batches are left)`,
  )
}

/** Episodes until a number of requests, or a time, is reached. */
async function episodes(
  requests: number,
  milliseconds: number,
  run: (seed: number) => Promise<number>,
): Promise<number> {
  const untilMs = Date.now() + milliseconds
  let done = 0
  const isOver = () => (isLong ? done >= requests : Date.now() >= untilMs)
  for (let seed = firstSeed; !isOver(); seed = (seed + 1) >>> 0) {
    const before = done
    done += await run(seed)
    if (isLong && Math.floor(before / 10_000) < Math.floor(done / 10_000)) console.log(`${done} requests`)
  }
  return done
}

/** An engine with another method in the place of one. */
const withMethod =
  <K extends keyof Engine>(name: K, method: (engine: Engine) => Engine[K]) =>
  (engine: Engine): Engine =>
    new Proxy(engine, {
      get: (target, key) => {
        if (key === name) return method(engine)
        const own: unknown = Reflect.get(target, key)
        return typeof own === 'function' ? own.bind(engine) : own
      },
    })

/** Mistakes that a server could make. */
const mistakes: Readonly<Record<string, (engine: Engine) => Engine>> = {
  'forgets the conditions of a PUT': withMethod('putObject', (engine) => (input) => {
    const { conditions: _, ...rest } = input
    return engine.putObject(rest)
  }),
  'writes one layer where two were asked for': withMethod('putObject', (engine) => (input) => {
    const { encryption } = input
    return engine.putObject({
      ...input,
      encryption: encryption.mode === 'dsse-kms' ? { ...encryption, mode: 'sse-kms' } : encryption,
    })
  }),
  'leaves out the last name of a full page': withMethod('listObjects', (engine) => async (input) => {
    const page = await engine.listObjects(input)
    return page.truncated && page.items.length > 1
      ? { ...page, items: page.items.slice(0, -1), truncated: false }
      : page
  }),
  'deletes the current version in the place of the one that is named': withMethod(
    'deleteObject',
    (engine) => (input) => {
      const { versionId: _, ...rest } = input
      return engine.deleteObject(rest)
    },
  ),
  'reads one byte too few of a range': withMethod('getObject', (engine) => (input) => {
    const { range } = input
    const isBounded = range !== undefined && 'first' in range && range.last !== undefined && range.last > range.first
    return engine.getObject(
      isBounded ? { ...input, range: { first: range.first, last: (range.last ?? 1) - 1 } } : input,
    )
  }),
  'copies the old tags where new ones are given': withMethod('copyObject', (engine) => (input) => {
    const { tags: _, ...rest } = input
    return engine.copyObject(rest)
  }),
}

describe('the model', () => {
  it.each(Object.keys(mistakes))(
    'notices a server that %s',
    async (name) => {
      for (let seed = 1; seed < 6; seed += 1) {
        if (await tried(seed, drawBatches(seed, 150), mistakes[name])) return
      }
      expect.unreachable('nothing was noticed')
    },
    60_000,
  )

  it('agrees with the engine on everything visible', { timeout: testMs }, async () => {
    const done = await episodes(wanted * (1 - networkShare), boxMs.engine, async (seed) => {
      const batches = drawBatches(seed, batchesPerEpisode)
      try {
        return await runOnEngine(seed, batches)
      } catch (error) {
        if (error instanceof Difference) return await failWith(seed, batches, error)
        throw error
      }
    })
    console.log(`${done} requests to the engine, from seed ${firstSeed}`)
    expect(done).toBeGreaterThan(0)
  })
})

describe('the model, over the network', () => {
  let server: TestServer

  beforeAll(async () => {
    server = await startServer({ defaultKey: keys.standard })
    for (const name of keys.others) {
      await server.engine.createKey({
        requester: { accountId: server.accounts.rootAccountId, isRootAccount: true },
        name,
      })
    }
  })

  afterAll(async () => {
    await server?.stop()
  })

  it('agrees with the server on everything visible', { timeout: testMs }, async () => {
    const done = await episodes(wanted * networkShare, boxMs.network, async (seed) => {
      const bucketNames = ['first', 'second', 'third'].map((name) => `${name}-${seed}`)
      const options = {
        bucketNames,
        hasLarge: seed % 6 === 0,
        defaultEncryption: 'sse-s3',
        statusOf,
        uploadsKeepBucket: false,
      } as const
      const episode = new Episode(new HttpPort(server), options)
      try {
        await episode.run(drawBatches(seed, isLong ? batchesPerEpisode : batchesPerEpisode / 3))
        await episode.removeAll()
        return episode.requests
      } catch (error) {
        if (!(error instanceof Difference)) throw error
        throw new Error(`seed ${seed}: ${error.message}\nafter\n${error.trace.join('\n')}`)
      }
    })
    console.log(`${done} requests over the network, from seed ${firstSeed}`)
    expect(done).toBeGreaterThan(0)
    expect(server.faults).toEqual([])
    expect((await server.fsck()).findings).toEqual([])
  })
})
