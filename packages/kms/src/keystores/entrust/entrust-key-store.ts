/**
 * A key store in Entrust KeyControl: one secret per entry in a box of a vault (kes-protocol 8.10).
 * API: docs.hytrust.com, Secrets Vault Programmer's Reference.
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { createOnce } from '../create-once.ts'
import type { EntrustKeyStoreSettings } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { StoreError } from '../store-error.ts'
import { statusOf } from '../store-status.ts'
import { loadStoreTls, type StoreTls } from '../store-tls.ts'
import { base64OfValue, valueOfBase64 } from '../stored-base64.ts'
import { type AccessToken, TokenSource } from '../token-source.ts'

const pageSize = 256
const maxPageBytes = 4 << 20

/** A listing that the service makes longer and longer ends here. */
const maxPages = 4_096

/** Where the service does not say how long a token is good. */
const defaultTokenMs = 300_000

const json = { 'content-type': 'application/json' }

/** Opens without asking the service anything. @throws KmsError `unreachable` when the settings can never work */
export async function openEntrustKeyStore(
  settings: EntrustKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<EntrustKeyStore> {
  // KES adds the CA to the system's here, other than with the other stores.
  return new EntrustKeyStore(settings, await loadStoreTls('KeyControl', settings.tls, true), dependencies)
}

/** See the module. */
export class EntrustKeyStore implements KeyStore {
  readonly #client: StoreClient
  readonly #settings: EntrustKeyStoreSettings
  readonly #now: () => number
  readonly #tokens: TokenSource

  constructor(settings: EntrustKeyStoreSettings, tls: StoreTls, dependencies: StoreDependencies) {
    this.#settings = settings
    this.#now = dependencies.now
    this.#client = new StoreClient(
      {
        store: 'KeyControl',
        endpoint: settings.endpoint,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        secrets: () => [settings.credentials.password, this.#tokens.held ?? ''],
      },
      dependencies,
    )
    this.#tokens = new TokenSource(
      { login: () => this.#logIn(), renew: (token) => this.#renew(token), renewAfter: 0.5 },
      dependencies,
    )
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const request = this.#request(
      'CreateSecret',
      { name, secret_data: base64OfValue(value) },
      { isSecret: true, about: name },
    )
    await createOnce(
      value,
      async () => {
        const answer = await this.#send(request)
        if (answer.status === 200 || answer.status === 201) return
        if (answer.status !== 409) throw this.#refusal(request, answer, 'the right to create secrets in the box')
        const said = words(answer)
        if (said?.includes('already exists')) throw new KmsError('key-exists', `key '${name}' already exists`)
        throw this.#client.refusal(request, answer, { said })
      },
      () => this.get(name),
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const request = this.#request('CheckoutSecret', { secret_id: name }, { isRepeatable: true, about: name })
    const answer = await this.#send(request)
    if (answer.status !== 200)
      throw this.#notFoundOr(name, request, answer, 'the right to check out secrets of the box')
    return valueOfBase64(name, this.#client.json(request, answer).secret_data)
  }

  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const request = this.#request('DeleteSecret', { secret_id: name }, { about: name })
    const needs = 'the right to delete secrets of the box'
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#send(request)
        if (answer.status === 200 || answer.status === 204) return
        const error = this.#notFoundOr(name, request, answer, needs)
        // Gone by the attempt whose answer was lost.
        if (attempt > 1 && error.code === 'key-not-found') return
        throw error
      } catch (error) {
        if (!(error instanceof StoreError && error.isOutcomeUnknown && attempt < 3)) throw error
      }
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    let token: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const { names, next } = await this.#page(token)
      for (const name of names) if (name.startsWith(prefix) && isEntryName(name)) found.add(name)
      if (next === undefined || next === token) break
      token = next
    }
    yield* [...found].sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(async () => {
      const request = this.#request('GetBox', {}, { isSingleAttempt: true })
      const answer = await this.#send(request)
      if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to see the box')
    })
  }

  async close(): Promise<void> {
    this.#tokens.close()
    this.#client.close()
  }

  async #page(
    token: string | undefined,
  ): Promise<{ readonly names: readonly string[]; readonly next: string | undefined }> {
    const from = token === undefined ? {} : { next_token: token }
    const more = { isRepeatable: true, maxAnswerBytes: maxPageBytes }
    const request = this.#request('ListSecretIds', { max_items: pageSize, ...from }, more)
    const answer = await this.#send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to list secrets of the box')
    const { secrets, next_token: next } = this.#client.json(request, answer)
    if (!Array.isArray(secrets)) throw this.#client.nonsense(request, 'without secrets')
    const names = secrets.flatMap((entry) =>
      isObject(entry) && entry.expired !== true && typeof entry.name === 'string' ? [entry.name] : [],
    )
    return { names, next: typeof next === 'string' && next !== '' ? next : undefined }
  }

  #request(
    operation: string,
    members: Readonly<Record<string, unknown>>,
    more: Partial<StoreRequest> = {},
  ): StoreRequest {
    const body = JSON.stringify({ box_id: this.#settings.boxId, ...members })
    return { method: 'POST', path: `/vault/1.0/${operation}/`, body, ...more }
  }

  #send(request: StoreRequest): Promise<StoreAnswer> {
    return this.#tokens.use((token) => this.#client.send({ ...request, headers: { ...json, 'x-vault-auth': token } }))
  }

  async #logIn(): Promise<AccessToken> {
    const { vaultId, credentials } = this.#settings
    const request: StoreRequest = {
      method: 'POST',
      path: `/vault/1.0/Login/${encodeURIComponent(vaultId)}/`,
      headers: json,
      body: JSON.stringify({ username: credentials.username, password: credentials.password }),
      isRepeatable: true,
      isSecret: true,
    }
    return this.#tokenOf(request, await this.#client.send(request), 'a user of the vault and the right password')
  }

  async #renew(token: string): Promise<AccessToken> {
    const headers = { 'x-vault-auth': token }
    const request: StoreRequest = { method: 'POST', path: '/vault/1.0/Renew/', headers, isRepeatable: true }
    return this.#tokenOf(request, await this.#client.send(request), 'a token that can be renewed')
  }

  /** The end of a token is given on the service's clock, which its `Date` tells. */
  #tokenOf(request: StoreRequest, answer: StoreAnswer, needs: string): AccessToken {
    if (answer.status !== 200) throw this.#refusal(request, answer, needs)
    const clock = Date.parse(answer.headers.date ?? '')
    const { access_token: value, expires_at: expiresAt } = this.#client.json(request, answer)
    if (typeof value !== 'string' || value === '') throw this.#client.nonsense(request, 'without a token')
    const end = typeof expiresAt === 'string' ? Date.parse(expiresAt) : Number.NaN
    const lifetimeMs = end - (Number.isNaN(clock) ? this.#now() : clock)
    return { value, isRenewable: true, lifetimeMs: lifetimeMs > 0 ? lifetimeMs : defaultTokenMs }
  }

  #notFoundOr(name: string, request: StoreRequest, answer: StoreAnswer, needs: string): KmsError {
    const said = words(answer)
    if (answer.status === 404 && said?.includes('Secret not found')) {
      return new KmsError('key-not-found', `key '${name}' does not exist`)
    }
    return this.#client.refusal(request, answer, { needs, said })
  }

  #refusal(request: StoreRequest, answer: StoreAnswer, needs: string): StoreError {
    return this.#client.refusal(request, answer, { needs, said: words(answer) })
  }
}

function words(answer: StoreAnswer): string | undefined {
  const error = readJsonObject(answer)?.error
  return typeof error === 'string' ? error : undefined
}
