/**
 * The in-memory engine keeps the contract.
 *
 * @module
 */

import { MemoryMetadataStore } from './memory-metadata-store.ts'
import { metadataStoreSuite } from './metadata-store.suite.ts'

metadataStoreSuite('memory', async () => ({
  open: async () => new MemoryMetadataStore(),
  dispose: async () => {},
  isDurable: false,
}))
