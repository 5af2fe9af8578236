/**
 * The in-memory blob store keeps the contract.
 *
 * @module
 */

import { blobStoreSuite } from './blob-store.suite.ts'
import { MemoryBlobStore } from './memory-blob-store.ts'

blobStoreSuite('memory', async () => ({ open: async () => new MemoryBlobStore(), dispose: async () => {} }))
