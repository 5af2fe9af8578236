#!/usr/bin/env node
/**
 * `npm run fuzz -- --seconds N [--seed S] [--bun]`: changed valid inputs for every parser (tests/fuzz/fuzz.test.ts). Ends with the
 * seed and the input that one of them did not deal with, if there is one.
 *
 * @module
 */
import { runLongTest } from './long-test.mjs'

await runLongTest({
  command: 'fuzz',
  amount: 'seconds',
  usual: '600',
  file: 'tests/fuzz/fuzz.test.ts',
  variable: 'STRONGROOM_FUZZ',
})
