/**
 * The first thing that has to work: the AWS SDK for JavaScript puts, gets and lists over TLS under every encryption.
 *
 * @module
 */

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pattern, sameBytes } from '../support/pattern.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const bucket = 'smoke'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
  await server.sdk.send(new CreateBucketCommand({ Bucket: bucket }))
})

afterAll(async () => {
  await server?.stop()
})

describe('the AWS SDK', () => {
  const key = Buffer.alloc(32, 7)
  const encryptions = [
    ['the default', {}, {}],
    ['SSE-S3', { ServerSideEncryption: 'AES256' }, {}],
    ['SSE-KMS', { ServerSideEncryption: 'aws:kms' }, {}],
    [
      'SSE-C',
      { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64') },
      { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64') },
    ],
  ] as const

  for (const [name, write, read] of encryptions) {
    it.each([0, 5, 70_000, 3_000_000])(`puts and gets %d bytes under ${name}`, async (size) => {
      const Key = `${name}/${size}`
      const body = pattern(size)
      const written = await server.sdk.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key,
          Body: body,
          ContentType: 'text/x',
          Metadata: { a: 'b' },
          ...write,
        }),
      )
      const found = await server.sdk.send(new GetObjectCommand({ Bucket: bucket, Key, ...read }))
      expect(sameBytes((await found.Body?.transformToByteArray()) ?? Buffer.alloc(0), body)).toBe('same')
      expect(found).toMatchObject({
        ContentType: 'text/x',
        Metadata: { a: 'b' },
        ETag: written.ETag,
        ContentLength: size,
      })
      const head = await server.sdk.send(new HeadObjectCommand({ Bucket: bucket, Key, ...read }))
      expect(head).toMatchObject({
        ContentType: 'text/x',
        Metadata: { a: 'b' },
        ETag: written.ETag,
        ContentLength: size,
      })
    })
  }

  it('lists and deletes', async () => {
    const listed = await server.sdk.send(new ListObjectsV2Command({ Bucket: bucket, Delimiter: '/' }))
    expect(listed.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual([
      'SSE-C/',
      'SSE-KMS/',
      'SSE-S3/',
      'the default/',
    ])
    await server.sdk.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'SSE-C/0' }))
    const all = await server.sdk.send(new ListObjectsV2Command({ Bucket: bucket }))
    expect(all.KeyCount).toBe(15)
    const Objects = (all.Contents ?? []).map(({ Key }) => ({ Key: Key ?? '' }))
    const deleted = await server.sdk.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
    expect(deleted.Deleted?.length).toBe(15)
    expect(deleted.Errors ?? []).toEqual([])
  })

  it('sees its buckets and removes an empty one', async () => {
    await server.sdk.send(new CreateBucketCommand({ Bucket: 'short-lived' }))
    const { Buckets, Owner } = await server.sdk.send(new ListBucketsCommand({}))
    expect(Buckets?.map(({ Name }) => Name)).toContain('short-lived')
    expect(Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
    await server.sdk.send(new DeleteBucketCommand({ Bucket: 'short-lived' }))
    const after = await server.sdk.send(new ListBucketsCommand({}))
    expect(after.Buckets?.map(({ Name }) => Name)).not.toContain('short-lived')
  })
})
