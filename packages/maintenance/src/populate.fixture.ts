/**
 * Fills a deployment with something of everything: modes, sizes, copies, versions, multipart objects, running uploads.
 *
 * @module
 */

import type { Bucket } from '@strongroom/engine'
import { blobBytes, clientKey, type TestDeployment } from './test-deployment.fixture.ts'

export interface Populated {
  /** Without versioning. */
  readonly plain: Bucket
  readonly versioned: Bucket
  /** Versioning was enabled and is suspended. */
  readonly suspended: Bucket
}

/** Metadata that does not fit its record. */
export const largeMetadata = new Map(Array.from({ length: 12 }, (_, i) => [`name-${i}`, 'ä'.repeat(400)]))

export async function populate(test: TestDeployment): Promise<Populated> {
  const plain = await test.bucket('plain')
  await test.put(plain, 'empty', 0)
  await test.put(plain, 'inline', 10)
  await test.put(plain, 'blob', blobBytes)
  await test.put(plain, 'kms', blobBytes, { mode: 'sse-kms', context: new Map([['team', 'blue']]) })
  await test.put(plain, 'dual', blobBytes, { mode: 'dsse-kms' })
  await test.put(plain, 'dual-inline', 10, { mode: 'dsse-kms' })
  await test.copy(plain, 'dual', 'dual-copy', { encryption: { mode: 'dsse-kms' } })
  await test.put(plain, 'customer', blobBytes, clientKey(7))
  await test.put(plain, 'large-metadata', 10, { mode: 'default' }, largeMetadata)
  await test.copy(plain, 'inline', 'inline-copy')
  await test.copy(plain, 'blob', 'blob-copy')
  await test.multipart(plain, 'multipart')
  await test.multipart(plain, 'multipart-kms', { mode: 'sse-kms' })
  await test.multipart(plain, 'multipart-dual', { mode: 'dsse-kms' })
  await test.copy(plain, 'multipart-kms', 'multipart-kms-copy', { encryption: { mode: 'sse-kms' } })
  const target = await test.startUpload(plain, 'running')
  await test.uploadPart(target, 1, blobBytes)
  await test.uploadPart(target, 2, 100)
  const aborted = await test.startUpload(plain, 'aborted')
  await test.uploadPart(aborted, 1, blobBytes)
  await test.engine.abortUpload(aborted)
  const versioned = await populateVersions(test)
  const suspended = await populateNullVersions(test)
  await test.engine.createBucket({ requester: { accountId: '200000000002', isRootAccount: false }, name: 'foreign' })
  await test.engine.idle()
  return { plain, versioned, suspended }
}

async function populateVersions(test: TestDeployment): Promise<Bucket> {
  const unversioned = await test.bucket('versioned')
  await test.put(unversioned, 'from-before', 10)
  const versioned = await test.engine.changeBucket(unversioned, { versioning: 'enabled' })
  await test.put(versioned, 'from-before', 20)
  for (const size of [10, blobBytes, 0]) await test.put(versioned, 'three', size)
  await test.put(versioned, 'deleted', blobBytes)
  await test.engine.deleteObject({ bucket: versioned, name: 'deleted' })
  await test.multipart(versioned, 'multipart')
  return versioned
}

async function populateNullVersions(test: TestDeployment): Promise<Bucket> {
  const enabled = await test.bucket('suspended', 'enabled')
  await test.put(enabled, 'named', 10)
  const suspended = await test.engine.changeBucket(enabled, { versioning: 'suspended' })
  await test.put(suspended, 'named', 20)
  await test.put(suspended, 'named', 30)
  const again = await test.engine.changeBucket(suspended, { versioning: 'enabled' })
  await test.put(again, 'named', 40)
  return test.engine.changeBucket(again, { versioning: 'suspended' })
}
