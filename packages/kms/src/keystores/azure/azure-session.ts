/**
 * Requests to one key vault, with a token, and what its answers mean. API: learn.microsoft.com/rest/api/keyvault/secrets,
 * version 7.5 as KES uses it (kes-protocol 8.7).
 *
 * @module
 */
import { ClientsByOrigin } from '../clients-by-origin.ts'
import type { AzureKeyStoreSettings } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import type { StoreError } from '../store-error.ts'
import type { StoreTls } from '../store-tls.ts'
import { TokenSource } from '../token-source.ts'
import { logInToAzure, passingMetadataStatuses } from './azure-login.ts'

const apiVersion = '7.5'
const maxAnswerBytes = 1 << 20

/** No sane vault has more pages of 25. */
const maxPages = 40_000

/** What a vault says of a failure. */
export interface AzureProblem {
  /** As in `SecretNotFound`. */
  readonly code: string
  /** What says more, as in `ObjectIsDeletedButRecoverable`; empty when there is nothing. */
  readonly innerCode: string
  readonly message: string
}

/** An answer with its request, its problem where it is not 200. */
export interface AzureAnswer {
  readonly request: StoreRequest
  readonly answer: StoreAnswer
  readonly status: number
  readonly problem: AzureProblem
}

const noProblem: AzureProblem = { code: '', innerCode: '', message: '' }

/** See the module. */
export class AzureSession {
  readonly #client: StoreClient
  readonly #logins: ClientsByOrigin
  readonly #metadata: ClientsByOrigin
  readonly #tokens: TokenSource
  readonly #origin: string

  /** @throws StoreError `unreachable` when the endpoint is no address */
  constructor(settings: AzureKeyStoreSettings, tls: StoreTls, dependencies: StoreDependencies) {
    const secrets = () => [settings.credentials?.clientSecret ?? '', this.#tokens.held ?? '']
    const common = { settings, tls, secrets }
    this.#logins = new ClientsByOrigin({ store: 'Microsoft Entra', ...common }, dependencies)
    const passingStatuses = passingMetadataStatuses
    this.#metadata = new ClientsByOrigin({ store: 'Azure metadata', ...common, passingStatuses }, dependencies)
    this.#client = new StoreClient(
      {
        store: 'Azure Key Vault',
        endpoint: settings.endpoint,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        secrets,
      },
      dependencies,
    )
    this.#origin = new URL(settings.endpoint).origin
    const means = {
      clientFor: (url: URL) => this.#logins.for(url),
      metadataClientFor: (url: URL) => this.#metadata.for(url),
    }
    this.#tokens = new TokenSource(
      // 403 is about rights: only 401 says that the token is no good.
      { login: () => logInToAzure(settings, means), isRefused: ({ status }) => status === 401 },
      dependencies,
    )
  }

  /** Sends; whatever the status is. The path is without the version of the API. @throws KmsError when there is no answer */
  async send(request: StoreRequest): Promise<AzureAnswer> {
    const path = request.path.includes('?') ? request.path : `${request.path}?api-version=${apiVersion}`
    const sent: StoreRequest = { maxAnswerBytes, ...request, path }
    const answer = await this.#tokens.use((token) => {
      const json = request.body === undefined ? {} : { 'content-type': 'application/json' }
      return this.#client.send({ ...sent, headers: { authorization: `Bearer ${token}`, ...json } })
    })
    const { status } = answer
    return { request: sent, answer, status, problem: status < 300 ? noProblem : problemOf(answer) }
  }

  /** The answer's JSON object. @throws StoreError `unreachable` when it is none */
  json({ request, answer }: AzureAnswer): Readonly<Record<string, unknown>> {
    return this.#client.json(request, answer)
  }

  nonsense({ request }: AzureAnswer, what: string): StoreError {
    return this.#client.nonsense(request, what)
  }

  /** The error for an answer that was not hoped for. `right` is the permission that a 403 may point to, as in `get`. */
  refusal({ request, answer, problem }: AzureAnswer, right: string): StoreError {
    const codes = [problem.code, problem.innerCode].filter((code) => /^\w{1,60}$/.test(code)).join(' ')
    const said = [codes, problem.message].filter((text) => text !== '').join(': ')
    const needs = `the secrets permission "${right}" (or the role "Key Vault Secrets Officer") on this vault`
    return this.#client.refusal(request, answer, { needs, said })
  }

  /**
   * The items of all pages, each page when it is wanted.
   *
   * @throws StoreError `unreachable` for an answer that makes no sense; `absent` is called for 404
   */
  async *items(path: string, right: string, absent: () => Error): AsyncIterable<AzureItems> {
    let next: string | undefined = `${path}?api-version=${apiVersion}&maxresults=25`
    for (let page = 0; page < maxPages && next !== undefined; page++) {
      const answer: AzureAnswer = await this.send({ method: 'GET', path: next })
      if (answer.status === 404) throw absent()
      if (answer.status !== 200) throw this.refusal(answer, right)
      const { value, nextLink } = this.json(answer)
      const items = value ?? []
      if (!Array.isArray(items)) throw this.nonsense(answer, 'no page of secrets')
      yield { items: items.filter(isObject), answeredAtMs: Date.parse(answer.answer.headers.date ?? '') }
      const following = this.#following(answer, nextLink)
      next = following === next ? undefined : following
    }
  }

  close(): void {
    this.#tokens.close()
    this.#logins.close()
    this.#metadata.close()
    this.#client.close()
  }

  /** The link to the next page is followed inside this vault only: it gets a token. */
  #following(answer: AzureAnswer, nextLink: unknown): string | undefined {
    if (typeof nextLink !== 'string' || nextLink === '') return undefined
    const url = URL.canParse(nextLink) ? new URL(nextLink) : undefined
    if (url?.origin !== this.#origin) throw this.nonsense(answer, 'a link to another place')
    return `${url.pathname}${url.search}`
  }
}

/** A page. */
export interface AzureItems {
  readonly items: readonly Readonly<Record<string, unknown>>[]
  /** By the vault's clock, in milliseconds, to the second; not a number when it does not tell. */
  readonly answeredAtMs: number
}

/** An error is `{"error":{"code","message","innererror":{"code"}}}`. */
function problemOf(answer: StoreAnswer): AzureProblem {
  const error = readJsonObject(answer)?.error
  if (!isObject(error)) return noProblem
  const { code, message, innererror: inner } = error
  return { code: text(code), innerCode: isObject(inner) ? text(inner.code) : '', message: text(message) }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
