/**
 * A key store in Google Secret Manager: one secret per entry, its value in version 1 (kes-protocol 8.6).
 * API: docs.cloud.google.com/secret-manager/docs/reference/rest (projects.secrets, projects.secrets.versions).
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { ClientsByOrigin } from '../clients-by-origin.ts'
import { createOnce } from '../create-once.ts'
import type { GcpKeyStoreSettings } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { StoreError } from '../store-error.ts'
import { statusOf } from '../store-status.ts'
import { loadStoreTls, type StoreTls } from '../store-tls.ts'
import { base64OfValue, valueOfBase64 } from '../stored-base64.ts'
import { TokenSource } from '../token-source.ts'
import { type GcpCredentials, gcpCredentials } from './gcp-credentials.ts'
import { logInToGcp, secretsOfGcp } from './gcp-login.ts'

const defaultEndpoint = 'https://secretmanager.googleapis.com'
const pageSize = 500
const maxPageBytes = 8 << 20

/** A listing that the service makes longer and longer ends here. */
const maxPages = 4_000

/**
 * Opens without asking the service anything.
 *
 * @throws KmsError `unreachable` or `unsupported` when the settings can never work
 */
export async function openGcpKeyStore(
  settings: GcpKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<GcpKeyStore> {
  const tls = await loadStoreTls('Google Secret Manager', settings.tls, true)
  return new GcpKeyStore(settings, await gcpCredentials(settings), tls, dependencies)
}

/** See the module. */
export class GcpKeyStore implements KeyStore {
  readonly #client: StoreClient
  readonly #others: ClientsByOrigin
  readonly #tokens: TokenSource
  readonly #secrets: string
  readonly #project: string

  constructor(
    settings: GcpKeyStoreSettings,
    credentials: GcpCredentials,
    tls: StoreTls,
    dependencies: StoreDependencies,
  ) {
    this.#project = settings.projectId
    this.#secrets = `/v1/projects/${encodeURIComponent(settings.projectId)}/secrets`
    const secrets = () => [...secretsOfGcp(credentials), this.#tokens.held ?? '']
    this.#others = new ClientsByOrigin({ store: 'Google', settings, tls, secrets }, dependencies)
    this.#client = new StoreClient(
      {
        store: 'Google Secret Manager',
        endpoint: endpointOf(settings.endpoint),
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        secrets,
      },
      dependencies,
    )
    const means = { clientFor: (url: URL) => this.#others.for(url), scopes: settings.scopes ?? [] }
    this.#tokens = new TokenSource(
      // 403 is about rights: only 401 says that the token is no good.
      { login: () => logInToGcp(credentials, means), isRefused: ({ status }) => status === 401 },
      dependencies,
    )
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    await createOnce(
      value,
      async () => {
        // A secret without a version is a creation that was cut off: whoever adds version 1 completes it as his own.
        if (!(await this.#addSecret(name)) && (await this.#hasValue(name))) throw keyExists(name)
        await this.#addValue(name, value)
      },
      () => this.get(name),
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const request: StoreRequest = { method: 'GET', path: `${this.#path(name)}/versions/1:access` }
    const answer = await this.#send(request)
    if (answer.status === 404) throw keyNotFound(name)
    if (answer.status !== 200) throw this.#unusable(name, request, answer)
    const { payload } = this.#client.json(request, answer)
    if (!isObject(payload)) throw this.#client.nonsense(request, 'without a payload')
    return valueOfBase64(name, payload.data)
  }

  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const look: StoreRequest = { method: 'GET', path: this.#path(name) }
    const found = await this.#send(look)
    if (found.status === 404) throw keyNotFound(name)
    if (found.status !== 200) throw this.#refusal(look, found, 'secretmanager.secrets.get')
    const removal: StoreRequest = { method: 'DELETE', path: this.#path(name), isRepeatable: true }
    const answer = await this.#send(removal)
    // 404: gone meanwhile, perhaps by the attempt whose answer was lost.
    if (answer.status !== 200 && answer.status !== 404) {
      throw this.#refusal(removal, answer, 'secretmanager.secrets.delete')
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    let token = ''
    for (let page = 0; page < maxPages; page++) {
      const { names, next } = await this.#page(token)
      for (const name of names) if (name.startsWith(prefix) && isEntryName(name)) found.add(name)
      if (next === '' || next === token) break
      token = next
    }
    yield* [...found].sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(async () => {
      const request: StoreRequest = { method: 'GET', path: `${this.#secrets}?pageSize=1`, isSingleAttempt: true }
      const answer = await this.#send(request)
      if (answer.status !== 200) throw this.#refusal(request, answer, 'secretmanager.secrets.list')
    })
  }

  async close(): Promise<void> {
    this.#tokens.close()
    this.#others.close()
    this.#client.close()
  }

  /** Whether there was no secret of that name. */
  async #addSecret(name: string): Promise<boolean> {
    const request: StoreRequest = {
      method: 'POST',
      path: `${this.#secrets}?secretId=${name}`,
      body: JSON.stringify({ replication: { automatic: {} } }),
      about: name,
    }
    const answer = await this.#send(request)
    if (answer.status === 200) return true
    if (answer.status === 409) return false
    throw this.#refusal(request, answer, 'secretmanager.secrets.create')
  }

  async #hasValue(name: string): Promise<boolean> {
    const request: StoreRequest = { method: 'GET', path: `${this.#path(name)}/versions/1` }
    const answer = await this.#send(request)
    if (answer.status === 200) return true
    if (answer.status === 404) return false
    throw this.#refusal(request, answer, 'secretmanager.versions.get')
  }

  /** Versions are numbered by the service: of all that add one, exactly one adds the first, and only that is ever read. */
  async #addValue(name: string, value: Uint8Array): Promise<void> {
    const request: StoreRequest = {
      method: 'POST',
      path: `${this.#path(name)}:addVersion`,
      body: JSON.stringify({ payload: { data: base64OfValue(value) } }),
      isSecret: true,
    }
    const answer = await this.#send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'secretmanager.versions.add')
    const added = readJsonObject(answer)?.name
    const number = typeof added === 'string' ? /\/versions\/(\d{1,18})$/.exec(added)?.[1] : undefined
    if (number === '1') return
    if (number === undefined) throw this.#lost(request)
    await this.#destroyValue(name, number)
    throw keyExists(name)
  }

  /** The service did it, and what it said makes no sense: what is there now tells. */
  #lost(request: StoreRequest): StoreError {
    const { message } = this.#client.nonsense(request, 'no version')
    return new StoreError('unreachable', message, { isOutcomeUnknown: true })
  }

  /** A value that lost the race is of no use to anybody. Without the right to destroy it, it stays. */
  async #destroyValue(name: string, number: string): Promise<void> {
    const path = `${this.#path(name)}/versions/${number}:destroy`
    await this.#send({ method: 'POST', path, body: '{}', isRepeatable: true })
  }

  async #page(token: string): Promise<{ readonly names: readonly string[]; readonly next: string }> {
    const from = token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`
    const request: StoreRequest = {
      method: 'GET',
      path: `${this.#secrets}?pageSize=${pageSize}${from}`,
      maxAnswerBytes: maxPageBytes,
    }
    const answer = await this.#send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'secretmanager.secrets.list')
    const { secrets = [], nextPageToken: next = '' } = this.#client.json(request, answer)
    if (!Array.isArray(secrets) || typeof next !== 'string') throw this.#client.nonsense(request, 'no page of secrets')
    const names = secrets.map((secret) => (isObject(secret) ? String(secret.name) : ''))
    return { names: names.map((path) => path.slice(path.lastIndexOf('/') + 1)), next }
  }

  #path(name: string): string {
    return `${this.#secrets}/${name}`
  }

  #send(request: StoreRequest): Promise<StoreAnswer> {
    return this.#tokens.use((token) => {
      const json = request.body === undefined ? {} : { 'content-type': 'application/json' }
      return this.#client.send({ ...request, headers: { authorization: `Bearer ${token}`, ...json } })
    })
  }

  /** A version that is not enabled is there, and answers 400 `FAILED_PRECONDITION`. */
  #unusable(name: string, request: StoreRequest, answer: StoreAnswer): KmsError {
    const { status, message } = errorOf(answer)
    if (answer.status === 400 && status === 'FAILED_PRECONDITION') {
      const isDestroyed = message.includes('DESTROYED')
      const what = isDestroyed ? 'was destroyed there' : 'is disabled there'
      return new KmsError(
        isDestroyed ? 'key-not-found' : 'key-disabled',
        `Google Secret Manager: version 1 of the secret '${name}' in ${this.#project} ${what}`,
      )
    }
    return this.#refusedWith(request, answer, { status, message }, 'secretmanager.versions.access')
  }

  #refusal(request: StoreRequest, answer: StoreAnswer, needs: string): StoreError {
    return this.#refusedWith(request, answer, errorOf(answer), needs)
  }

  #refusedWith(
    request: StoreRequest,
    answer: StoreAnswer,
    { status, message }: GoogleError,
    needs: string,
  ): StoreError {
    const said = status === '' ? message : `${status}: ${message}`
    return this.#client.refusal(request, answer, { needs: `${needs} in project ${this.#project}`, said })
  }
}

interface GoogleError {
  /** As in `PERMISSION_DENIED`; empty when the answer has none. */
  readonly status: string
  readonly message: string
}

/** An error is `{"error":{"code","message","status"}}` (google.aip.dev/193). */
function errorOf(answer: StoreAnswer): GoogleError {
  const error = readJsonObject(answer)?.error
  if (!isObject(error)) return { status: '', message: '' }
  return { status: textOf(error.status), message: textOf(error.message) }
}

/** A host alone is taken for an https address. */
function endpointOf(endpoint: string | undefined): string {
  if (endpoint === undefined || endpoint === '') return defaultEndpoint
  return endpoint.includes('://') ? endpoint : `https://${endpoint}`
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const keyExists = (name: string): KmsError => new KmsError('key-exists', `key '${name}' already exists`)
const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)
