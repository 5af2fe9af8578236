import { describe, expect, it } from 'vitest'
import { AwsChunkedDecoder, type AwsChunkedOptions, parseDecodedLength, parseTrailerNames } from './aws-chunked.ts'
import { examples, scope, secret, signOptions } from './aws-examples.fixture.ts'
import { formatScope } from './credential-scope.ts'
import { chunkSigning, encodeChunks, signRequest } from './sign.ts'
import { deriveSigningKey } from './signing-key.ts'

const signing = {
  signingKey: deriveSigningKey(secret, scope),
  timestamp: examples.timestamp,
  scope: formatScope(scope),
  seedSignature: '0'.repeat(64),
}

function bytes(length: number, value = 0x61): Uint8Array {
  return new Uint8Array(length).fill(value)
}

function encode(...encoding: Parameters<typeof encodeChunks>): Buffer {
  return Buffer.concat([...encodeChunks(...encoding)])
}

function decode(body: Uint8Array, options: AwsChunkedOptions, pieceSize = body.length) {
  const decoder = new AwsChunkedDecoder(options)
  const out: Uint8Array[] = []
  for (let offset = 0; offset < body.length; offset += pieceSize) {
    out.push(...decoder.push(body.subarray(offset, offset + pieceSize)))
  }
  return { trailers: decoder.end(), payload: Buffer.concat(out) }
}

describe('published examples', () => {
  it.each([
    ['chunked', examples.chunked],
    ['chunked with trailer', examples.chunkedWithTrailer],
  ])('encodes and decodes the %s upload with the documented signatures', (_, example) => {
    const payloadHash = String(example.headers['x-amz-content-sha256'])
    const { 'content-length': contentLength, ...rest } = example.headers
    const signed = signRequest({ ...example, headers: rest }, { ...signOptions, payloadHash })
    // The first example signs content-length as well, which our signer leaves to the HTTP stack.
    if (contentLength === undefined) expect(signed.signature).toBe(example.seedSignature)
    const chain = { ...chunkSigning(signed, signOptions), seedSignature: example.seedSignature }
    const body = encode(
      example.chunkSizes.map((size) => bytes(size)),
      chain,
      example.trailers,
    )
    const text = body.toString('latin1')
    for (const signature of example.chunkSignatures) expect(text).toContain(`;chunk-signature=${signature}\r\n`)
    if (example.trailerSignature !== undefined) expect(text).toContain(example.trailerSignature)
    const trailerNames = Object.keys(example.trailers ?? {})
    const decoded = decode(body, { decodedLength: 66_560, trailerNames, signing: chain }, 1000)
    expect(decoded.payload.equals(bytes(66_560))).toBe(true)
    expect(Object.fromEntries(decoded.trailers)).toEqual(example.trailers ?? {})
  })
})

describe('AwsChunkedDecoder', () => {
  const body = encode([bytes(10_000), bytes(9000, 0x62), bytes(5, 0x63)], signing)
  const options = { decodedLength: 19_005, trailerNames: [], signing }

  it('gives the payload however the body is cut into pieces', () => {
    for (const size of [1, 2, 3, 7, 100, 8191, body.length]) {
      expect(decode(body, options, size).payload.subarray(-6).toString()).toBe('bccccc')
    }
  })

  it('refuses every single changed byte of a signed body', () => {
    const small = encode([bytes(40)], signing)
    for (let index = 0; index < small.length; index++) {
      const altered = Buffer.from(small)
      altered[index] = (altered[index] ?? 0) ^ 1
      expect(() => decode(altered, { ...options, decodedLength: 40 })).toThrow()
    }
  })

  it('refuses a body cut off anywhere', () => {
    const small = encode([bytes(40)], signing, { 'x-amz-checksum-crc32': 'AAAAAA==' })
    for (let length = 0; length < small.length; length++) {
      const trailerNames = ['x-amz-checksum-crc32']
      expect(() => decode(small.subarray(0, length), { ...options, trailerNames, decodedLength: 40 }, 7)).toThrow()
    }
  })

  it('releases no byte of a chunk whose signature is wrong', () => {
    const altered = Buffer.from(body)
    const secondChunk = altered.indexOf('b'.repeat(100))
    altered[secondChunk + 8000] = 0x61
    const decoder = new AwsChunkedDecoder(options)
    const released: Uint8Array[] = []
    expect(() => {
      for (let offset = 0; offset < altered.length; offset += 500)
        released.push(...decoder.push(altered.subarray(offset, offset + 500)))
    }).toThrow(expect.objectContaining({ code: 'SignatureDoesNotMatch' }))
    expect(Buffer.concat(released).equals(bytes(10_000))).toBe(true)
    expect(() => decoder.push(bytes(1))).toThrow()
  })

  it('streams chunks above one mebibyte and still fails at their end', () => {
    const large = encode([bytes(2_000_000)], signing)
    expect(decode(large, { ...options, decodedLength: 2_000_000 }, 65_536).payload.length).toBe(2_000_000)
    large[1_500_000] = 0
    expect(() => decode(large, { ...options, decodedLength: 2_000_000 }, 65_536)).toThrow(
      expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
    )
  })

  it('refuses chunks swapped with one another', () => {
    const swapped = encode([bytes(10_000)], signing)
    const other = encode([bytes(9000, 0x62)], signing)
    const chunk = (encoded: Buffer) => encoded.subarray(0, encoded.lastIndexOf('\r\n0;'))
    const tail = body.subarray(body.lastIndexOf('\r\n5;') + 2)
    const mixed = Buffer.concat([chunk(other), Buffer.from('\r\n'), chunk(swapped), Buffer.from('\r\n'), tail])
    expect(() => decode(mixed, options)).toThrow(expect.objectContaining({ code: 'SignatureDoesNotMatch' }))
  })

  it('wants exactly the announced length', () => {
    for (const decodedLength of [19_004, 19_006, 0]) {
      expect(() => decode(body, { ...options, decodedLength })).toThrow(
        expect.objectContaining({ code: 'IncompleteBody' }),
      )
    }
  })

  it('takes an empty body', () => {
    expect(decode(encode([], signing), { ...options, decodedLength: 0 }).payload.length).toBe(0)
  })

  it('refuses small signed chunks before the last', () => {
    const small = encode([bytes(100), bytes(100)], signing)
    expect(() => decode(small, { ...options, decodedLength: 200 })).toThrow(
      expect.objectContaining({ code: 'InvalidChunkSizeError' }),
    )
  })

  it.each([
    ['no digits', ';chunk-signature=00\r\n'],
    ['a sign', '-1\r\n'],
    ['a space', ' 5\r\n'],
    ['a prefix', '0x5\r\n'],
    ['a bare line feed', '5\naaaaa\r\n0\r\n\r\n'],
    ['a size beyond all bounds', 'fffffffffffffffff\r\n'],
    ['no line end in 8 KiB', '0'.repeat(9000)],
    ['payload longer than its chunk', '5\r\naaaaaa\r\n0\r\n\r\n'],
  ])('refuses a chunk header with %s', (_, text) => {
    const unsigned = { decodedLength: 5, trailerNames: [], signing: undefined }
    expect(() => decode(Buffer.from(text, 'latin1'), unsigned)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    )
  })
})

describe('trailers', () => {
  const unsigned = { decodedLength: 5, trailerNames: ['x-amz-checksum-crc32'], signing: undefined }
  const start = '5\r\nhello\r\n0\r\n'

  it.each([
    ['CRLF', 'x-amz-checksum-crc32:NhCmhg==\r\n\r\n'],
    ['LF and empty lines, as minio-go writes', 'x-amz-checksum-crc32:NhCmhg==\n\r\n\r\n'],
    ['capitals and spaces', 'X-Amz-Checksum-Crc32: NhCmhg== \r\n\r\n'],
  ])('are read with %s', (_, section) => {
    for (const size of [1, 1000]) {
      const { trailers } = decode(Buffer.from(start + section), unsigned, size)
      expect(trailers.get('x-amz-checksum-crc32')).toBe('NhCmhg==')
    }
  })

  it.each([
    ['missing', '\r\n', 'MalformedTrailerError'],
    ['not announced', 'x-amz-checksum-crc32:a\r\nx-amz-meta-a:b\r\n\r\n', 'MalformedTrailerError'],
    ['repeated', 'x-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:a\r\n\r\n', 'MalformedTrailerError'],
    ['without a colon', 'x-amz-checksum-crc32\r\n\r\n', 'MalformedTrailerError'],
    ['too long', `x-amz-checksum-crc32:${'a'.repeat(20_000)}\r\n\r\n`, 'MalformedTrailerError'],
    ['cut off', 'x-amz-checksum-crc32:a\r\n', 'IncompleteBody'],
  ])('that are %s are refused', (_, section, code) => {
    expect(() => decode(Buffer.from(start + section), unsigned)).toThrow(expect.objectContaining({ code }))
  })

  it('of a signed body must be signed', () => {
    const signedOptions = { ...unsigned, signing }
    const body = encode([Buffer.from('hello')], signing, { 'x-amz-checksum-crc32': 'NhCmhg==' }).toString('latin1')
    expect(decode(Buffer.from(body), signedOptions).trailers.size).toBe(1)
    const altered = body.replace('NhCmhg==', 'NhCmhQ==')
    expect(() => decode(Buffer.from(altered), signedOptions)).toThrow(
      expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
    )
    const bare = body.replace(/x-amz-trailer-signature:.*\r\n/, '')
    expect(() => decode(Buffer.from(bare), signedOptions)).toThrow(
      expect.objectContaining({ code: 'MalformedTrailerError' }),
    )
  })
})

describe('streaming headers', () => {
  it('must give a decoded length', () => {
    expect(parseDecodedLength('66560')).toBe(66_560)
    expect(() => parseDecodedLength(undefined)).toThrow(expect.objectContaining({ code: 'MissingContentLength' }))
    for (const value of ['-1', '1e3', '0x10', ' 1', '9999999999999999']) {
      expect(() => parseDecodedLength(value)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
    }
  })

  it('announce trailers in lower case, once each', () => {
    expect(parseTrailerNames('X-Amz-Checksum-CRC32, x-amz-checksum-crc32 ,')).toEqual(['x-amz-checksum-crc32'])
    expect(parseTrailerNames(undefined)).toEqual([])
  })
})
