/**
 * The operations of the crash matrix: how each is prepared, done, and seen from outside.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { adminCall } from '../support/admin-socket.ts'
import { keyOne, sourceSseC, sseC, sseKms } from '../support/encryption-headers.ts'
import type { FaultServer } from '../support/fault-server.ts'
import type { RawRequest, RawResponse } from '../support/raw-client.ts'

/** One attempt at an operation. */
export interface Site {
  server: FaultServer
  data: string
  /** Differs between attempts: names of objects, buckets and keys are made of it. */
  readonly tag: string
  /** What was learnt in `prepare`. */
  readonly notes: Map<string, string>
}

export interface CrashOperation {
  readonly title: string
  /** The state before. */
  prepare(site: Site): Promise<void>
  /** Resolves to whether it was acknowledged. */
  act(site: Site): Promise<boolean>
  /** All that is visible of it, the same in every attempt. */
  observe(site: Site): Promise<readonly string[]>
  /** Each line of what is visible may be old or new by itself. */
  readonly isPiecewise?: true
  /** Cannot be told from outside: only that everything still opens. */
  readonly isInvisible?: true
  /** What else a crash may leave visible: documented, and finished by the sweeper. */
  readonly alsoAllowed?: readonly string[]
  /** A deletion that was cut short holds the name for a minute: it is not tried again at once. */
  readonly isHeld?: true
}

/** Buckets that every deployment of the matrix has. */
export const plainBucket = 'crashes'
export const versionedBucket = 'crashes-versions'

const absent = 'absent'

/** The same bytes for the same arguments. */
export function contentOf(sizeBytes: number, seed: number): Buffer {
  return Buffer.alloc(sizeBytes, createHash('sha512').update(String(seed)).digest())
}

const small = contentOf(3_000, 1)
const large = contentOf(300_000, 2)
const otherLarge = contentOf(200_000, 3)

const hashOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex')

/** Sends what must succeed. @throws if it does not */
export async function sent(site: Site, request: RawRequest): Promise<RawResponse> {
  const answer = await site.server.client.send(request)
  if (answer.status >= 300) throw new Error(`${request.method} ${request.name ?? ''}: ${answer.status} ${answer.text}`)
  return answer
}

/** Whether an answer came that says that it is done. */
async function acknowledged(site: Site, request: RawRequest): Promise<boolean> {
  const answer = await site.server.tried(request)
  return answer !== undefined && answer.status < 300 && answer.code === undefined && !answer.text.includes('<Error>')
}

/** The content of an object, or that there is none. */
async function read(site: Site, request: Omit<RawRequest, 'method'>): Promise<string> {
  const answer = await site.server.client.send({ method: 'GET', bucket: plainBucket, ...request })
  if (answer.status === 404) return absent
  return answer.status === 200 ? hashOf(answer.body) : `${answer.status} ${answer.code}`
}

const nameOf = (site: Site): Omit<RawRequest, 'method'> => ({ bucket: plainBucket, name: `${site.tag}/object` })
const sourceOf = (site: Site): Omit<RawRequest, 'method'> => ({ bucket: plainBucket, name: `${site.tag}/source` })
const observeObject = async (site: Site): Promise<string[]> => [await read(site, nameOf(site))]
const nothing = async (): Promise<void> => {}

const put = (
  place: (site: Site) => Omit<RawRequest, 'method'>,
  body: Buffer,
  headers: Record<string, string> = {},
) => ({
  prepared: async (site: Site): Promise<void> => {
    await sent(site, { method: 'PUT', ...place(site), body, headers })
  },
  done: (site: Site) => acknowledged(site, { method: 'PUT', ...place(site), body, headers }),
})

const puts: readonly CrashOperation[] = [
  {
    title: 'put, small',
    prepare: nothing,
    act: put(nameOf, small, sseKms()).done,
    observe: observeObject,
  },
  {
    title: 'put, small over large',
    prepare: put(nameOf, large).prepared,
    act: put(nameOf, small).done,
    observe: observeObject,
  },
  { title: 'put, large', prepare: nothing, act: put(nameOf, large, sseKms()).done, observe: observeObject },
  {
    title: 'put, large over large',
    prepare: put(nameOf, otherLarge).prepared,
    act: put(nameOf, large).done,
    observe: observeObject,
  },
]

// --- Versions ----------------------------------------------------------------------------------------------------------

const versionedName = (site: Site): Omit<RawRequest, 'method'> => ({ bucket: versionedBucket, name: site.tag })

/** Newest first: the content of each version, or that it is a marker; and what a GET without a version finds. */
async function observeVersions(site: Site): Promise<string[]> {
  const query = { versions: undefined, prefix: site.tag }
  const { text } = await sent(site, { method: 'GET', bucket: versionedBucket, query })
  const seen: string[] = []
  for (const [, kind, inside = ''] of text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)) {
    const versionId = /<VersionId>([^<]*)</.exec(inside)?.[1] ?? ''
    const isMarker = kind === 'DeleteMarker'
    seen.push(isMarker ? 'marker' : await read(site, { ...versionedName(site), query: { versionId } }))
  }
  return [...seen, `current ${await read(site, versionedName(site))}`]
}

async function putTwoVersions(site: Site): Promise<void> {
  for (const body of [large, small]) {
    const answer = await sent(site, { method: 'PUT', ...versionedName(site), body })
    if (body === large) site.notes.set('versionId', String(answer.headers['x-amz-version-id']))
  }
}

const versions: readonly CrashOperation[] = [
  {
    title: 'put, a new version',
    prepare: put(versionedName, small).prepared,
    act: put(versionedName, large).done,
    observe: observeVersions,
  },
  {
    title: 'delete, one version',
    prepare: putTwoVersions,
    act: (site) => {
      const query = { versionId: site.notes.get('versionId') ?? '' }
      return acknowledged(site, { method: 'DELETE', ...versionedName(site), query })
    },
    observe: observeVersions,
  },
  {
    title: 'delete, leaving a marker',
    prepare: put(versionedName, large).prepared,
    act: (site) => acknowledged(site, { method: 'DELETE', ...versionedName(site) }),
    observe: observeVersions,
  },
]

// --- Multipart ---------------------------------------------------------------------------------------------------------

async function beginUpload(site: Site): Promise<void> {
  const answer = await sent(site, { method: 'POST', ...nameOf(site), query: { uploads: undefined } })
  site.notes.set('uploadId', answer.element('UploadId') ?? '')
}

const uploadQuery = (site: Site, partNumber?: number): Record<string, string> => ({
  uploadId: site.notes.get('uploadId') ?? '',
  ...(partNumber === undefined ? {} : { partNumber: String(partNumber) }),
})

/** Two parts, of which Complete takes the first. */
async function beginWithParts(site: Site): Promise<void> {
  await beginUpload(site)
  for (const [index, body] of [large, otherLarge].entries()) {
    const answer = await sent(site, { method: 'PUT', ...nameOf(site), query: uploadQuery(site, index + 1), body })
    if (index === 0) site.notes.set('etag', String(answer.headers.etag))
  }
}

/** The parts of the upload, and the object. */
async function observeUpload(site: Site): Promise<string[]> {
  const parts = await site.server.client.send({ method: 'GET', ...nameOf(site), query: uploadQuery(site) })
  const sizes = parts.status === 404 ? ['no upload'] : parts.elements('Size')
  return [`upload ${sizes.join(' ')}`, await read(site, nameOf(site))]
}

const uploads: readonly CrashOperation[] = [
  {
    title: 'create an upload',
    prepare: nothing,
    act: (site) => acknowledged(site, { method: 'POST', ...nameOf(site), query: { uploads: undefined } }),
    observe: async (site) => {
      const query = { uploads: undefined, prefix: `${site.tag}/` }
      const { text } = await sent(site, { method: 'GET', bucket: plainBucket, query })
      return [text.includes('<UploadId>') ? 'an upload' : 'none']
    },
  },
  {
    title: 'upload a part',
    prepare: beginUpload,
    act: (site) => acknowledged(site, { method: 'PUT', ...nameOf(site), query: uploadQuery(site, 1), body: large }),
    observe: observeUpload,
  },
  {
    title: 'upload a part again',
    prepare: beginWithParts,
    act: (site) =>
      acknowledged(site, { method: 'PUT', ...nameOf(site), query: uploadQuery(site, 1), body: otherLarge }),
    observe: observeUpload,
  },
  {
    title: 'copy a part',
    prepare: async (site) => {
      await put(sourceOf, large).prepared(site)
      await beginUpload(site)
    },
    act: (site) => {
      const headers = { 'x-amz-copy-source': `/${plainBucket}/${site.tag}/source` }
      return acknowledged(site, { method: 'PUT', ...nameOf(site), query: uploadQuery(site, 1), headers })
    },
    observe: observeUpload,
  },
  {
    title: 'complete an upload',
    prepare: beginWithParts,
    act: (site) => {
      const part = `<Part><PartNumber>1</PartNumber><ETag>${site.notes.get('etag')}</ETag></Part>`
      const body = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`
      return acknowledged(site, { method: 'POST', ...nameOf(site), query: uploadQuery(site), body })
    },
    observe: observeUpload,
  },
  {
    title: 'abort an upload',
    prepare: beginWithParts,
    act: (site) => acknowledged(site, { method: 'DELETE', ...nameOf(site), query: uploadQuery(site) }),
    observe: observeUpload,
  },
]

// --- Copies and deletions ----------------------------------------------------------------------------------------------

const copySource = (site: Site) => ({ 'x-amz-copy-source': `/${plainBucket}/${site.tag}/source` })

const copies: readonly CrashOperation[] = [
  {
    title: 'copy, sharing the data',
    prepare: put(sourceOf, large).prepared,
    act: (site) => acknowledged(site, { method: 'PUT', ...nameOf(site), headers: copySource(site) }),
    observe: async (site) => [await read(site, nameOf(site)), `source ${await read(site, sourceOf(site))}`],
  },
  {
    title: 'copy, reading the data',
    prepare: put(sourceOf, large, sseC(keyOne)).prepared,
    act: (site) => {
      const headers = { ...copySource(site), ...sourceSseC(keyOne) }
      return acknowledged(site, { method: 'PUT', ...nameOf(site), headers })
    },
    observe: async (site) => [
      await read(site, nameOf(site)),
      `source ${await read(site, { ...sourceOf(site), headers: sseC(keyOne) })}`,
    ],
  },
]

const several = [1, 2, 3]
const severalName = (site: Site, index: number): string => `${site.tag}/${index}`

const deletions: readonly CrashOperation[] = [
  {
    title: 'delete, small',
    prepare: put(nameOf, small).prepared,
    act: (site) => acknowledged(site, { method: 'DELETE', ...nameOf(site) }),
    observe: observeObject,
  },
  {
    title: 'delete, large',
    prepare: put(nameOf, large).prepared,
    act: (site) => acknowledged(site, { method: 'DELETE', ...nameOf(site) }),
    observe: observeObject,
  },
  {
    title: 'delete several',
    isPiecewise: true,
    prepare: async (site) => {
      for (const index of several) {
        const name = severalName(site, index)
        await sent(site, { method: 'PUT', bucket: plainBucket, name, body: index === 1 ? small : large })
      }
    },
    act: (site) => {
      const objects = several.map((index) => `<Object><Key>${severalName(site, index)}</Key></Object>`).join('')
      const body = `<Delete>${objects}</Delete>`
      const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
      const request = { method: 'POST', bucket: plainBucket, query: { delete: undefined }, body, headers }
      return acknowledged(site, request)
    },
    observe: (site) =>
      Promise.all(several.map((index) => read(site, { bucket: plainBucket, name: severalName(site, index) }))),
  },
]

// --- Buckets -----------------------------------------------------------------------------------------------------------

const ownBucket = (site: Site): string => `crashes-${site.tag}`

async function observeBucket(site: Site): Promise<string[]> {
  const answer = await site.server.client.send({ method: 'HEAD', bucket: ownBucket(site) })
  return [String(answer.status)]
}

const buckets: readonly CrashOperation[] = [
  {
    title: 'create a bucket',
    prepare: nothing,
    act: (site) => acknowledged(site, { method: 'PUT', bucket: ownBucket(site) }),
    observe: observeBucket,
  },
  {
    title: 'delete a bucket',
    isHeld: true,
    prepare: async (site) => void (await sent(site, { method: 'PUT', bucket: ownBucket(site) })),
    act: (site) => acknowledged(site, { method: 'DELETE', bucket: ownBucket(site) }),
    observe: observeBucket,
  },
  {
    title: "set a bucket's tags",
    prepare: async (site) => void (await sent(site, { method: 'PUT', bucket: ownBucket(site) })),
    act: (site) => {
      const body = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
      const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
      const request = { method: 'PUT', bucket: ownBucket(site), query: { tagging: undefined }, body, headers }
      return acknowledged(site, request)
    },
    observe: async (site) => {
      const request = { method: 'GET', bucket: ownBucket(site), query: { tagging: undefined } }
      return (await site.server.client.send(request)).elements('Value')
    },
  },
]

// --- Keys --------------------------------------------------------------------------------------------------------------

const adminAct = async (site: Site, method: string, ...args: unknown[]): Promise<boolean> =>
  (await adminCall(site.data, method, ...args))?.result !== undefined

const keyAct = (method: string) => (site: Site) => adminAct(site, method, site.tag)

/** State and version of the key, and whether what it sealed can be read. */
async function observeKey(site: Site): Promise<string[]> {
  const key = (await adminCall(site.data, 'describeKey', site.tag))?.result
  if (key === undefined) return [absent]
  return [`${key.state} ${key.currentVersion}`, `object ${await read(site, nameOf(site))}`]
}

async function makeKey(site: Site): Promise<void> {
  if (!(await keyAct('createKey')(site))) throw new Error('no key was made')
}

async function makeUsedKey(site: Site): Promise<void> {
  await makeKey(site)
  await put(nameOf, small, sseKms(site.tag)).prepared(site)
}

const keys: readonly CrashOperation[] = [
  { title: 'create a key', prepare: nothing, act: keyAct('createKey'), observe: observeKey },
  { title: 'rotate a key', prepare: makeUsedKey, act: keyAct('rotateKey'), observe: observeKey },
  { title: 'lock a key', prepare: makeUsedKey, act: keyAct('lockKey'), observe: observeKey },
  {
    title: 'unlock a key',
    prepare: async (site) => {
      await makeUsedKey(site)
      await keyAct('lockKey')(site)
    },
    act: keyAct('unlockKey'),
    observe: observeKey,
  },
  {
    title: 'delete a key',
    isHeld: true,
    alsoAllowed: ['pending-deletion 1,object absent', 'missing 0,object absent'],
    prepare: makeKey,
    act: (site) => adminAct(site, 'deleteKey', site.tag, {}),
    observe: observeKey,
  },
  {
    title: 'rotate the root key',
    isInvisible: true,
    prepare: put(nameOf, large).prepared,
    act: (site) => adminAct(site, 'rotateRootKey', {}),
    observe: observeObject,
  },
]

/** All operations, in the order of the table. */
export const crashOperations: readonly CrashOperation[] = [
  ...puts,
  ...versions,
  ...uploads,
  ...copies,
  ...deletions,
  ...buckets,
  ...keys,
]
