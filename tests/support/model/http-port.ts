/**
 * The model's requests over the network, and what the documents and headers of the answers say. Keys are changed through the
 * engine: S3 has no requests for that.
 *
 * @module
 */

import type { RawRequest, RawResponse } from '../raw-client.ts'
import type { TestServer } from '../test-server.ts'
import {
  blocksOf,
  checksumHeader,
  conditionHeaders,
  copyAnswer,
  detailHeaders,
  encryptionHeaders,
  fieldsOf,
  readDetails,
  readHeaders,
  readRequest,
  sourceHeaders,
  targetOf,
  textOf,
  unquoted,
  uploadRequest,
} from './http-headers.ts'
import {
  type Answer,
  bytesOf,
  type Kind,
  type Listing,
  lineOf,
  type Outcome,
  type Port,
  type Request,
  type Requests,
} from './requests.ts'

/** How a request goes over the wire, and what its answer says. */
interface Exchange {
  readonly request: RawRequest
  readonly read?: (response: RawResponse) => Answer
}

type OnWire = Exclude<Kind, 'list' | 'list-parts' | 'lock' | 'unlock' | 'rotate'>
type Exchanges = { readonly [K in OnWire]: (request: Requests[K]) => Exchange }

class Refused extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** See the module. */
export class HttpPort implements Port {
  readonly #server: TestServer

  constructor(server: TestServer) {
    this.#server = server
  }

  async send(request: Request): Promise<Outcome> {
    try {
      return { ok: true, answer: await this.#answer(request) }
    } catch (error) {
      if (error instanceof Refused) return { ok: false, code: error.code }
      throw error
    }
  }

  async #answer(request: Request): Promise<Answer> {
    switch (request.kind) {
      case 'list':
        return { items: await this.#list(request) }
      case 'list-parts':
        return { items: await this.#listParts(request) }
      case 'lock':
      case 'unlock':
      case 'rotate': {
        const { engine } = this.#server
        const change = { lock: engine.lockKey, unlock: engine.unlockKey, rotate: engine.rotateKey }[request.kind]
        return await change.call(engine, request.key).then(
          () => ({}),
          (error: unknown) =>
            Promise.reject(error instanceof Error && 'code' in error ? new Refused(String(error.code)) : error),
        )
      }
      default: {
        const exchange = exchanges[request.kind] as (request: Request) => Exchange
        const { request: raw, read } = exchange(request)
        const response = await this.#exchange(raw)
        return read?.(response) ?? {}
      }
    }
  }

  async #exchange(request: RawRequest): Promise<RawResponse> {
    const response = await this.#server.raw.send(request)
    if (response.status >= 500 && response.code !== 'ServiceUnavailable' && response.code !== 'SlowDown') {
      throw new Error(`${request.method} ${request.name}: ${response.status} ${response.text}`)
    }
    if (response.code !== undefined) throw new Refused(response.code)
    if (response.status >= 300) throw new Refused(`status:${response.status}`)
    return response
  }

  async #listParts({ upload, pageSize }: Requests['list-parts']): Promise<string[]> {
    const items: string[] = []
    for (let marker = ''; ; ) {
      const query = {
        uploadId: upload.uploadId,
        'max-parts': String(pageSize),
        ...(marker === '' ? {} : { 'part-number-marker': marker }),
      }
      const page = await this.#exchange({ method: 'GET', bucket: upload.bucket, name: upload.name, query })
      for (const text of blocksOf(page.text, 'Part')) {
        const part = fieldsOf(text)
        items.push(lineOf.part(Number(part.PartNumber), unquoted(part.ETag), Number(part.Size)))
      }
      if (page.element('IsTruncated') !== 'true') return items
      marker = page.element('NextPartNumberMarker') ?? ''
    }
  }

  async #list({ flavour, bucket, prefix, delimiter, after, pageSize }: Listing): Promise<string[]> {
    const wire = listings[flavour]
    const items: string[] = []
    const prefixes: string[] = []
    let markers: Record<string, string> = after === undefined ? {} : { [wire.after]: after }
    for (;;) {
      const query = {
        ...wire.query,
        prefix,
        [wire.limit]: String(pageSize),
        ...(delimiter === undefined ? {} : { delimiter }),
        ...markers,
      }
      const page = await this.#exchange({ method: 'GET', bucket, query })
      for (const text of blocksOf(page.text, wire.items)) items.push(wire.line(text))
      for (const text of blocksOf(page.text, 'CommonPrefixes'))
        prefixes.push(lineOf.prefix(fieldsOf(text).Prefix ?? ''))
      if (page.element('IsTruncated') !== 'true') return [...items, ...prefixes]
      markers = wire.next(page)
    }
  }
}

interface WireListing {
  readonly query: Record<string, string | undefined>
  readonly limit: string
  readonly after: string
  /** Elements that are items. */
  readonly items: string
  readonly line: (block: string) => string
  readonly next: (page: RawResponse) => Record<string, string>
}

const objectLine = (block: string): string => {
  const { Key = '', ETag, Size } = fieldsOf(block)
  return lineOf.object(Key, unquoted(ETag), Number(Size))
}

const nextOf = (page: RawResponse, names: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(names).flatMap(([parameter, name]) => {
      const value = page.element(name)
      return value === undefined || value === '' ? [] : [[parameter, value]]
    }),
  )

const listings: Readonly<Record<Listing['flavour'], WireListing>> = {
  v1: {
    query: {},
    limit: 'max-keys',
    after: 'marker',
    items: 'Contents',
    line: objectLine,
    // Without a delimiter there is no NextMarker: the last name is it.
    next: (page) => ({ marker: page.element('NextMarker') ?? page.elements('Key').at(-1) ?? '' }),
  },
  v2: {
    query: { 'list-type': '2' },
    limit: 'max-keys',
    after: 'start-after',
    items: 'Contents',
    line: objectLine,
    next: (page) => nextOf(page, { 'continuation-token': 'NextContinuationToken' }),
  },
  versions: {
    query: { versions: undefined },
    limit: 'max-keys',
    after: 'key-marker',
    items: 'Version|DeleteMarker',
    line: (block) => {
      const { Key = '', VersionId = '', ETag, Size = '0', IsLatest } = fieldsOf(block)
      const isMarker = block.startsWith('<DeleteMarker>')
      const flags = `${isMarker ? 'marker' : 'object'}${IsLatest === 'true' ? ' latest' : ''}`
      return lineOf.version(Key, VersionId, unquoted(ETag), Number(Size), flags)
    },
    next: (page) => nextOf(page, { 'key-marker': 'NextKeyMarker', 'version-id-marker': 'NextVersionIdMarker' }),
  },
  uploads: {
    query: { uploads: undefined },
    limit: 'max-uploads',
    after: 'key-marker',
    items: 'Upload',
    line: (block) => {
      const { Key = '', UploadId = '' } = fieldsOf(block)
      return lineOf.upload(Key, UploadId)
    },
    next: (page) => nextOf(page, { 'key-marker': 'NextKeyMarker', 'upload-id-marker': 'NextUploadIdMarker' }),
  },
}

const exchanges: Exchanges = {
  'create-bucket': ({ bucket }) => ({ request: { method: 'PUT', bucket } }),
  'delete-bucket': ({ bucket }) => ({ request: { method: 'DELETE', bucket } }),
  'list-buckets': () => ({
    request: { method: 'GET' },
    read: (response) => ({ items: blocksOf(response.text, 'Bucket').map((block) => fieldsOf(block).Name ?? '') }),
  }),
  'set-versioning': ({ bucket, state }) => {
    const status = state === 'enabled' ? 'Enabled' : 'Suspended'
    const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
    return { request: { method: 'PUT', bucket, query: { versioning: undefined }, body } }
  },
  'set-rule': ({ bucket, rule }) => {
    const query = { encryption: undefined }
    if (rule === undefined) return { request: { method: 'DELETE', bucket, query } }
    const algorithm =
      rule.key === undefined
        ? 'AES256'
        : `aws:kms${rule.layers === 2 ? ':dsse' : ''}</SSEAlgorithm><KMSMasterKeyID>${rule.key}`
    const end = rule.key === undefined ? 'SSEAlgorithm' : 'KMSMasterKeyID'
    const byDefault = `<ApplyServerSideEncryptionByDefault><SSEAlgorithm>${algorithm}</${end}></ApplyServerSideEncryptionByDefault>`
    const content = `<Rule>${byDefault}<BucketKeyEnabled>${rule.bucketKey}</BucketKeyEnabled></Rule>`
    const body = `<ServerSideEncryptionConfiguration>${content}</ServerSideEncryptionConfiguration>`
    return { request: { method: 'PUT', bucket, query, body } }
  },
  put: ({ bucket, name, mode, content, checksum, ...rest }) => ({
    request: {
      method: 'PUT',
      bucket,
      name,
      headers: {
        ...encryptionHeaders(mode),
        ...detailHeaders(rest),
        ...conditionHeaders(rest),
        ...(checksum === undefined
          ? {}
          : { 'x-amz-sdk-checksum-algorithm': checksum, ...checksumHeader(checksum, bytesOf(content)) }),
      },
      body: bytesOf(content),
    },
    read: (response) => readHeaders(response),
  }),
  get: (request) => ({
    request: readRequest('GET', request),
    read: (response) => ({ ...readHeaders(response), ...readDetails(response), content: response.body }),
  }),
  head: (request) => ({
    request: readRequest('HEAD', request),
    read: (response) => ({ ...readHeaders(response), ...readDetails(response) }),
  }),
  delete: ({ ifMatch, ...reference }) => ({
    request: {
      method: 'DELETE',
      ...targetOf(reference),
      headers: conditionHeaders(ifMatch === undefined ? {} : { ifMatch }),
    },
    read: ({ headers }) => ({
      ...textOf('versionId', headers['x-amz-version-id']),
      ...(headers['x-amz-delete-marker'] === 'true' ? { deleteMarker: true } : {}),
    }),
  }),
  copy: ({ source, bucket, name, mode, meta, tag }) => ({
    request: {
      method: 'PUT',
      bucket,
      name,
      headers: {
        ...sourceHeaders(source),
        ...encryptionHeaders(mode),
        ...(meta === undefined ? {} : { 'x-amz-metadata-directive': 'REPLACE' }),
        ...(tag === undefined ? {} : { 'x-amz-tagging-directive': 'REPLACE' }),
        ...detailHeaders({ ...(meta === undefined ? {} : { meta }), ...(tag === undefined ? {} : { tag }) }),
      },
    },
    read: copyAnswer,
  }),
  'get-tags': (reference) => ({
    request: { method: 'GET', ...targetOf(reference, { tagging: undefined }) },
    read: (response) => ({
      ...textOf('tag', response.element('Value')),
      ...textOf('versionId', response.headers['x-amz-version-id']),
    }),
  }),
  'put-tags': ({ tag, ...reference }) => {
    const set = tag === undefined ? '' : `<Tag><Key>t</Key><Value>${tag}</Value></Tag>`
    const body = `<Tagging><TagSet>${set}</TagSet></Tagging>`
    return {
      request: { method: 'PUT', ...targetOf(reference, { tagging: undefined }), body },
      read: ({ headers }) => textOf('versionId', headers['x-amz-version-id']),
    }
  },
  begin: ({ bucket, name, mode, ...details }) => ({
    request: {
      method: 'POST',
      bucket,
      name,
      query: { uploads: undefined },
      headers: { ...encryptionHeaders(mode), ...detailHeaders(details) },
    },
    read: (response) => ({ ...readHeaders(response), ...textOf('uploadId', response.element('UploadId')) }),
  }),
  part: ({ upload, number, content }) => ({
    request: { ...uploadRequest('PUT', upload, number), body: bytesOf(content) },
    read: ({ headers }) => ({ etag: unquoted(headers.etag) }),
  }),
  'part-copy': ({ upload, number, source, range }) => {
    const { headers, ...request } = uploadRequest('PUT', upload, number)
    const copied = range === undefined ? {} : { 'x-amz-copy-source-range': `bytes=${range.first}-${range.last}` }
    return {
      request: { ...request, headers: { ...headers, ...sourceHeaders(source), ...copied } },
      read: (response) => {
        const { encryption: _, checksum: _checksum, ...answer } = copyAnswer(response)
        return answer
      },
    }
  },
  complete: ({ upload, parts, ifNoneMatch }) => {
    const list = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`,
    )
    const { headers, ...request } = uploadRequest('POST', upload)
    const conditions = conditionHeaders(ifNoneMatch === undefined ? {} : { ifNoneMatch })
    return {
      request: {
        ...request,
        headers: { ...headers, ...conditions },
        body: `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`,
      },
      read: (response) => ({ ...readHeaders(response), etag: unquoted(response.element('ETag')) }),
    }
  },
  abort: ({ upload }) => ({ request: uploadRequest('DELETE', upload) }),
}
