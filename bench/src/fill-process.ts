/**
 * Fills a data directory whose server is stopped: a program of its own, on the runtime of the server, which puts objects
 * through the engine in process. They pass through the same code and leave the same records as those put over HTTP; what is
 * left out is TLS, HTTP and signatures. Takes a {@link FillPlan} as JSON, and says how far it is in lines of JSON.
 *
 * @module
 */
import { createLog, resolveSettings, startServer } from '@strongroom/server'
import type { EncryptionMode } from './client.ts'
import { bucketName, bucketOfObject, type FillPlan, type FillProgress, nameOfObject } from './fill-plan.ts'

/** So many that every commit of a group is there when the group before it has been written. */
const concurrency = 512

const say = (progress: FillProgress): void => {
  process.stdout.write(`${JSON.stringify(progress)}\n`)
}

/** Modes that need no key of a client's. */
const requests: Readonly<Partial<Record<EncryptionMode, { readonly mode: 'default' | 'sse-s3' | 'sse-kms' }>>> = {
  none: { mode: 'default' },
  'sse-s3': { mode: 'sse-s3' },
  'sse-kms': { mode: 'sse-kms' },
}

async function fill(plan: FillPlan): Promise<void> {
  const { settings } = resolveSettings({
    args: [],
    environment: {},
    readTextFile: () => undefined,
    defaults: { data: plan.data, address: '127.0.0.1:0', defaultEncryption: 'none' },
  })
  const log = createLog({ level: 'error', format: 'text', write: (line) => process.stderr.write(line) })
  const server = await startServer(settings, { version: 'bench', log })
  try {
    await putObjects(plan, server.deployment)
  } finally {
    await server.stop()
  }
}

type Deployment = Awaited<ReturnType<typeof startServer>>['deployment']

async function putObjects(plan: FillPlan, { engine, accounts }: Deployment): Promise<void> {
  const requester = { accountId: accounts.rootAccountId, isRootAccount: true }
  const { buckets: known } = await engine.listBuckets({ accountId: requester.accountId, limit: 10_000 })
  const buckets = new Map(known.map((bucket) => [bucket.name, bucket]))
  for (let index = 0; index < plan.buckets; index++) {
    const name = bucketName(index)
    if (!buckets.has(name)) buckets.set(name, await engine.createBucket({ requester, name }))
  }
  const encryption = requests[plan.mode]
  if (encryption === undefined) throw new Error(`objects in ${plan.mode} need a client`)
  const body = { sizeBytes: 1, content: Buffer.from('x') }
  const metadata = { userMetadata: new Map<string, string>() }
  let next = plan.from
  let done = 0
  const startedAt = performance.now()
  const put = async (): Promise<void> => {
    for (let index = next++; index < plan.to; index = next++) {
      const bucket = buckets.get(bucketOfObject(index, plan))
      if (bucket === undefined) throw new Error('a bucket is missing')
      await engine.putObject({ requester, bucket, name: nameOfObject(index), body, encryption, metadata })
      done += 1
      if (done % 1000 === 0) say({ done, seconds: (performance.now() - startedAt) / 1000 })
    }
  }
  await Promise.all(Array.from({ length: concurrency }, put))
  say({ done, seconds: (performance.now() - startedAt) / 1000 })
}

await fill(JSON.parse(process.argv[2] ?? '') as FillPlan)
