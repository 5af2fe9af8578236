/**
 * The order of test files: those that run for long begin first, so that none of them is left over at the end, when
 * nothing else is there to run beside it. Vitest knows which they are only after it has run them; a fresh clone does not.
 *
 * @module
 */

import type { TestSpecification } from 'vitest/node'
import { BaseSequencer } from 'vitest/node'

/** Files of more than about four seconds, the longest first. A file that is missing here costs time and nothing else. */
const longFiles = [
  'tests/start/start.test.ts',
  'tests/compat/clients.test.ts',
  'tests/acceptance/encryption-matrix.test.ts',
  'tests/acceptance/kes-outage.test.ts',
  'tests/faults/tamper-matrix.test.ts',
  'tests/faults/hostile.test.ts',
  'tests/faults/model.test.ts',
  'tests/faults/kms-fault-matrix.test.ts',
  'tests/fuzz/fuzz.test.ts',
  'tests/faults/crash-matrix.test.ts',
  'tests/faults/injected-faults.test.ts',
  'tests/faults/kill.test.ts',
  'tests/faults/backup.test.ts',
  'tests/faults/disk-full.test.ts',
  'tests/acceptance/kes-keys.test.ts',
  'tests/acceptance/keys-in-vault.test.ts',
  'tests/acceptance/minio-wire.test.ts',
  'tests/start/runtime.test.ts',
  'packages/kms/src/keystores/vault/vault-key-store.test.ts',
  'packages/kms/src/keystores/hostile-answers.property.test.ts',
  'packages/kms/src/keystores/azure/azure-key-store.test.ts',
  'packages/kms/src/keystores/gcp/gcp-key-store.test.ts',
  'packages/kms/src/keystores/aws/aws-key-store.test.ts',
  'packages/kms/src/keystores/entrust/entrust-key-store.test.ts',
  'packages/kes/src/client/kes-kms.test.ts',
  'packages/engine/src/part-copy.test.ts',
  'packages/kms/src/keystores/files-key-store.test.ts',
  'packages/storage/src/metadata/lmdb/lmdb-metadata-store.test.ts',
  'packages/engine/src/listings.test.ts',
]

/** Small numbers first. Files that share a process come last, in one row: only neighbours can share it. */
function rankOf({ moduleId, project }: TestSpecification): number {
  const known = longFiles.findIndex((file) => moduleId.endsWith(`/${file}`))
  return (project.config.isolate ? 0 : 1_000) + (known === -1 ? longFiles.length : known)
}

export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files)
    return usual.sort((one, other) => rankOf(one) - rankOf(other))
  }
}
