#!/usr/bin/env node
/**
 * `npm run model -- --operations N [--seed S] [--bun]`: random requests against a model of S3 in memory, one in twenty of
 * them over the network (tests/faults/model.test.ts). Ends with the smallest trace that shows a difference, if there is one.
 *
 * @module
 */
import { runLongTest } from './long-test.mjs'

await runLongTest({
  command: 'model',
  amount: 'operations',
  usual: '100000',
  file: 'tests/faults/model.test.ts',
  variable: 'STRONGROOM_MODEL',
})
