import { describe, expect, it } from 'vitest'
import { KmsError } from '../kms-error.ts'
import type { StoreAnswer } from './store-client.ts'
import { storeDependencies } from './store-dependencies.ts'
import { type AccessToken, TokenSource, type TokenSourceOptions } from './token-source.ts'

const answer = (status: number): StoreAnswer => ({ status, headers: {}, body: Buffer.alloc(0) })

/** A clock, timers that fire by hand, and logins that give t1, t2, … */
function bench(options: Partial<TokenSourceOptions> = {}, token: Partial<AccessToken> = { lifetimeMs: 100_000 }) {
  const state = { nowMs: 0, logins: 0, timers: [] as { atMs: number; fire: () => void }[] }
  const login = async () => ({ value: `t${++state.logins}`, ...token })
  const source = new TokenSource(
    { login, ...options },
    storeDependencies({
      now: () => state.nowMs,
      setTimer: (milliseconds, fire) => {
        const timer = { atMs: state.nowMs + milliseconds, fire }
        state.timers.push(timer)
        return () => {
          state.timers = state.timers.filter((other) => other !== timer)
        }
      },
    }),
  )
  return { state, source }
}

/** Lets everything that is under way come to its end. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a source of tokens', () => {
  it('logs in when a token is needed, once for all who wait', async () => {
    const { state, source } = bench()
    expect(state.logins).toBe(0)
    expect(await Promise.all([source.get(), source.get(), source.get()])).toEqual(['t1', 't1', 't1'])
  })

  it('does not give a token that has expired', async () => {
    const { state, source } = bench()
    await source.get()
    state.nowMs = 99_999
    expect(await source.get()).toBe('t1')
    state.nowMs = 100_000
    expect(await source.get()).toBe('t2')
  })

  it('counts the life of a token from the moment it was asked for', async () => {
    const { state, source } = bench({
      login: async () => {
        state.nowMs += 60_000
        return { value: `t${++state.logins}`, lifetimeMs: 100_000 }
      },
    })
    await source.get()
    state.nowMs = 100_001
    expect(await source.get()).toBe('t2')
  })

  it('renews in the background before the end, at the part of the life that was set', async () => {
    const renewed: string[] = []
    const renew = async (token: string) => {
      renewed.push(token)
      return { value: 't1', lifetimeMs: 50_000, isRenewable: true }
    }
    const { state, source } = bench({ renew, renewAfter: 0.5 }, { lifetimeMs: 100_000, isRenewable: true })
    await source.get()
    expect(state.timers.map(({ atMs }) => atMs)).toEqual([50_000])
    state.nowMs = 50_000
    state.timers[0]?.fire()
    await settle()
    expect(renewed).toEqual(['t1'])
    expect(state.logins).toBe(1)
    expect(state.timers.map(({ atMs }) => atMs)).toEqual([75_000])
  })

  it('logs in where it cannot renew, and keeps the old token meanwhile', async () => {
    const renew = async (): Promise<AccessToken> => {
      throw new KmsError('permission-denied', 'no')
    }
    const { state, source } = bench({ renew }, { lifetimeMs: 100_000, isRenewable: true })
    await source.get()
    state.nowMs = 80_000
    state.timers[0]?.fire()
    expect(await source.get()).toBe('t1')
    await settle()
    expect(await source.get()).toBe('t2')
  })

  it('tries again when the service is down at the moment of renewal', async () => {
    let isDown = false
    const { state, source } = bench({
      login: async () => {
        if (isDown) throw new KmsError('unreachable', 'down')
        return { value: `t${++state.logins}`, lifetimeMs: 100_000 }
      },
    })
    await source.get()
    isDown = true
    state.nowMs = 80_000
    state.timers.at(-1)?.fire()
    await settle()
    expect(await source.get()).toBe('t1')
    isDown = false
    state.nowMs = 85_000
    state.timers.at(-1)?.fire()
    await settle()
    expect(await source.get()).toBe('t2')
  })

  it('calls again with a new token when the old one was refused, and never more than once', async () => {
    const { source } = bench()
    const used: string[] = []
    const call = async (token: string) => {
      used.push(token)
      return answer(token === 't1' ? 403 : 200)
    }
    expect((await source.use(call)).status).toBe(200)
    expect(used).toEqual(['t1', 't2'])
  })

  it('logs in once when many calls are refused at the same time', async () => {
    const { state, source } = bench()
    const call = async (token: string) => {
      await settle()
      return answer(token === 't1' ? 401 : 200)
    }
    const answers = await Promise.all(Array.from({ length: 10 }, () => source.use(call)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(state.logins).toBe(2)
  })

  it('takes a refusal that a new token does not cure for a missing right, for a while that grows', async () => {
    const { state, source } = bench()
    const denied = async () => answer(403)
    const loginsAt = async (nowMs: number): Promise<number> => {
      state.nowMs = nowMs
      expect((await source.use(denied)).status).toBe(403)
      return state.logins
    }
    expect(await loginsAt(0)).toBe(2)
    expect(await loginsAt(999)).toBe(2)
    expect(await loginsAt(1_000)).toBe(3)
    expect(await loginsAt(2_999)).toBe(3)
    expect(await loginsAt(3_000)).toBe(4)
  })

  it('does not log in again at once where the login itself was refused, but does where it got no answer', async () => {
    let code: 'permission-denied' | 'unreachable' = 'permission-denied'
    const { state, source } = bench({
      login: async () => {
        state.logins++
        throw new KmsError(code, 'no')
      },
    })
    for (let i = 0; i < 5; i++) await expect(source.get()).rejects.toMatchObject({ code })
    expect(state.logins).toBe(1)
    state.nowMs = 1_000
    code = 'unreachable'
    for (let i = 0; i < 3; i++) await expect(source.get()).rejects.toMatchObject({ code })
    expect(state.logins).toBe(4)
  })

  it('does nothing more when it is closed', async () => {
    const { state, source } = bench()
    await source.get()
    source.close()
    expect(state.timers).toEqual([])
    expect(source.held).toBeUndefined()
    await expect(source.get()).rejects.toMatchObject({ code: 'unreachable' })
  })
})
