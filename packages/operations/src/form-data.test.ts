import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closingLength, formBoundary, readForm } from './form-data.ts'

const boundary = '----form7MA4YWxk'

/** The body in pieces of the given sizes, over and over. */
async function* pieces(body: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let offset = 0, turn = 0; offset < body.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield body.subarray(offset, offset + size)
    offset += size
  }
}

function part(disposition: string, content: Uint8Array | string, extra = ''): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${extra}\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from('\r\n')])
}

const close = Buffer.from(`--${boundary}--\r\n`)

async function read(body: Buffer, sizes: readonly number[] = [65_536]) {
  const form = await readForm(pieces(body, sizes), boundary)
  const content: Uint8Array[] = []
  for await (const piece of form.file.content) content.push(piece)
  return { ...form, content: Buffer.concat(content) }
}

describe('a browser form', () => {
  it('gives its fields and its file, however the bytes come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
        async (file, sizes) => {
          const content = Buffer.concat([
            file,
            Buffer.from('\r\n--'),
            file,
            Buffer.from(`\r\n--${boundary.slice(0, -1)}`),
          ])
          const body = Buffer.concat([
            part('name="Key"', 'a ä.txt'),
            part('name="x-amz-meta-q"', 'line 1\r\nline 2'),
            part('name="file"; filename="my \\"file\\".txt"', content, 'Content-Type: text/plain\r\n'),
            close,
          ])
          const form = await read(body, sizes)
          expect([...form.fields]).toEqual([
            ['key', 'a ä.txt'],
            ['x-amz-meta-q', 'line 1\r\nline 2'],
          ])
          expect(form.file).toMatchObject({ filename: 'my "file".txt', contentType: 'text/plain' })
          expect(form.content.equals(content)).toBe(true)
          expect(body.length - form.file.offset - closingLength(boundary)).toBe(content.length)
        },
      ),
    )
  })

  it('keeps the first of two fields of one name', async () => {
    const form = await read(
      Buffer.concat([part('name="a"', '1'), part('name="A"', '2'), part('name="file"', ''), close]),
    )
    expect([...form.fields]).toEqual([['a', '1']])
  })

  it('ignores what follows the file', async () => {
    const form = await read(Buffer.concat([part('name="file"', 'data'), part('name="late"', '1'), close]))
    expect(form.content.toString()).toBe('data')
    expect(form.fields.size).toBe(0)
  })

  const refused: readonly (readonly [what: string, code: string, body: Buffer])[] = [
    ['without a file', 'IncorrectNumberOfFilesInPostRequest', Buffer.concat([part('name="a"', '1'), close])],
    ['that is empty', 'MalformedPOSTRequest', Buffer.alloc(0)],
    ['with another boundary', 'MalformedPOSTRequest', Buffer.from('--other-boundary-than-that\r\n\r\n')],
    ['that ends inside a header', 'MalformedPOSTRequest', Buffer.from(`--${boundary}\r\nContent-Disp`)],
    ['that ends inside a field', 'MalformedPOSTRequest', part('name="a"', '1')],
    ['that ends inside the file', 'MalformedPOSTRequest', part('name="file"', 'x'.repeat(500))],
    ['with a field without a name', 'MalformedPOSTRequest', Buffer.concat([part('filename="a"', '1'), close])],
    [
      'with a field that is not UTF-8',
      'MalformedPOSTRequest',
      Buffer.concat([part('name="a"', Buffer.from([0xff])), close]),
    ],
    ['with an endless header', 'MalformedPOSTRequest', part('name="a"', '', `X: ${'x'.repeat(9000)}\r\n`)],
    ['with a field of 22,000 bytes', 'MaxPostPreDataLengthExceeded', part('name="a"', 'x'.repeat(22_000))],
    [
      'with many fields that are too long together',
      'MaxPostPreDataLengthExceeded',
      Buffer.concat([part('name="a"', 'x'.repeat(15_000)), part('name="b"', 'x'.repeat(15_000)), close]),
    ],
    [
      'with hundreds of fields',
      'MaxPostPreDataLengthExceeded',
      Buffer.concat(Array.from({ length: 300 }, (_, n) => part(`name="n${n}"`, ''))),
    ],
  ]
  for (const [what, code, body] of refused) {
    it(`${what} is refused as ${code}`, async () => {
      await expect(read(body, [1000])).rejects.toMatchObject({ code })
    })
  }

  it('never throws anything but an S3 error for arbitrary bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), async (tail, size) => {
        const body = Buffer.concat([part('name="a"', '1'), tail])
        const outcome = await read(body, [size]).catch((error: unknown) => error)
        expect(outcome).toMatchObject({ code: expect.any(String) })
      }),
    )
  })
})

describe('the boundary of a form', () => {
  const cases: readonly (readonly [contentType: string, boundary: string | undefined])[] = [
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=utf-8; BOUNDARY="a b:c"', 'a b:c'],
    ['multipart/form-data', undefined],
    ['multipart/form-data; boundary=', undefined],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, undefined],
    ['multipart/form-data; boundary=a\u0001b', undefined],
    ['application/x-www-form-urlencoded; boundary=abc', undefined],
  ]
  for (const [contentType, expected] of cases) {
    it(`in ${JSON.stringify(contentType.slice(0, 60))} is ${expected ?? 'none'}`, () => {
      expect(formBoundary(contentType)).toBe(expected)
    })
  }
})
