import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongFirst } from './tests/support/long-first.ts'

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'node', 'import', 'default'] } },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // One more than there are cores: some files wait for much of their time.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongFirst },
    projects: [
      // Servers, programs, clients: each file in a process of its own.
      { extends: true, test: { name: 'whole', include: ['tests/**/*.test.ts'] } },
      // What is beside its source needs no such process, of which the start and the imports take longer than most tests.
      {
        extends: true,
        test: { name: 'unit', include: ['packages/*/src/**/*.test.ts', 'bench/src/**/*.test.ts'], isolate: false },
      },
    ],
  },
})
