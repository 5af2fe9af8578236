/**
 * The access token of a key store: got by logging in, renewed before it expires, got anew when the store refuses it. One
 * login at a time, whoever waits for it. Issue 5 section 2.
 *
 * @module
 */
import { KmsError } from '../kms-error.ts'
import type { StoreAnswer } from './store-client.ts'
import type { StoreDependencies } from './store-dependencies.ts'

/** What a login gives. */
export interface AccessToken {
  readonly value: string
  /** How long it is good from the moment of the request for it, in milliseconds; `undefined` means for ever. */
  readonly lifetimeMs?: number | undefined
  readonly isRenewable?: boolean
}

/** How to get tokens. */
export interface TokenSourceOptions {
  /** Gets a new token. @throws KmsError */
  readonly login: () => Promise<AccessToken>
  /** Prolongs a renewable token. @throws KmsError */
  readonly renew?: (token: string) => Promise<AccessToken>
  /** The part of its lifetime after which a token is renewed. Default 0.8. */
  readonly renewAfter?: number
  /** Whether an answer says that the token is no good. Default: status 401 or 403. */
  readonly isRefused?: (answer: StoreAnswer) => boolean
}

interface HeldToken extends AccessToken {
  readonly expiresAtMs: number
}

const shortestPauseMs = 1_000
const longestPauseMs = 60_000

/** See the module. A timer renews in the background, so that a token whose renewal matters never expires unused. */
export class TokenSource {
  readonly #options: TokenSourceOptions
  readonly #dependencies: StoreDependencies
  #held: HeldToken | undefined
  #pending: Promise<HeldToken> | undefined
  #callOff: (() => void) | undefined
  /** After a refused login nobody tries again before this moment: accounts get locked by that. */
  #refusal: { readonly error: unknown; readonly untilMs: number; readonly pauseMs: number } | undefined
  /** Until then a refusal is believed to be about rights, not about the token: a new one was refused as well. */
  #trustedUntilMs = Number.NEGATIVE_INFINITY
  #trustMs = shortestPauseMs
  #isClosed = false

  constructor(options: TokenSourceOptions, dependencies: StoreDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /** The token now held, for hiding it in messages. */
  get held(): string | undefined {
    return this.#held?.value
  }

  /** A token that is good at this moment. @throws KmsError what the login throws */
  async get(): Promise<string> {
    const held = this.#held
    if (held !== undefined && this.#dependencies.now() < held.expiresAtMs) return held.value
    return (await this.#logIn()).value
  }

  /**
   * Calls with a token; when the store refuses it (expired, revoked), logs in again and calls once more. Should the new one
   * be refused, too, then it is the rights that are missing, and for a while refusals are taken as such.
   */
  async use(call: (token: string) => Promise<StoreAnswer>): Promise<StoreAnswer> {
    const token = await this.get()
    const answer = await call(token)
    if (!this.#isRefused(answer) || !this.#isDoubtful(token)) return answer
    if (this.#held?.value === token) this.#held = undefined
    const again = await call(await this.get())
    if (this.#isRefused(again)) {
      this.#trustedUntilMs = this.#dependencies.now() + this.#trustMs
      this.#trustMs = Math.min(this.#trustMs * 2, longestPauseMs)
    } else {
      this.#trustMs = shortestPauseMs
    }
    return again
  }

  close(): void {
    this.#isClosed = true
    this.#callOff?.()
    this.#held = undefined
  }

  #isRefused(answer: StoreAnswer): boolean {
    return this.#options.isRefused?.(answer) ?? (answer.status === 401 || answer.status === 403)
  }

  #isDoubtful(token: string): boolean {
    return this.#held?.value !== token || this.#dependencies.now() >= this.#trustedUntilMs
  }

  #logIn(): Promise<HeldToken> {
    const refusal = this.#refusal
    if (refusal !== undefined && this.#dependencies.now() < refusal.untilMs) return Promise.reject(refusal.error)
    this.#pending ??= this.#tryLogin().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #tryLogin(): Promise<HeldToken> {
    try {
      const held = await this.#acquire(this.#options.login)
      this.#refusal = undefined
      return held
    } catch (error) {
      if (error instanceof KmsError && error.code === 'permission-denied') {
        const pauseMs = Math.min((this.#refusal?.pauseMs ?? shortestPauseMs / 2) * 2, longestPauseMs)
        this.#refusal = { error, untilMs: this.#dependencies.now() + pauseMs, pauseMs }
      }
      throw error
    }
  }

  async #acquire(get: () => Promise<AccessToken>): Promise<HeldToken> {
    if (this.#isClosed) throw new KmsError('unreachable', 'the key store was closed')
    const askedAt = this.#dependencies.now()
    const token = await get()
    const expiresAtMs = token.lifetimeMs === undefined ? Number.POSITIVE_INFINITY : askedAt + token.lifetimeMs
    const held = { ...token, expiresAtMs }
    if (!this.#isClosed) this.#hold(held)
    return held
  }

  #hold(held: HeldToken): void {
    this.#held = held
    if (held.lifetimeMs === undefined) return
    this.#schedule(Math.max(held.lifetimeMs * (this.#options.renewAfter ?? 0.8), shortestPauseMs))
  }

  #schedule(milliseconds: number): void {
    this.#callOff?.()
    this.#callOff = this.#dependencies.setTimer(milliseconds, () => {
      this.#refresh().catch(() => {
        // The token may still be good; whoever needs one when it is not gets the error of his own login.
        if (!this.#isClosed) this.#schedule(shortestPauseMs * 5)
      })
    })
  }

  async #refresh(): Promise<void> {
    const held = this.#held
    const { renew } = this.#options
    if (held === undefined || this.#isClosed) return
    if (renew !== undefined && held.isRenewable === true && this.#dependencies.now() < held.expiresAtMs) {
      try {
        await this.#acquire(() => renew(held.value))
        return
      } catch (error) {
        // Not to be prolonged, or at the end of its longest life: a login helps. `#logIn` reports what does not.
        if (!(error instanceof KmsError)) throw error
      }
    }
    await this.#logIn()
  }
}
