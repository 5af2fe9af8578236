/**
 * The page on S3 compatibility: every operation of AWS's API, whether it is served, and what Ceph's test suite says of it;
 * and where `compatibility: ceph` answers otherwise (server-side-encryption.md section 12, rows 22 to 27, and three more
 * that the suite needs).
 *
 * @module
 */
import { operationNames } from '@strongroom/operations'

/** Operations of AWS's API that need not be served, by what they are about. A test compares them with the AWS SDK's. */
export const otherOperations: Readonly<Record<string, readonly string[]>> = {
  'access control': [
    'DeleteBucketOwnershipControls',
    'DeleteBucketPolicy',
    'DeletePublicAccessBlock',
    'GetBucketAbac',
    'GetBucketOwnershipControls',
    'GetBucketPolicy',
    'GetBucketPolicyStatus',
    'GetPublicAccessBlock',
    'PutBucketAbac',
    'PutBucketOwnershipControls',
    'PutBucketPolicy',
    'PutPublicAccessBlock',
  ],
  'object lock': [
    'GetObjectLegalHold',
    'GetObjectLockConfiguration',
    'GetObjectRetention',
    'PutObjectLegalHold',
    'PutObjectLockConfiguration',
    'PutObjectRetention',
  ],
  'lifecycle, replication, notification': [
    'DeleteBucketLifecycle',
    'DeleteBucketReplication',
    'GetBucketLifecycleConfiguration',
    'GetBucketNotificationConfiguration',
    'GetBucketReplication',
    'PutBucketLifecycleConfiguration',
    'PutBucketNotificationConfiguration',
    'PutBucketReplication',
    'RestoreObject',
  ],
  'web sites and other origins': [
    'DeleteBucketCors',
    'DeleteBucketWebsite',
    'GetBucketCors',
    'GetBucketWebsite',
    'PutBucketCors',
    'PutBucketWebsite',
  ],
  'reports, metrics, logging, payment': [
    'DeleteBucketAnalyticsConfiguration',
    'DeleteBucketIntelligentTieringConfiguration',
    'DeleteBucketInventoryConfiguration',
    'DeleteBucketMetricsConfiguration',
    'GetBucketAccelerateConfiguration',
    'GetBucketAnalyticsConfiguration',
    'GetBucketIntelligentTieringConfiguration',
    'GetBucketInventoryConfiguration',
    'GetBucketLogging',
    'GetBucketMetricsConfiguration',
    'GetBucketRequestPayment',
    'ListBucketAnalyticsConfigurations',
    'ListBucketIntelligentTieringConfigurations',
    'ListBucketInventoryConfigurations',
    'ListBucketMetricsConfigurations',
    'PutBucketAccelerateConfiguration',
    'PutBucketAnalyticsConfiguration',
    'PutBucketIntelligentTieringConfiguration',
    'PutBucketInventoryConfiguration',
    'PutBucketLogging',
    'PutBucketMetricsConfiguration',
    'PutBucketRequestPayment',
  ],
  'metadata tables, annotations': [
    'CreateBucketMetadataConfiguration',
    'CreateBucketMetadataTableConfiguration',
    'DeleteBucketMetadataConfiguration',
    'DeleteBucketMetadataTableConfiguration',
    'DeleteObjectAnnotation',
    'GetBucketMetadataConfiguration',
    'GetBucketMetadataTableConfiguration',
    'GetObjectAnnotation',
    'ListObjectAnnotations',
    'PutObjectAnnotation',
    'UpdateBucketMetadataAnnotationTableConfiguration',
    'UpdateBucketMetadataInventoryTableConfiguration',
    'UpdateBucketMetadataJournalTableConfiguration',
  ],
  'directory buckets, Select, torrents and more': [
    'CreateSession',
    'GetObjectTorrent',
    'ListDirectoryBuckets',
    'RenameObject',
    'SelectObjectContent',
    'UpdateObjectEncryption',
    'WriteGetObjectResponse',
  ],
}

const differences: readonly (readonly [topic: string, aws: string, ceph: string])[] = [
  ['GET with another SSE-C key than the one used', '403', '400'],
  ['UploadPart with another SSE-C key than the upload', '400', '400'],
  ['GetBucketEncryption of a bucket without a rule', 'the deployment default, `AES256`', '404'],
  ['PutBucketEncryption with a key that does not exist', '200', '200'],
  ['`aws:kms` without a key id', 'the default key', 'refused'],
  ['CompleteMultipartUpload of an SSE-C upload', 'needs no key', 'needs the key'],
  ['SSE headers on UploadPart', 'refused', 'accepted silently'],
  ['ETag of a part of an SSE-C or SSE-KMS upload that is sent again unchanged', 'another', 'the same'],
  ['GET of a part number that is not there', '416, after the key was checked', '400 `InvalidPart`, before'],
  ['browser forms signed with Signature Version 2', 'refused', 'accepted'],
  ['entity tags in `If-None-Match` of a write (`*` is taken by both)', '501', 'a condition'],
  [
    'deletes by `x-amz-if-match-size`, `x-amz-if-match-last-modified-time`, and by `Size` and `LastModifiedTime` of DeleteObjects',
    '501 (directory buckets have them)',
    'conditions',
  ],
]

const beyondAws: readonly string[] = [
  'Storage that is full is told as 507 `XMinioStorageFull` (docs/adr/0013-full-storage-is-507.md).',
  'A page of ListObjects that ended early behind very many delete markers has a `NextMarker` without a delimiter, too.',
]

/** Operations that answer as AWS does for a bucket that has no such thing, and no bucket has. */
const answersAbsent: ReadonlySet<string> = new Set([
  'GetObjectLegalHold',
  'GetObjectLockConfiguration',
  'GetObjectRetention',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
])

const isNotServed = (name: string): boolean => !operationNames.includes(name)

/** What `tests/compat/s3-tests.json` holds of a run of Ceph's suite. */
export interface SuiteResults {
  /** Repository, file and commit. */
  readonly suite: string
  readonly passed: readonly string[]
  /** Items by the reason why they fail. */
  readonly failed: Readonly<Record<string, readonly string[]>>
  readonly skipped: readonly string[]
  /** Items by the operation that they are about. */
  readonly about: Readonly<Record<string, readonly string[]>>
}

interface Row {
  passed: number
  failed: number
  readonly reasons: Map<string, number>
}

function rowsByOperation({ passed, failed, about }: SuiteResults): ReadonlyMap<string, Row> {
  const reasons = new Map(Object.entries(failed).flatMap(([reason, items]) => items.map((item) => [item, reason])))
  const passing = new Set(passed)
  const rows = new Map<string, Row>()
  for (const [operation, items] of Object.entries(about)) {
    const row: Row = { passed: 0, failed: 0, reasons: new Map() }
    rows.set(operation, row)
    for (const item of items) {
      const reason = reasons.get(item)
      if (passing.has(item)) row.passed += 1
      if (reason === undefined) continue
      row.failed += 1
      row.reasons.set(reason, (row.reasons.get(reason) ?? 0) + 1)
    }
  }
  return rows
}

function describeOperation(name: string, isServed: boolean, row: Row | undefined): string {
  const served = answersAbsent.has(name) ? 'as for a bucket without' : isServed ? 'yes' : 'no'
  const why = [...(row?.reasons ?? [])]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([reason, count]) => `${reason}${count === row?.failed ? '' : ` (${count})`}`)
  return `| ${name} | ${served} | ${row?.passed ?? 0} | ${row?.failed ?? 0} | ${why.join('; ')} |`
}

function describeSuite(suite: SuiteResults): string[] {
  const rows = rowsByOperation(suite)
  const others = [...rows.keys()].filter(isNotServed)
  const failures = Object.entries(suite.failed)
  const failed = failures.reduce((sum, [, items]) => sum + items.length, 0)
  return [
    `Of the items of [Ceph's suite](https://github.com/ceph/s3-tests) (${suite.suite}), run with \`npm run s3-tests\` under \`compatibility: ceph\`, ${suite.passed.length} pass, ${failed} fail and ${suite.skipped.length} are skipped by the suite itself. \`tests/compat/s3-tests.json\` names each.`,
    '',
    '## By operation',
    '',
    'An item counts for the operation that it is about: of those that it calls, the one that the fewest items call. Of the operations that are not served only those have a row that an item is about.',
    '',
    '| operation | served | items that pass | items that fail | why these fail |',
    '|---|---|---|---|---|',
    ...operationNames.map((name) => describeOperation(name, true, rows.get(name))),
    ...others.map((name) => describeOperation(name, false, rows.get(name))),
    '',
    '## Why items fail',
    '',
    '| why | items |',
    '|---|---|',
    ...failures.sort(([, a], [, b]) => b.length - a.length).map(([reason, items]) => `| ${reason} | ${items.length} |`),
    '',
  ]
}

/** Ends with a line break. */
export function describeCompatibility(suite: SuiteResults): string {
  const lines = [
    '# S3 compatibility',
    '',
    'Generated by `npm run docs` from the table of operations, `packages/server/src/s3-compatibility.ts` and `tests/compat/s3-tests.json`. What the operations do in detail is tested over the network in `tests/acceptance`, and with clients in `tests/compat`.',
    '',
    `${operationNames.length} operations of AWS's API are served, ${answersAbsent.size} of them as AWS serves them for a bucket without object lock, which no bucket has.`,
    '',
    ...describeSuite(suite),
    '## Not served',
    '',
    'Answered with `NotImplemented` (501), never with a wrong success.',
    '',
    '| about | operations |',
    '|---|---|',
    ...Object.entries(otherOperations)
      .map(([about, names]) => [about, names.filter(isNotServed).join(', ')] as const)
      .filter(([, names]) => names !== '')
      .map(([about, names]) => `| ${about} | ${names} |`),
    '',
    '## Beyond AWS',
    '',
    ...beyondAws.map((line) => `- ${line}`),
    '',
    '## Where AWS and Ceph differ',
    '',
    'The setting `compatibility` chooses; it switches these and nothing else.',
    '',
    '| case | `aws` (default) | `ceph` |',
    '|---|---|---|',
    ...differences.map((row) => `| ${row.join(' | ')} |`),
  ]
  return `${lines.join('\n')}\n`
}
