import { testKeyStore } from './key-store.suite.ts'
import { MemoryKeyStore } from './memory-key-store.ts'

testKeyStore('MemoryKeyStore', { open: async () => new MemoryKeyStore() })
