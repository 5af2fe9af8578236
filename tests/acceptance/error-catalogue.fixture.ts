/**
 * The rows of the error catalogue (server-side-encryption.md 1.5, AWS column) that one request shows.
 *
 * @module
 */

import { dsseKms, keyOne, keyTwo, sourceSseC, sseC, sseKms, sseS3, without } from '../support/encryption-headers.ts'
import type { RawRequest } from '../support/raw-client.ts'

export const bucket = 'catalogue'
const sse = 'x-amz-server-side-encryption'
export const customer = `${sse}-customer`
const source = `x-amz-copy-source-server-side-encryption-customer`

export const texts = {
  secure: (what: string) =>
    `Requests specifying Server Side Encryption with ${what} must be made over a secure connection.`,
  version4: 'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
  method: 'The encryption method specified is not supported',
  needsKms:
    'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
  conflict: 'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
  algorithm: 'The Encryption request you specified is not valid. Supported value: AES256.',
  noAlgorithm:
    'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
  noKey:
    'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
  noMd5:
    'Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.',
  badKey: 'The secret key was invalid for the specified algorithm.',
  badMd5: 'The calculated MD5 hash of the key did not match the hash that was provided.',
  needsParameters:
    'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  wrongKey:
    'Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.',
  notApplicable: 'The encryption parameters are not applicable to this object.',
  uploadNeedsParameters:
    'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
  otherParameters: 'The provided encryption parameters did not match the ones used originally.',
  context:
    "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
  selfCopy:
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  goneKey:
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
} as const

export interface Expected {
  readonly status: number
  readonly code: string
  readonly message?: string
  /** Extra elements; `undefined` means that it must not be there. */
  readonly fields?: Readonly<Record<string, string | undefined>>
}

export interface Row {
  readonly row: number
  readonly what: string
  readonly request: RawRequest | (() => RawRequest)
  readonly expected: Expected
}

export const put = (headers: Readonly<Record<string, string>>, name = 'new'): RawRequest => ({
  method: 'PUT',
  bucket,
  name,
  headers,
  body: 'data',
})
export const get = (name: string, headers: Readonly<Record<string, string>> = {}): RawRequest => ({
  method: 'GET',
  bucket,
  name,
  headers,
})
export const copy = (from: string, headers: Readonly<Record<string, string>>, name = 'copied'): RawRequest => ({
  method: 'PUT',
  bucket,
  name,
  headers: { 'x-amz-copy-source': `/${bucket}/${from}`, ...headers },
})
const attributes = (name: string, headers: Readonly<Record<string, string>> = {}): RawRequest => ({
  method: 'GET',
  bucket,
  name,
  query: { attributes: undefined },
  headers: { 'x-amz-object-attributes': 'ETag', ...headers },
})

export const uploads = { plain: '', customer: '', checked: '', blocked: '' }
/** Rows that no request of these tests can show, and why. */
export const unshown: ReadonlyMap<number, string> = new Map([
  [31, 'there is always a key service'],
  [32, 'shown in kms-outage.test.ts, where the key service is cut off'],
  [33, 'MinIO only: what no call on objects asks of a key service'],
  [34, 'MinIO only: an answer of its admin API; ours is in tests/start/start.test.ts'],
  [35, "MinIO only: a record that is damaged does not open at all; see the engine's binding tests"],
])
const part = (upload: keyof typeof uploads, headers: Readonly<Record<string, string>>): (() => RawRequest) => {
  return () => ({
    method: 'PUT',
    bucket,
    name: `upload-${upload}`,
    query: { partNumber: '1', uploadId: uploads[upload] },
    headers,
    body: 'part',
  })
}
const complete = (upload: keyof typeof uploads, headers: Readonly<Record<string, string>>): (() => RawRequest) => {
  return () => ({
    method: 'POST',
    bucket,
    name: `upload-${upload}`,
    query: { uploadId: uploads[upload] },
    headers,
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part></CompleteMultipartUpload>`,
  })
}

const invalidArgument = (message: string, value?: string): Expected => ({
  status: 400,
  code: 'InvalidArgument',
  message,
  fields: { ArgumentName: sse, ArgumentValue: value },
})
export const invalidRequest = (message: string): Expected => ({ status: 400, code: 'InvalidRequest', message })

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64')

export const rows: readonly Row[] = [
  ...[keyOne.base64, 'a method with spaces'].map((value) => ({
    row: 4,
    what: `a method that may be something else: ${value.length} characters, not shown back`,
    request: put({ [sse]: value }),
    expected: invalidArgument(texts.method),
  })),
  ...['AES257', 'aes:kms', 'aes256'].map((value) => ({
    row: 4,
    what: `an unknown method ${value}`,
    request: put({ [sse]: value }),
    expected: invalidArgument(texts.method, value),
  })),
  {
    row: 5,
    what: 'a bucket key for two layers',
    request: put({ ...dsseKms(), [`${sse}-bucket-key-enabled`]: 'true' }),
    expected: { status: 400, code: 'InvalidArgument' },
  },
  {
    row: 6,
    what: 'a key id alone',
    request: put({ [`${sse}-aws-kms-key-id`]: 'k' }),
    expected: { status: 400, code: 'InvalidArgument', message: texts.needsKms },
  },
  {
    row: 6,
    what: 'a context alone',
    request: put({ [`${sse}-context`]: base64('{}') }),
    expected: { status: 400, code: 'InvalidArgument', message: texts.needsKms },
  },
  {
    row: 6,
    what: 'a key id beside AES256',
    request: put({ ...sseS3, [`${sse}-aws-kms-key-id`]: 'k' }),
    expected: { status: 400, code: 'InvalidArgument', message: texts.needsKms },
  },
  {
    row: 7,
    what: 'AES256 and a customer key',
    request: put({ ...sseS3, ...sseC(keyOne) }),
    expected: invalidArgument(texts.conflict, 'AES256'),
  },
  {
    row: 7,
    what: 'aws:kms and a customer key on a copy',
    request: copy('plain', { ...sseKms(), ...sseC(keyOne) }),
    expected: invalidArgument(texts.conflict, 'aws:kms'),
  },
  {
    row: 7,
    what: 'a conflict before a wrong algorithm',
    request: put({ ...sseS3, ...sseC(keyOne), [`${customer}-algorithm`]: 'AES128' }),
    expected: invalidArgument(texts.conflict, 'AES256'),
  },
  {
    row: 8,
    what: 'another algorithm',
    request: put({ ...sseC(keyOne), [`${customer}-algorithm`]: 'AES128' }),
    expected: {
      status: 400,
      code: 'InvalidEncryptionAlgorithmError',
      message: texts.algorithm,
      fields: { ArgumentName: sse, ArgumentValue: 'AES128' },
    },
  },
  {
    row: 8,
    what: 'another algorithm for a copy source',
    request: copy('customer', { ...sourceSseC(keyOne), [`${source}-algorithm`]: 'AES' }),
    expected: {
      status: 400,
      code: 'InvalidEncryptionAlgorithmError',
      message: texts.algorithm,
      fields: { ArgumentName: sse, ArgumentValue: 'AES' },
    },
  },
  {
    row: 8,
    what: 'another algorithm on a GET',
    request: get('customer', { ...sseC(keyOne), [`${customer}-algorithm`]: 'AES' }),
    expected: { status: 400, code: 'InvalidEncryptionAlgorithmError', message: texts.algorithm },
  },
  {
    row: 8,
    what: 'another algorithm for attributes',
    request: attributes('customer', { ...sseC(keyOne), [`${customer}-algorithm`]: 'AES' }),
    expected: { status: 400, code: 'InvalidEncryptionAlgorithmError', message: texts.algorithm },
  },
  {
    row: 9,
    what: 'no algorithm',
    request: put(without(sseC(keyOne), `${customer}-algorithm`)),
    expected: invalidArgument(texts.noAlgorithm),
  },
  {
    row: 10,
    what: 'no key',
    request: put(without(sseC(keyOne), `${customer}-key`)),
    expected: invalidArgument(texts.noKey),
  },
  {
    row: 11,
    what: 'no MD5',
    request: put(without(sseC(keyOne), `${customer}-key-md5`)),
    expected: invalidArgument(texts.noMd5),
  },
  {
    row: 12,
    what: 'a short key',
    request: put({ ...sseC(keyOne), [`${customer}-key`]: base64('short') }),
    expected: invalidArgument(texts.badKey),
  },
  {
    row: 12,
    what: 'a key that is not base64',
    request: put({ ...sseC(keyOne), [`${customer}-key`]: '!'.repeat(44) }),
    expected: invalidArgument(texts.badKey),
  },
  {
    row: 13,
    what: "another key's MD5",
    request: put({ ...sseC(keyOne), [`${customer}-key-md5`]: keyTwo.md5 }),
    expected: invalidArgument(texts.badMd5),
  },
  { row: 14, what: 'a GET without the key', request: get('customer'), expected: invalidRequest(texts.needsParameters) },
  {
    row: 14,
    what: 'attributes without the key',
    request: attributes('customer'),
    expected: invalidRequest(texts.needsParameters),
  },
  {
    row: 14,
    what: 'a GET of nothing without the key',
    request: get('customer-empty'),
    expected: invalidRequest(texts.needsParameters),
  },
  {
    row: 14,
    what: 'a GET with the key as that of a copy source',
    request: get('customer', sourceSseC(keyOne)),
    expected: invalidRequest(texts.needsParameters),
  },
  ...['customer', 'customer-empty'].flatMap((name) => [
    {
      row: 15,
      what: `a GET of ${name} with the wrong key`,
      request: get(name, sseC(keyTwo)),
      expected: { status: 403, code: 'AccessDenied', message: texts.wrongKey },
    },
    {
      row: 15,
      what: `attributes of ${name} with the wrong key`,
      request: attributes(name, sseC(keyTwo)),
      expected: { status: 403, code: 'AccessDenied', message: texts.wrongKey },
    },
  ]),
  ...['plain', 'kms', 'empty'].flatMap((name) => [
    {
      row: 16,
      what: `a GET of ${name} with a customer key`,
      request: get(name, sseC(keyOne)),
      expected: invalidRequest(texts.notApplicable),
    },
    {
      row: 16,
      what: `attributes of ${name} with a customer key`,
      request: attributes(name, sseC(keyOne)),
      expected: invalidRequest(texts.notApplicable),
    },
  ]),
  {
    row: 17,
    what: 'a part without the key of its upload',
    request: part('customer', {}),
    expected: invalidRequest(texts.uploadNeedsParameters),
  },
  {
    row: 17,
    what: 'a part with a key for an upload without',
    request: part('plain', sseC(keyOne)),
    expected: invalidRequest(texts.uploadNeedsParameters),
  },
  {
    row: 18,
    what: "a part with another key than its upload's",
    request: part('customer', sseC(keyTwo)),
    expected: invalidRequest(texts.otherParameters),
  },
  {
    row: 18,
    what: 'a completion with another key',
    request: complete('checked', sseC(keyTwo)),
    expected: invalidRequest(texts.otherParameters),
  },
  {
    row: 19,
    what: 'a completion without the key where there are checksums',
    request: complete('checked', {}),
    expected: invalidRequest(texts.uploadNeedsParameters),
  },
  {
    row: 20,
    what: 'a copy without the key of its source',
    request: copy('customer', {}),
    expected: invalidRequest(texts.needsParameters),
  },
  {
    row: 20,
    what: "a copy with its source's key as that of the destination only",
    request: copy('customer', sseC(keyOne)),
    expected: invalidRequest(texts.needsParameters),
  },
  ...['plain', 'kms', 'empty'].map((name) => ({
    row: 21,
    what: `a copy of ${name} with a source key`,
    request: copy(name, sourceSseC(keyOne)),
    expected: invalidRequest(texts.notApplicable),
  })),
  ...['customer', 'customer-empty'].map((name) => ({
    row: 22,
    what: `a copy of ${name} with the wrong source key`,
    request: copy(name, sourceSseC(keyTwo)),
    expected: { status: 403, code: 'AccessDenied', message: texts.wrongKey },
  })),
  ...(
    [
      ['no base64', '%%%'],
      ['no JSON', base64('hello')],
      ['a list', base64('["a"]')],
      ['a number in it', base64('{"a":1}')],
      ['a key given twice', base64('{"a":"b","a":"c"}')],
      ['a lone surrogate', base64('{"a":"\\ud800"}')],
      ['bytes after it', base64('{"a":"b"} x')],
      ['invalid UTF-8', base64(Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d]))],
    ] as const
  ).map(([what, value]) => ({
    row: 24,
    what: `a context of ${what}`,
    request: put({ ...sseKms(), [`${sse}-context`]: value }),
    expected: { status: 400, code: 'InvalidArgument', message: texts.context },
  })),
  {
    row: 25,
    what: 'a key that does not exist',
    request: () => put(sseKms('no-such-key')),
    expected: { status: 400, code: 'KMS.NotFoundException' },
  },
  {
    row: 25,
    what: 'an impossible key id',
    request: put(sseKms('no/such key')),
    expected: { status: 400, code: 'KMS.NotFoundException', message: "Invalid keyId 'no/such key'" },
  },
  ...['GET', 'HEAD'].flatMap((method) =>
    [sseS3, sseKms()].map((headers) => ({
      row: 30,
      what: `${method} with ${headers[sse]}`,
      request: { method, bucket, name: 'plain', headers },
      expected:
        method === 'GET'
          ? {
              status: 400,
              code: 'InvalidArgument',
              message: 'x-amz-server-side-encryption header is not supported for this operation.',
              fields: { ArgumentName: sse, ArgumentValue: headers[sse] },
            }
          : { status: 400, code: '' },
    })),
  ),
  {
    row: 39,
    what: 'a customer key where the bucket blocks them',
    request: { ...put(sseC(keyOne)), bucket: 'blocking' },
    expected: { status: 403, code: 'AccessDenied' },
  },
  {
    row: 39,
    what: 'a malformed customer key where the bucket blocks them',
    request: { ...put(without(sseC(keyOne), `${customer}-key-md5`)), bucket: 'blocking' },
    expected: { status: 403, code: 'AccessDenied' },
  },
  {
    row: 39,
    what: 'a part of an upload that began before the bucket blocked customer keys',
    request: () => ({
      method: 'PUT',
      bucket: 'blocking',
      name: 'upload-blocked',
      query: { partNumber: '1', uploadId: uploads.blocked },
      headers: sseC(keyOne),
      body: 'part',
    }),
    expected: { status: 403, code: 'AccessDenied' },
  },
  {
    row: 41,
    what: 'a copy onto itself that changes nothing',
    request: copy('plain', {}, 'plain'),
    expected: invalidRequest(texts.selfCopy),
  },
]
