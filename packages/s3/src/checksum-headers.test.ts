import { createHash } from 'node:crypto'
import { loadChecksums } from '@strongroom/crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  addChecksumHeaders,
  parseChecksumAlgorithm,
  parseCompleteChecksum,
  parseContentMd5,
  parseRequestChecksum,
  parseTrailerChecksum,
  parseUploadChecksum,
  wantsChecksum,
} from './checksum-headers.ts'
import { checkDocumentDigest } from './document-digest.ts'
import { failure, mayRefuse } from './failure.fixture.ts'

const crc32 = 'NhCmhg=='

describe('parseRequestChecksum', () => {
  it('finds none, one in a header, one in the trailer', () => {
    expect(parseRequestChecksum({ 'x-amz-checksum-mode': 'ENABLED' })).toBeUndefined()
    expect(parseRequestChecksum({ 'x-amz-checksum-crc32': crc32, 'x-amz-sdk-checksum-algorithm': 'crc32' })).toEqual({
      algorithm: 'CRC32',
      value: Buffer.from(crc32, 'base64'),
    })
    expect(parseRequestChecksum({ 'x-amz-sdk-checksum-algorithm': 'SHA256' }, ['x-amz-checksum-sha256'])).toEqual({
      algorithm: 'SHA256',
      value: undefined,
    })
  })

  it.each<[string, Record<string, string>, string[], string, string]>([
    [
      'two headers',
      { 'x-amz-checksum-crc32': crc32, 'x-amz-checksum-crc32c': crc32 },
      [],
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    ],
    [
      'a header and a trailer',
      { 'x-amz-checksum-crc32': crc32 },
      ['x-amz-checksum-crc32'],
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    ],
    [
      'a wrong length',
      { 'x-amz-checksum-sha1': crc32 },
      [],
      'InvalidRequest',
      'Value for x-amz-checksum-sha1 header is invalid.',
    ],
    [
      'loose base64',
      { 'x-amz-checksum-crc32': 'NhCmhg' },
      [],
      'InvalidRequest',
      'Value for x-amz-checksum-crc32 header is invalid.',
    ],
    [
      'an algorithm that was announced only',
      { 'x-amz-sdk-checksum-algorithm': 'CRC32' },
      [],
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    ],
    [
      'an algorithm that is another',
      { 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': crc32 },
      [],
      'InvalidRequest',
      'Value for x-amz-sdk-checksum-algorithm header is invalid.',
    ],
    [
      'another trailer',
      {},
      ['x-amz-meta-a'],
      'InvalidRequest',
      'The value specified in the x-amz-trailer header is not supported',
    ],
  ])('refuses %s', (_, headers, trailers, code, message) => {
    expect(failure(() => parseRequestChecksum(headers, trailers))).toMatchObject({ code, clientMessage: message })
  })

  it('does not ignore a checksum that it cannot check', () => {
    expect(failure(() => parseRequestChecksum({ 'x-amz-checksum-sha512': 'x' })).code).toBe('NotImplemented')
    expect(failure(() => parseRequestChecksum({}, ['x-amz-checksum-xxhash64'])).code).toBe('NotImplemented')
  })

  it('throws nothing but S3Error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => mayRefuse(() => parseRequestChecksum({ 'x-amz-checksum-crc64nvme': text }))),
    )
  })
})

describe('checksums of uploads', () => {
  it('have a type that goes with the algorithm', () => {
    const parse = (algorithm?: string, type?: string) =>
      parseUploadChecksum({ 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type })
    expect(parse()).toBeUndefined()
    expect(parse('CRC32')).toEqual({ algorithm: 'CRC32', type: 'COMPOSITE' })
    expect(parse('crc64nvme')).toEqual({ algorithm: 'CRC64NVME', type: 'FULL_OBJECT' })
    expect(parse('CRC32C', 'FULL_OBJECT')).toEqual({ algorithm: 'CRC32C', type: 'FULL_OBJECT' })
    for (const [algorithm, type] of [
      ['SHA1', 'FULL_OBJECT'],
      ['CRC64NVME', 'COMPOSITE'],
      [undefined, 'COMPOSITE'],
      ['CRC32', 'x'],
      ['MD5', undefined],
    ]) {
      expect(failure(() => parse(algorithm, type)).code).toBe('InvalidRequest')
    }
    expect(parseChecksumAlgorithm(undefined)).toBeUndefined()
  })

  it('of Complete may be composite', () => {
    expect(parseCompleteChecksum({})).toBeUndefined()
    expect(parseCompleteChecksum({ 'x-amz-checksum-crc32': `${crc32}-3` })).toEqual({
      algorithm: 'CRC32',
      value: `${crc32}-3`,
    })
    for (const value of [`${crc32}-0`, `${crc32}-`, `${crc32}-x`, 'x-1', `${crc32}-999999`]) {
      expect(failure(() => parseCompleteChecksum({ 'x-amz-checksum-crc32': value })).code).toBe('InvalidRequest')
    }
    const two = { 'x-amz-checksum-crc32': crc32, 'x-amz-checksum-crc32c': crc32 }
    expect(failure(() => parseCompleteChecksum(two)).code).toBe('InvalidRequest')
  })
})

describe('other checksum headers', () => {
  it('Content-MD5 is 16 bytes', () => {
    expect(parseContentMd5(undefined)).toBeUndefined()
    expect(parseContentMd5('1B2M2Y8AsgTpgAmY7PhCfg==')?.length).toBe(16)
    for (const value of ['', 'x', crc32, '1B2M2Y8AsgTpgAmY7PhCfg']) {
      expect(failure(() => parseContentMd5(value)).code).toBe('InvalidDigest')
    }
  })

  it('are answered on request', () => {
    expect(wantsChecksum({ 'x-amz-checksum-mode': 'enabled' })).toBe(true)
    expect(wantsChecksum({})).toBe(false)
    const headers: Record<string, string> = {}
    addChecksumHeaders(headers, undefined)
    expect(headers).toEqual({})
    addChecksumHeaders(headers, { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: 'v' })
    expect(headers).toEqual({ 'x-amz-checksum-crc64nvme': 'v', 'x-amz-checksum-type': 'FULL_OBJECT' })
  })

  it('a trailer must hold what was announced', () => {
    expect(parseTrailerChecksum('CRC32', new Map([['x-amz-checksum-crc32', crc32]]))).toEqual(
      Buffer.from(crc32, 'base64'),
    )
    expect(failure(() => parseTrailerChecksum('CRC32', new Map())).code).toBe('InvalidArgument')
  })
})

describe('checkDocumentDigest', () => {
  beforeAll(loadChecksums)
  const body = Buffer.from('hello')
  const md5 = createHash('md5').update(body).digest('base64')
  const none = new Map<string, string>()

  it('passes a document with the right digest, however it is sent', () => {
    checkDocumentDigest(body, { 'content-md5': md5 }, none, { required: true })
    checkDocumentDigest(body, { 'x-amz-checksum-crc32': crc32 }, none, { required: true })
    checkDocumentDigest(body, { 'x-amz-checksum-crc32c': 'mnG7TA==' }, none, { required: true })
    checkDocumentDigest(body, {}, new Map([['x-amz-checksum-crc32', crc32]]), { required: true })
    checkDocumentDigest(body, {}, none, { required: false })
  })

  it('refuses a document with a wrong one, or with none where one is needed', () => {
    const other = Buffer.from('hellO')
    expect(failure(() => checkDocumentDigest(other, { 'content-md5': md5 }, none, { required: true })).code).toBe(
      'BadDigest',
    )
    expect(
      failure(() => checkDocumentDigest(other, {}, new Map([['x-amz-checksum-crc32', crc32]]), { required: true })),
    ).toMatchObject({
      code: 'BadDigest',
      clientMessage: 'The CRC32 you specified did not match the calculated checksum.',
    })
    expect(failure(() => checkDocumentDigest(body, {}, none, { required: true })).clientMessage).toBe(
      'Missing required header for this request: Content-MD5',
    )
  })
})
