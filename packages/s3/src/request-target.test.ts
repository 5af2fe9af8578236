import { encodeUriPath } from '@strongroom/sigv4'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, mayRefuse } from './failure.fixture.ts'
import { isBucketName, parseRequestTarget } from './request-target.ts'

/** Any bytes, as `node:http` delivers them. */
const wireText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const domains = ['s3.example.com', 'example.com']

describe('parseRequestTarget', () => {
  it.each([
    ['/', { level: 'service' }],
    ['/bucket', { level: 'bucket', bucket: 'bucket' }],
    ['/bucket/', { level: 'bucket', bucket: 'bucket' }],
    ['/bucket/a', { level: 'object', bucket: 'bucket', name: 'a' }],
    ['/bucket//a', { level: 'object', bucket: 'bucket', name: '/a' }],
    ['/bucket/a/', { level: 'object', bucket: 'bucket', name: 'a/' }],
    ['/bucket/../x/./y//', { level: 'object', bucket: 'bucket', name: '../x/./y//' }],
    ['/bucket/%2e%2E/a', { level: 'object', bucket: 'bucket', name: '../a' }],
    ['/bucket/%2F', { level: 'object', bucket: 'bucket', name: '/' }],
    ['/bucket/a+b%20c%2B', { level: 'object', bucket: 'bucket', name: 'a+b c+' }],
    ['/bucket/%00%01%0A', { level: 'object', bucket: 'bucket', name: '\u0000\u0001\n' }],
    ['/bucket/%F0%9F%98%80%C3%BC', { level: 'object', bucket: 'bucket', name: '😀ü' }],
    ['/bu%63ket/a', { level: 'object', bucket: 'bucket', name: 'a' }],
  ])('reads %s in path style', (rawPath, target) => {
    expect(parseRequestTarget(rawPath, 'localhost:9000')).toEqual(target)
  })

  it.each([
    ['bucket.s3.example.com', '/a/b', { level: 'object', bucket: 'bucket', name: 'a/b' }],
    ['my.bucket.s3.example.com:9000', '/', { level: 'bucket', bucket: 'my.bucket' }],
    ['BUCKET.S3.Example.COM.', '/a', { level: 'object', bucket: 'bucket', name: 'a' }],
    ['s3.example.com', '/bucket/a', { level: 'object', bucket: 'bucket', name: 'a' }],
    ['other.org', '/bucket/a', { level: 'object', bucket: 'bucket', name: 'a' }],
    ['nots3.example.com', '/a', { level: 'object', bucket: 'nots3', name: 'a' }],
    ['[::1]:9000', '/bucket/a', { level: 'object', bucket: 'bucket', name: 'a' }],
    ['bucket.s3.example.com', '//a', { level: 'object', bucket: 'bucket', name: '/a' }],
  ])('reads the host %s with %s', (host, rawPath, target) => {
    expect(parseRequestTarget(rawPath, host, domains)).toEqual(target)
  })

  it.each(['', '*', 'bucket', '/bucket/%', '/bucket/%zz', '/bucket/%ff', '/bucket/%ED%A0%80', '/bucket/\u00ff'])(
    'refuses the path "%s"',
    (rawPath) => {
      expect(failure(() => parseRequestTarget(rawPath, undefined)).code).toBe('InvalidURI')
    },
  )

  it('takes names of 1,024 bytes of UTF-8 and no more', () => {
    const name = 'ü'.repeat(512)
    expect(parseRequestTarget(`/bucket/${encodeUriPath(name)}`, undefined)).toMatchObject({ name })
    const error = failure(() => parseRequestTarget(`/bucket/${encodeUriPath(`${name}a`)}`, undefined))
    expect(error).toMatchObject({ code: 'KeyTooLongError', fields: { Size: '1025', MaxSizeAllowed: '1024' } })
  })

  it('gives back any name that was encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (name) => {
        expect(parseRequestTarget(`/bucket/${encodeUriPath(name)}`, 'localhost')).toEqual({
          level: 'object',
          bucket: 'bucket',
          name,
        })
      }),
    )
  })

  it('throws nothing but S3Error', () => {
    fc.assert(
      fc.property(wireText, fc.string(), (rawPath, host) => {
        mayRefuse(() => parseRequestTarget(`/${rawPath}`, host, domains))
      }),
    )
  })
})

describe('isBucketName', () => {
  it.each(['abc', 'a-b.c', '123', 'a'.repeat(63), '1.2.3.4.5', 'a--b', '256.1.1'])('takes %s', (name) => {
    expect(isBucketName(name)).toBe(true)
  })

  it.each([
    'ab',
    'a'.repeat(64),
    'Abc',
    'a_b',
    '-abc',
    'abc-',
    '.abc',
    'abc.',
    'a..b',
    '192.168.5.4',
    'xn--abc',
    'sthree-abc',
    'amzn-s3-demo-abc',
    'abc-s3alias',
    'abc--ol-s3',
    'abc.mrap',
    'abc--x-s3',
    'abc--table-s3',
    'büc',
    'a b',
    'a/b',
    '',
  ])('refuses "%s"', (name) => {
    expect(isBucketName(name)).toBe(false)
    if (name !== '' && !name.includes('/')) {
      const rawPath = `/${encodeUriPath(name)}/a`
      expect(failure(() => parseRequestTarget(rawPath, undefined))).toMatchObject({
        code: 'InvalidBucketName',
        fields: { BucketName: name },
      })
    }
  })
})
