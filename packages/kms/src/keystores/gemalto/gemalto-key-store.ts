/**
 * A key store in Thales CipherTrust Manager, formerly Gemalto KeySecure: one secret per entry (kes-protocol 8.9).
 * API: thalesdocs.com/ctp/cm/latest (REST API, Secrets, Tokens).
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { createOnce } from '../create-once.ts'
import type { GemaltoKeyStoreSettings } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import type { StoreError } from '../store-error.ts'
import { statusOf } from '../store-status.ts'
import { loadStoreTls, type StoreTls } from '../store-tls.ts'
import { textOfValue, valueOfText } from '../stored-text.ts'
import { type AccessToken, TokenSource } from '../token-source.ts'

const pageSize = 200
const maxPageBytes = 8 << 20

/** A listing that the service makes longer and longer ends here. */
const maxNames = 1_000_000

/** Opens without asking the service anything. @throws KmsError `unreachable` when the settings can never work */
export async function openGemaltoKeyStore(
  settings: GemaltoKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<GemaltoKeyStore> {
  return new GemaltoKeyStore(settings, await loadStoreTls('CipherTrust Manager', settings.tls), dependencies)
}

/** See the module. */
export class GemaltoKeyStore implements KeyStore {
  readonly #client: StoreClient
  readonly #credentials: GemaltoKeyStoreSettings['credentials']
  readonly #tokens: TokenSource

  constructor(settings: GemaltoKeyStoreSettings, tls: StoreTls, dependencies: StoreDependencies) {
    this.#credentials = settings.credentials
    this.#client = new StoreClient(
      {
        store: 'CipherTrust Manager',
        endpoint: settings.endpoint,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        secrets: () => [settings.credentials.refreshToken, this.#tokens.held ?? ''],
      },
      dependencies,
    )
    this.#tokens = new TokenSource({ login: () => this.#logIn(), renewAfter: 0.5 }, dependencies)
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const material = textOfValue(name, value)
    const request: StoreRequest = {
      method: 'POST',
      path: '/api/v1/vault/secrets',
      body: JSON.stringify({ dataType: 'seed', name, material }),
      isSecret: true,
      about: name,
    }
    await createOnce(
      value,
      async () => {
        const answer = await this.#send(request)
        if (answer.status === 201 || answer.status === 200) return
        if (answer.status === 409) throw new KmsError('key-exists', `key '${name}' already exists`)
        throw this.#refusal(request, answer, 'the right to create secrets (group "Key Users" or "Key Admins")')
      },
      () => this.get(name),
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const request: StoreRequest = {
      method: 'POST',
      path: `/api/v1/vault/secrets/${name}/export?type=name`,
      isRepeatable: true,
    }
    const answer = await this.#send(request)
    if (answer.status === 404) throw keyNotFound(name)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to export secrets')
    const { material } = this.#client.json(request, answer)
    if (typeof material !== 'string') throw this.#client.nonsense(request, 'without material')
    return valueOfText(name, material)
  }

  /** CipherTrust says 404 also to those who may not delete what is there. */
  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const request: StoreRequest = {
      method: 'DELETE',
      path: `/api/v1/vault/secrets/${name}?type=name`,
      isRepeatable: true,
    }
    const before = await this.#exists(name)
    if (!before) throw keyNotFound(name)
    const answer = await this.#send(request)
    if (answer.status === 204 || answer.status === 200) return
    if (answer.status !== 404) throw this.#refusal(request, answer, 'the right to delete secrets')
    // An earlier attempt whose answer was lost, or a missing right: what is there now tells them apart.
    if (await this.#exists(name)) {
      throw new KmsError(
        'permission-denied',
        `CipherTrust Manager: the right to delete the secret '${name}' is missing`,
      )
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    let skip = 0
    for (;;) {
      const { names, total } = await this.#page(skip)
      for (const name of names) if (name.startsWith(prefix) && isEntryName(name)) found.add(name)
      skip += names.length
      if (names.length === 0 || skip >= total || skip >= maxNames) break
    }
    yield* [...found].sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(async () => {
      const request: StoreRequest = { method: 'GET', path: '/api/v1/vault/secrets?limit=1', isSingleAttempt: true }
      const answer = await this.#send(request)
      if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to list secrets')
    })
  }

  async close(): Promise<void> {
    this.#tokens.close()
    this.#client.close()
  }

  async #exists(name: string): Promise<boolean> {
    const request: StoreRequest = { method: 'GET', path: `/api/v1/vault/secrets/${name}?type=name` }
    const answer = await this.#send(request)
    if (answer.status === 404) return false
    if (answer.status === 200) return true
    throw this.#refusal(request, answer, 'the right to read secrets')
  }

  async #page(skip: number): Promise<{ readonly names: readonly string[]; readonly total: number }> {
    const request: StoreRequest = {
      method: 'GET',
      path: `/api/v1/vault/secrets?limit=${pageSize}&skip=${skip}`,
      maxAnswerBytes: maxPageBytes,
    }
    const answer = await this.#send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to list secrets')
    const page = this.#client.json(request, answer)
    const { resources, total } = page
    if (page.skip !== skip || !Array.isArray(resources) || typeof total !== 'number') {
      throw this.#client.nonsense(request, 'something that is not the page asked for')
    }
    return { total, names: resources.map((entry) => (isObject(entry) ? String(entry.name) : '')) }
  }

  #send(request: StoreRequest): Promise<StoreAnswer> {
    return this.#tokens.use((token) => {
      const json = request.body === undefined ? {} : { 'content-type': 'application/json' }
      return this.#client.send({ ...request, headers: { authorization: `Bearer ${token}`, ...json } })
    })
  }

  async #logIn(): Promise<AccessToken> {
    const { refreshToken, domain } = this.#credentials
    const request: StoreRequest = {
      method: 'POST',
      path: '/api/v1/auth/tokens',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken, domain }),
      isRepeatable: true,
      isSecret: true,
    }
    const answer = await this.#client.send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'a valid refresh token of the domain')
    const { token_type: type, jwt, duration } = this.#client.json(request, answer)
    if (type !== 'Bearer' || typeof jwt !== 'string' || typeof duration !== 'number' || !(duration > 0)) {
      throw this.#client.nonsense(request, 'no bearer token with a lifetime')
    }
    return { value: jwt, lifetimeMs: duration * 1_000 }
  }

  #refusal(request: StoreRequest, answer: StoreAnswer, needs: string): StoreError {
    const said = readJsonObject(answer)?.codeDesc
    return this.#client.refusal(request, answer, { needs, said: typeof said === 'string' ? said : undefined })
  }
}

const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)
