/**
 * The crash matrix (issue 4, section 1): the server program is killed, or loses its power, at the steps of every operation
 * that changes something. After the next start every acknowledged write is there and whole, every other one as before or as
 * it was to be, and fsck finds nothing once the sweeper has been round.
 *
 * Here some steps are picked; `npm run crash-matrix` takes all of them and writes docs/reference/crash-matrix.md.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CrashCampaign, type Ending } from './crash-campaign.fixture.ts'
import { type CrashOperation, crashOperations } from './crash-operations.fixture.ts'

/** Set by `npm run crash-matrix`: the way of ending to go through in full, and where to put what was found. */
const {
  CRASH_MATRIX_ENDING: endingInFull,
  CRASH_MATRIX_REPORT: report = '',
  CRASH_MATRIX_ONLY: only = '',
  CRASH_MATRIX_EVERY: every = '1',
} = process.env

let campaign: CrashCampaign

beforeAll(async () => {
  campaign = await CrashCampaign.begin()
})

// Each time, so that a run that is broken off leaves what it found.
afterEach(() => {
  if (report !== '') writeFileSync(report, JSON.stringify(campaign.outcomes))
})

afterAll(() => campaign.end())

function operation(title: string): CrashOperation {
  const found = crashOperations.find((candidate) => candidate.title === title)
  if (found === undefined) throw new Error(`there is no operation "${title}"`)
  return found
}

/** Between the change and the answer to it, or in the middle of the bytes: where it hurts most. */
const picked: readonly (readonly [title: string, ending: Ending, choose: (steps: number) => readonly number[]])[] = [
  ['put, large', 'kill', (steps) => [steps - 5, steps]],
  ['complete an upload', 'kill', (steps) => [steps >> 1]],
  ['delete, large', 'kill', (steps) => [steps - 2]],
  ['put, large over large', 'nothing', (steps) => [steps - 7, steps]],
  ['copy, reading the data', 'names', (steps) => [steps - 1]],
  ['rotate the root key', 'kill', (steps) => [steps >> 1]],
]

const stepsFrom = (first: number, last: number, stride: number): number[] =>
  Array.from({ length: Math.max(0, Math.ceil((last - first + 1) / stride)) }, (_, index) => first + index * stride)

const endings: ReadonlySet<string> = new Set<Ending>(['kill', 'nothing', 'names'])
const isEnding = (word: string | undefined): word is Ending => word !== undefined && endings.has(word)

if (isEnding(endingInFull)) {
  const titles = crashOperations.map(({ title }) => title).filter((title) => title.includes(only))
  describe(`the crash matrix, every step, ended by ${endingInFull}`, () => {
    it.each(titles)('%s', { timeout: 1_800_000 }, async (title) => {
      const stride = Number(every)
      const choose = (steps: number) => stepsFrom(1 + (titles.indexOf(title) % stride), steps, stride)
      const outcome = await campaign.run(operation(title), endingInFull, choose)
      expect(outcome.old + outcome.new + outcome.partial).toBe(choose(outcome.steps).length)
    })
  })
} else {
  describe('the crash matrix, some steps', () => {
    it.each(picked)('%s, ended by %s', { timeout: 180_000 }, async (title, ending, choose) => {
      const outcome = await campaign.run(operation(title), ending, choose)
      expect(outcome.old + outcome.new + outcome.partial).toBe(choose(outcome.steps).length)
    })
  })
}
