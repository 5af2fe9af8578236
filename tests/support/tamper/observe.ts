/**
 * What a deployment shows: every S3 request that reads, of both accounts, what administrators see of keys and accounts, and
 * what fsck finds.
 *
 * @module
 */

import { sseC } from '../encryption-headers.ts'
import { type FaultRequest, sendTo } from '../kms-faults/fault-server.ts'
import { type OpenDeployment, rootSigner } from './deployment.ts'
import { clientKey, type Populated, type Written } from './populate.ts'

/** An answer, or that there was none. */
export interface Shown {
  readonly isRefused: boolean
  readonly text: string
  /** Content of an object. */
  readonly content?: Buffer
}

export interface Observation {
  readonly shown: ReadonlyMap<string, Shown>
  /** Kinds of findings. */
  readonly findings: readonly string[]
}

/** A read, by a name of its own. */
type Probe = readonly [name: string, read: (deployment: OpenDeployment) => Promise<Shown>]

const sseCHeaders = sseC({ base64: Buffer.from(clientKey.key).toString('base64'), md5: clientKey.md5 })

/** Headers that say something of what is stored. */
const told = /^(?:etag|content-length|last-modified|x-amz-(?:meta|version|server-side|tagging|checksum|mp).*)$/

function request(input: FaultRequest, signer: Populated['otherSigner'] = rootSigner): Probe[1] {
  return async ({ handle }) => {
    const { status, headers, body, code } = await sendTo(handle, input, signer)
    const isRefused = status >= 300 || code !== ''
    const shown = Object.entries(headers).filter(([name]) => told.test(name))
    const isContent = input.method === 'GET' && isObject(input)
    const text = `${status} ${code} ${JSON.stringify(shown.sort())} ${isContent ? '' : body.toString('latin1')}`
    // What came before a stream was cut has been sent, too.
    return { isRefused, text, ...(isContent && status < 300 ? { content: body } : {}) }
  }
}

const isObject = ({ name, query = {} }: FaultRequest): boolean =>
  name !== undefined && Object.keys(query).every((parameter) => parameter === 'versionId')

function administration(ask: (deployment: OpenDeployment) => Promise<unknown>): Probe[1] {
  return async (deployment) => {
    try {
      return { isRefused: false, text: JSON.stringify(await ask(deployment)) }
    } catch (error) {
      return { isRefused: true, text: String(error) }
    }
  }
}

/** Everything that can be read of a deployment that is whole. */
export async function probesOf({ engine }: OpenDeployment, { otherSigner }: Populated): Promise<Probe[]> {
  const probes: Probe[] = [
    ['buckets', request({ method: 'GET' })],
    ['buckets of the other account', request({ method: 'GET' }, otherSigner)],
    ['accounts', administration(({ accounts }) => accounts.listAccounts())],
    ['keys', administration(({ engine: opened }) => opened.listKeys('*'))],
  ]
  for (const key of ['alpha', 'beta', 'gamma', 'standard']) {
    probes.push([`usage of ${key}`, administration(({ engine: opened }) => opened.keyUsage(key))])
  }
  for (const bucket of ['plain', 'second', 'versioned']) {
    for (const parameter of ['location', 'tagging', 'versioning', 'versions', 'uploads', 'acl', '']) {
      const query = parameter === '' ? {} : { [parameter]: undefined }
      probes.push([`${parameter || 'objects'} of ${bucket}`, request({ method: 'GET', bucket, query })])
    }
    const found = await engine.bucket(bucket)
    const { items } = await engine.listVersions({ bucket: found, prefix: '', limit: 1_000 })
    for (const listed of items) {
      if (listed.kind !== 'item' || listed.item.deleteMarker) continue
      const { name, versionId } = listed.item
      const headers = name === 'customer' ? sseCHeaders : {}
      const target = { bucket, name, query: { versionId } }
      const place = `${bucket}/${name} ${versionId}`
      probes.push([`GET ${place}`, request({ method: 'GET', ...target, headers })])
      probes.push([`HEAD ${place}`, request({ method: 'HEAD', ...target, headers })])
      const query = { versionId, tagging: undefined }
      probes.push([`tags of ${place}`, request({ method: 'GET', bucket, name, query })])
    }
    const uploads = await engine.listUploads({ bucket: found, prefix: '', limit: 100 })
    for (const listed of uploads.items) {
      if (listed.kind !== 'item') continue
      const { name, uploadId } = listed.item
      probes.push([`parts of ${name}`, request({ method: 'GET', bucket, name, query: { uploadId } })])
    }
  }
  return probes
}

/** Asks everything. */
export async function observe(deployment: OpenDeployment, probes: readonly Probe[]): Promise<Observation> {
  const shown = new Map<string, Shown>()
  for (const [name, read] of probes) shown.set(name, await read(deployment))
  let findings: string[]
  try {
    findings = (await deployment.fsck()).findings.map(({ kind }) => kind)
  } catch (error) {
    findings = [`fsck ends: ${String(error)}`]
  }
  return { shown, findings }
}

/** How what is shown differs from what was shown before anything was tampered with. */
export interface Comparison {
  /** Reads that are refused now. */
  readonly refused: readonly string[]
  /** Reads that are answered otherwise. */
  readonly other: readonly string[]
  /** Contents that were never written under this name: there must be none. */
  readonly foreign: readonly string[]
}

export function compare(before: Observation, after: Observation, written: Written): Comparison {
  const result = { refused: [] as string[], other: [] as string[], foreign: [] as string[] }
  for (const [name, { isRefused, text, content }] of after.shown) {
    const was = before.shown.get(name)
    const isSame =
      was?.text === text && Buffer.compare(content ?? Buffer.alloc(0), was.content ?? Buffer.alloc(0)) === 0
    if (!isSame) result[isRefused ? 'refused' : 'other'].push(name)
    if (content === undefined) continue
    const [, place = ''] = name.split(' ')
    const isKnown = (each: Buffer) => (isRefused ? each.subarray(0, content.length) : each).equals(content)
    if (!written.get(place)?.some(isKnown)) result.foreign.push(name)
  }
  return result
}
