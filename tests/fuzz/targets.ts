/**
 * What is fuzzed: valid inputs, and what must hold for whatever was made of them.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { CryptoError, DareOpener, DareSealer, RecordSealer } from '@strongroom/crypto'
import { KesError, parseGoDuration, parseKesConfig } from '@strongroom/kes'
import * as s3 from '@strongroom/s3'
import {
  AwsChunkedDecoder,
  canonicalRequest,
  checkPostPolicy,
  chunkSigning,
  deriveSigningKey,
  encodeChunks,
  parseAuthorization,
  parsePostPolicy,
  parsePostSignature,
  parseQuery,
  presign,
  SigV4Error,
  signPostPolicy,
  signRequest,
  verifyPostSignature,
  verifySignature,
} from '@strongroom/sigv4'
import type { Choose } from './mutate.ts'

export interface Target {
  /** Valid ones. */
  readonly inputs: readonly Buffer[]
  /** What is wrong with how `input` was dealt with, if anything. */
  check(input: Buffer, choose: Choose): string | undefined | Promise<string | undefined>
  close?(): Promise<void>
}

type ErrorClass = abstract new (...args: never[]) => Error

/** What is wrong with an action that may throw errors of these classes only. The action may itself say what is wrong. */
export async function only(classes: readonly ErrorClass[], action: () => unknown): Promise<string | undefined> {
  try {
    const said = await action()
    return typeof said === 'string' ? said : undefined
  } catch (error) {
    if (classes.some((one) => error instanceof one)) return undefined
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error)
  }
}

const buffers = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text))
const pause = async (): Promise<void> => {}
const quiet = (action: () => unknown) => async (): Promise<undefined> => {
  await action()
}

const rule =
  '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>'
const xmlInputs = buffers(
  `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rule}</ServerSideEncryptionConfiguration>`,
  '<Tagging><TagSet><Tag><Key>a &amp; b</Key><Value>&#x41;</Value></Tag></TagSet></Tagging>',
  '<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>true</Quiet><Object><Key>a</Key><VersionId>null</VersionId></Object></Delete>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag></Part></CompleteMultipartUpload>',
  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  '<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>',
  '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
  '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
)
const xmlReaders: readonly ((body: Buffer) => unknown)[] = [
  s3.parseBucketEncryption,
  (body) => s3.parseTagging(body, 'object'),
  (body) => s3.parseDelete(body, pause),
  (body) => s3.parseComplete(body, pause),
  s3.parseVersioning,
  (body) => s3.parseCreateBucket(body, 'us-east-1'),
  s3.parsePublicAccessBlock,
  s3.parseOwnershipControls,
]

function xmlTarget(): Target {
  const check = async (input: Buffer): Promise<string | undefined> => {
    for (const read of xmlReaders) {
      const fault = await only(
        [s3.S3Error],
        quiet(() => read(input)),
      )
      if (fault !== undefined) return fault
    }
    return undefined
  }
  return { inputs: xmlInputs, check }
}

/** Texts of headers, paths and queries, given to every reader of one. */
function textTarget(): Target {
  const inputs = buffers(
    '/bucket/a%20b/../c',
    'prefix=a%2F&delimiter=/&max-keys=10&encoding-type=url&list-type=2',
    'bytes=0-99',
    '"etag", W/"b"',
    'Wed, 21 Oct 2026 07:28:00 GMT',
    '/bucket/name?versionId=null',
    'a=b&c=d',
    'aws:kms',
    'eyJhIjoiYiJ9',
    '=?UTF-8?Q?a?=',
    'ETag,Checksum',
  )
  const names = [
    ...[
      'if-match',
      'if-none-match',
      'if-modified-since',
      'if-unmodified-since',
      'x-amz-copy-source-if-match',
      'x-amz-tagging',
    ],
    ...[
      'x-amz-server-side-encryption',
      'x-amz-server-side-encryption-context',
      'x-amz-server-side-encryption-aws-kms-key-id',
    ],
    ...[
      'x-amz-server-side-encryption-customer-algorithm',
      'x-amz-server-side-encryption-customer-key',
      'x-amz-object-attributes',
    ],
    ...[
      'x-amz-server-side-encryption-customer-key-md5',
      'x-amz-meta-a',
      'content-type',
      'x-amz-storage-class',
      'x-amz-checksum-sha256',
    ],
    ...[
      'x-amz-sdk-checksum-algorithm',
      'x-amz-trailer',
      'x-amz-metadata-directive',
      'content-md5',
      'x-amz-checksum-crc32',
    ],
  ]
  const check = async (input: Buffer, choose: Choose): Promise<string | undefined> => {
    const text = input.toString('latin1')
    const headers: Record<string, string> = {}
    for (let count = 1 + choose(4); count > 0; count--) headers[names[choose(names.length)] ?? 'range'] = text
    const readers: readonly (() => unknown)[] = [
      () => s3.parseRequestTarget(text, 's3.example', ['s3.example']),
      () => s3.parseRequestTarget('/a', text, ['s3.example']),
      () => s3.parseCopySource(text),
      () => s3.parseRange(text),
      () => s3.parseReadConditions(headers),
      () => s3.parseCopySourceConditions(headers),
      () => s3.parseWriteConditions(headers),
      () => s3.parseDeleteConditions(headers),
      () => s3.parseTaggingHeader(text),
      () => s3.parseEncryption(headers, { secure: true, signed: true }),
      () => s3.parseCustomerKey(headers, true),
      () => s3.parseRequestChecksum(headers, []),
      () => s3.parseContentMd5(headers['content-md5']),
      () => s3.parseAttributesRequest(headers),
      () => s3.parseObjectMetadata(headers),
      () => s3.parseHttpDate(text),
      ...[
        s3.parseListObjects,
        s3.parseListObjectsV2,
        s3.parseListVersions,
        s3.parseListUploads,
        s3.parseListParts,
        s3.parseListBuckets,
      ].map((read) => () => read(parseQuery(text))),
    ]
    for (const read of readers) {
      const fault = await only([s3.S3Error, SigV4Error], quiet(read))
      if (fault !== undefined) return fault
    }
    return undefined
  }
  return { inputs, check }
}

const credentials = { accessKeyId: 'fuzz', secret: Buffer.from('fuzz-secret') }
const now = (): number => Date.UTC(2026, 0, 2, 3, 4, 5)
const options = { credentials, region: 'us-east-1', now }
const rules = { regions: ['us-east-1'], now }
const signingKey = (): Uint8Array =>
  deriveSigningKey(credentials.secret, { date: '20260102', region: 'us-east-1', service: 's3' })

interface Request {
  readonly method: string
  readonly rawPath: string
  readonly rawQuery: string
  readonly headers: Record<string, string>
}

const requestBytes = ({ method, rawPath, rawQuery, headers }: Request): Buffer =>
  Buffer.from(
    [method, rawPath, rawQuery, ...Object.entries(headers).map(([name, value]) => `${name}:${value}`)].join('\n'),
    'latin1',
  )

function requestOf(bytes: Buffer): Request {
  const [method = '', rawPath = '', rawQuery = '', ...lines] = bytes.toString('latin1').split('\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1)
  }
  return { method, rawPath, rawQuery, headers }
}

/** A signature is good for one canonical request: whatever else it was taken for, is forged. */
function signatureTarget(): Target {
  const request = {
    method: 'GET',
    rawPath: '/bucket/a%20b',
    rawQuery: 'a=b&x-id=GetObject',
    headers: { host: 'a', 'x-amz-meta-a': 'b  c' },
  }
  const inHeader = { ...request, headers: { ...signRequest(request, options).headers } }
  const inQuery = { ...request, rawQuery: presign(request, { ...options, expiresSeconds: 300 }) }
  const canonicals = new Set<string>()
  const verified = (bytes: Buffer): string | undefined => {
    const read = requestOf(bytes)
    const parsed = parseAuthorization(read, parseQuery(read.rawQuery), rules)
    if (parsed === undefined) return undefined
    verifySignature(parsed, read, signingKey())
    const exclude = parsed.kind === 'query' ? 'X-Amz-Signature' : undefined
    return canonicalRequest(read, parsed.signedHeaders, parsed.payloadHash, exclude)
  }
  const inputs = [requestBytes(inHeader), requestBytes(inQuery)]
  for (const input of inputs) canonicals.add(verified(input) ?? '')
  const check = (input: Buffer): Promise<string | undefined> =>
    only([SigV4Error], () => {
      const canonical = verified(input)
      return canonical === undefined || canonicals.has(canonical) ? undefined : `forged: ${canonical}`
    })
  return { inputs, check }
}

function formTarget(): Target {
  const policy = {
    expiration: '2026-01-02T04:00:00.000Z',
    conditions: [{ bucket: 'b' }, ['starts-with', '$key', 'a'], ['content-length-range', 1, 10]],
  }
  const fixed = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': 'fuzz/20260102/us-east-1/s3/aws4_request',
    'x-amz-date': '20260102T030405Z',
  }
  const good = JSON.stringify(policy)
  const signatureOf = (text: string): string => signPostPolicy(Buffer.from(text).toString('base64'), signingKey())
  const check = (input: Buffer, choose: Choose): Promise<string | undefined> =>
    only([SigV4Error], () => {
      const isSigned = choose(2) === 0
      const encoded = choose(4) === 0 ? input.toString('latin1') : input.toString('base64')
      const signature = isSigned ? signPostPolicy(encoded, signingKey()) : signatureOf(good)
      const fields = new Map(Object.entries({ ...fixed, policy: encoded, key: 'abc', 'x-amz-signature': signature }))
      if (choose(3) === 0) fields.set([...fields.keys()][choose(fields.size)] ?? '', input.toString('latin1'))
      const parsed = parsePostSignature(fields, rules)
      if (parsed === undefined) return
      verifyPostSignature(parsed, signingKey())
      checkPostPolicy(parsePostPolicy(parsed.policy), fields, now())
    })
  return { inputs: buffers(good), check }
}

const payload = randomBytes(20_000)

function chunkedTarget(isSigned: boolean): Target {
  const headers = { host: 'a', 'x-amz-decoded-content-length': String(payload.length) }
  const payloadHash = isSigned ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
  const signed = signRequest({ method: 'PUT', rawPath: '/b/n', rawQuery: '', headers }, { ...options, payloadHash })
  const signing = () => (isSigned ? chunkSigning(signed, options) : undefined)
  const chunks = [payload.subarray(0, 8192), payload.subarray(8192, 16_384), payload.subarray(16_384)]
  const encode = () => Buffer.concat([...encodeChunks(chunks, signing(), { 'x-amz-checksum-crc32': 'AAAAAA==' })])
  const check = (input: Buffer, choose: Choose): Promise<string | undefined> =>
    only([SigV4Error], () => {
      const decoder = new AwsChunkedDecoder({
        decodedLength: payload.length,
        trailerNames: ['x-amz-checksum-crc32'],
        signing: signing(),
      })
      const taken: Uint8Array[] = []
      for (let at = 0; at < input.length; ) {
        const end = at + 1 + choose(choose(2) === 0 ? 16 : 9000)
        for (const piece of decoder.push(input.subarray(at, end))) taken.push(piece)
        const whole = Buffer.concat(taken)
        if (isSigned && !whole.equals(payload.subarray(0, whole.length))) return 'bytes that nobody signed'
        at = end
        if (input.length > 50_000 && at < input.length - 9000) at = input.length - 9000
      }
      decoder.end()
      return Buffer.concat(taken).length === payload.length ? undefined : 'another length than announced'
    })
  return { inputs: [encode()], check }
}

function sealedTarget(): Target {
  const key = randomBytes(32)
  const nonce = randomBytes(12)
  const plaintext = Buffer.concat(new Array<Uint8Array>(5).fill(randomBytes(30_000)))
  const sealer = new DareSealer(key, nonce)
  const sealed = Buffer.concat([...sealer.seal(plaintext), ...sealer.final()])
  const check = (input: Buffer, choose: Choose): Promise<string | undefined> =>
    only([CryptoError], () => {
      const opener = new DareOpener(key, { nonce, plaintextSizeBytes: plaintext.length })
      const opened: Buffer[] = []
      for (let at = 0; at < input.length; ) {
        const end = at + 1 + choose(40_000)
        opened.push(...opener.open(input.subarray(at, end)))
        at = end
        const size = opened.reduce((sum, piece) => sum + piece.length, 0)
        if (!Buffer.concat(opened).equals(plaintext.subarray(0, size))) return 'plaintext that was never sealed'
      }
      opener.final()
      return Buffer.concat(opened).equals(plaintext) ? undefined : 'not all of it, and no error'
    })
  return { inputs: [sealed], check }
}

function recordTarget(): Target {
  const sealer = new RecordSealer({ currentKeyId: 1, keys: new Map([[1, randomBytes(32)]]) })
  const place = Buffer.from('object/1/name')
  const record = randomBytes(300)
  const check = (input: Buffer): Promise<string | undefined> =>
    only([CryptoError], () => (sealer.open(place, input).equals(record) ? undefined : 'a record that was never sealed'))
  return {
    inputs: [sealer.seal(place, record), sealer.seal(Buffer.from('object/1/other'), record)],
    check,
    close: async () => sealer.close(),
  }
}

function kesTarget(): Target {
  const config = [
    'address: 0.0.0.0:7373',
    'admin:',
    '  identity: disabled',
    'tls:',
    '  key: ./key',
    '  cert: ./cert',
    'policy:',
    '  app:',
    '    allow:',
    '    - /v1/key/create/app*',
    '    identities:',
    `    - ${'ab'.repeat(32)}`,
    'cache:',
    '  expiry:',
    '    any: 5m0s',
    'keystore:',
    '  fs:',
    '    path: ./keys',
    '',
  ].join('\n')
  const check = async (input: Buffer, choose: Choose): Promise<string | undefined> => {
    // Long ones take most of the time, and show nothing but that it does not grow too fast.
    const text = input.subarray(0, choose(32) === 0 ? 32_768 : 1_024).toString()
    const first = await only(
      [KesError],
      quiet(() => parseKesConfig(text, 'file', { KEY: 'a' })),
    )
    return (
      first ??
      (await only(
        [KesError],
        quiet(() => parseGoDuration(text.slice(0, 100))),
      ))
    )
  }
  return { inputs: buffers(config), check }
}

/** By what is fuzzed. */
export const targets: Readonly<Record<string, () => Promise<Target>>> = {
  'XML documents': async () => xmlTarget(),
  'headers, paths and queries': async () => textTarget(),
  'signatures in header and query': async () => signatureTarget(),
  'policies of forms': async () => formTarget(),
  'signed chunks': async () => chunkedTarget(true),
  'unsigned chunks': async () => chunkedTarget(false),
  'sealed streams': async () => sealedTarget(),
  'sealed records': async () => recordTarget(),
  'configuration of KES': async () => kesTarget(),
}
