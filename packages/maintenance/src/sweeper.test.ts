import type { SweepReport } from '@strongroom/engine'
import { describe, expect, it } from 'vitest'
import { Sweeper, type SweeperOptions } from './sweeper.ts'

const nothing: SweepReport = { sessionsEnded: 0, blobsRemoved: 0, garbageRemoved: 0, keysDestroyed: [] }

/** A clock that stands still until a test calls what is due. */
class Timers {
  readonly planned: { readonly callback: () => void; readonly delayMs: number }[] = []
  calledOff = 0

  readonly schedule: NonNullable<SweeperOptions['schedule']> = (callback, delayMs) => {
    const timer = { callback, delayMs }
    this.planned.push(timer)
    return () => {
      const at = this.planned.indexOf(timer)
      if (at >= 0) this.planned.splice(at, 1)
      this.calledOff += 1
    }
  }

  ring(): void {
    this.planned.shift()?.callback()
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the sweeper', () => {
  it('sweeps at the start, and again after an interval with some jitter', async () => {
    const timers = new Timers()
    let sweeps = 0
    const sweep = async () => {
      sweeps += 1
      return nothing
    }
    const randoms = [0, 1]
    const random = () => randoms.shift() ?? 0.5
    const sweeper = new Sweeper({ sweep }, { intervalMs: 1_000, jitter: 0.2, random, schedule: timers.schedule })
    sweeper.start()
    await turn()
    expect([sweeps, timers.planned[0]?.delayMs]).toEqual([1, 800])
    timers.ring()
    await turn()
    expect([sweeps, timers.planned[0]?.delayMs]).toEqual([2, 1_200])
    await sweeper.stop()
    expect([timers.planned.length, timers.calledOff]).toEqual([0, 2])
  })

  it('is never at it twice at once', async () => {
    let running = 0
    let most = 0
    let end = () => {}
    const sweep = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => {
        end = resolve
      })
      running -= 1
      return nothing
    }
    const sweeper = new Sweeper({ sweep }, { schedule: new Timers().schedule })
    sweeper.start()
    sweeper.start()
    const both = [sweeper.sweepNow(), sweeper.sweepNow()]
    end()
    await Promise.all(both)
    expect([most, sweeper.figures.sweeps]).toEqual([1, 1])
    await sweeper.stop()
  })

  it('waits for the sweep under way when it is stopped, and begins no other', async () => {
    const timers = new Timers()
    let end = () => {}
    let isDone = false
    const sweep = async () => {
      await new Promise<void>((resolve) => {
        end = resolve
      })
      isDone = true
      return nothing
    }
    const sweeper = new Sweeper({ sweep }, { schedule: timers.schedule })
    sweeper.start()
    const stopped = sweeper.stop()
    expect(isDone).toBe(false)
    end()
    await stopped
    await turn()
    expect([isDone, timers.planned.length]).toEqual([true, 0])
  })

  it('tells of a failure and goes on', async () => {
    const timers = new Timers()
    const errors: unknown[] = []
    const failure = new Error('the disk is gone')
    const sweep = () => Promise.reject(failure)
    const onError = (error: unknown) => errors.push(error)
    const sweeper = new Sweeper({ sweep }, { onError, schedule: timers.schedule })
    sweeper.start()
    await turn()
    expect(errors).toEqual([failure])
    expect(timers.planned).toHaveLength(1)
    expect(sweeper.figures).toMatchObject({ sweeps: 0, failures: 1 })
    await sweeper.stop()
  })

  it('sums up what was done, and says how long it took', async () => {
    const times = [100, 130]
    const told: unknown[] = []
    const sweeper = new Sweeper(
      { sweep: async () => ({ sessionsEnded: 1, blobsRemoved: 2, garbageRemoved: 3, keysDestroyed: [] }) },
      { now: () => times.shift() ?? 0, onSweep: (...args) => told.push(args) },
    )
    await sweeper.sweepNow()
    await sweeper.sweepNow()
    expect(sweeper.figures).toEqual({
      sweeps: 2,
      failures: 0,
      sessionsEnded: 2,
      blobsRemoved: 4,
      garbageRemoved: 6,
    })
    expect(told[0]).toEqual([{ sessionsEnded: 1, blobsRemoved: 2, garbageRemoved: 3, keysDestroyed: [] }, 30])
  })

  it('warns when little space is left', async () => {
    const told: number[] = []
    let freeBytes = 1_000
    const target = { sweep: async () => nothing, capacity: async () => ({ freeBytes, totalBytes: 10_000 }) }
    const sweeper = new Sweeper(target, { lowSpaceBytes: 500, onLowSpace: (free) => told.push(free) })
    await sweeper.sweepNow()
    freeBytes = 499
    await sweeper.sweepNow()
    expect(told).toEqual([499])
  })

  it('keeps no process alive with its own timer', async () => {
    const sweeper = new Sweeper({ sweep: async () => nothing })
    sweeper.start()
    await turn()
    await sweeper.stop()
    expect(sweeper.figures.sweeps).toBe(1)
  })
})
