/**
 * Every parser of what strangers send, and of what a medium may have damaged, gets changed valid inputs: it takes one, or
 * refuses it with the one class of error that it documents, in time that does not grow faster than the input. A few seconds here;
 * `npm run fuzz -- --seconds N` for longer (issue: proof, section 2).
 *
 * @module
 */

import { describe, expect, it } from 'vitest'
import { chooserOf, mutate } from './mutate.ts'
import { only, type Target, targets } from './targets.ts'
import { wireTarget } from './wire-target.ts'

const isLong = process.env.STRONGROOM_FUZZ_SECONDS !== undefined
const seconds = Number(process.env.STRONGROOM_FUZZ_SECONDS ?? '10')
const seed = Number(process.env.STRONGROOM_FUZZ_SEED ?? Date.now() % 1_000_000)
const all: Readonly<Record<string, () => Promise<Target>>> = { ...targets, 'requests on the network': wireTarget }
const milliseconds = (seconds * 1000) / Object.keys(all).length

/** Far above what any input of at most 256 KiB takes, also on a busy machine, and far below what a quadratic reader takes. */
const mostCpuMs = 2000

describe(`fuzzing with STRONGROOM_FUZZ_SEED=${seed}`, () => {
  it.each(Object.entries(all))(
    '%s: taken, or refused with the documented error',
    async (name, open) => {
      const { inputs, check, close } = await open()
      const end = performance.now() + milliseconds
      let number = 0
      try {
        for (; performance.now() < end; number++) {
          const choose = chooserOf(seed, number)
          const input = mutate(inputs, choose)
          const began = process.cpuUsage()
          const fault = await check(input, choose)
          const { user } = process.cpuUsage(began)
          if (fault === undefined && user / 1000 < mostCpuMs) continue
          expect.fail(`case ${number} of seed ${seed}: ${fault ?? `${user / 1000} ms`}: ${show(input)}`)
        }
      } finally {
        await close?.()
      }
      if (isLong) console.log(`${name}: ${number} cases`)
      expect(number).toBeGreaterThan(10)
    },
    milliseconds * 3 + 60_000,
  )

  it('notices an error of another class, and what a check says', async () => {
    const wrong = await only([RangeError], () => {
      throw new TypeError('x')
    })
    expect(wrong).toContain('TypeError: x')
    expect(await only([TypeError], () => 'forged')).toBe('forged')
    expect(await only([TypeError], () => Promise.reject(new TypeError('x')))).toBeUndefined()
  })
})

const show = (input: Buffer): string =>
  `${JSON.stringify(input.subarray(0, 2000).toString('latin1'))}${input.length > 2000 ? ` (${input.length} bytes)` : ''}`
