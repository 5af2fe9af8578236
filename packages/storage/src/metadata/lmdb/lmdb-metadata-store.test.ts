/**
 * LMDB keeps the contract.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { metadataStoreSuite } from '../metadata-store.suite.ts'
import { openLmdbMetadataStore } from './lmdb-metadata-store.ts'

metadataStoreSuite('LMDB', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-lmdb-'))
  return {
    open: () =>
      openLmdbMetadataStore(directory, {
        onFatal: (error) => {
          throw error
        },
      }),
    dispose: () => rm(directory, { recursive: true, force: true }),
    isDurable: true,
  }
})
