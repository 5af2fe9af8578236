/**
 * A client of KES servers, MinIO's and ours: kes-protocol 3 and 14. Several servers with failover, a client certificate or
 * API key that is read again while it runs, bounded time and answers. Bodies are sent anew with each attempt.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { extensionPaths } from '../contract.ts'
import { KesError } from '../kes-error.ts'
import { routes } from '../protocol/routes.ts'
import * as answers from './answers.ts'
import type { KesEndpoint } from './endpoints.ts'
import {
  type KesCall,
  type KesCallOptions,
  type KesClientDependencies,
  type KesClientOptions,
  KesConnection,
} from './kes-connection.ts'
import { type ListingPage, listAll } from './list-all.ts'
import { linesOf } from './log-lines.ts'

/** A data key. The caller zeroes `plaintext`. */
export interface KesDataKey {
  readonly plaintext: Buffer
  readonly ciphertext: Buffer
  /** 1 with servers that know no versions. */
  readonly keyVersion: number
}

const maxListingBytes = 64 * 1_048_576
const maxMetricsBytes = 4 * 1_048_576

/**
 * See the module. Every call throws KesError: `refused` with the server's status and words, `unreachable`,
 * `invalid-answer`.
 *
 * @example
 * const client = await KesClient.open({ endpoints: ['https://127.0.0.1:7373'], credentials: { apiKey } })
 * const { plaintext, ciphertext } = await client.generateDataKey('my-key', context)
 */
export class KesClient {
  readonly #connection: KesConnection

  private constructor(connection: KesConnection) {
    this.#connection = connection
  }

  /** Reads the certificate; connects to nobody. @throws KesError `invalid-config`, `invalid-credentials` */
  static async open(options: KesClientOptions, given: Partial<KesClientDependencies> = {}): Promise<KesClient> {
    return new KesClient(await KesConnection.open(options, given))
  }

  /** Whom servers take this client for. */
  get identity(): string {
    return this.#connection.identity
  }

  /** The servers, and those that are left alone at the moment. */
  get endpoints(): { readonly all: readonly KesEndpoint[]; readonly resting: readonly KesEndpoint[] } {
    return this.#connection.endpoints
  }

  /** Reads the certificate again. Requests in flight end as they began. @throws KesError `invalid-credentials` */
  reload(): Promise<void> {
    return this.#connection.reload()
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  async version(options?: KesCallOptions): Promise<answers.KesVersion> {
    return answers.readVersion(await this.#json(get('/version'), options))
  }

  /** Resolves when the server and its key store are ready. */
  async ready(options?: KesCallOptions): Promise<void> {
    await this.#connection.call(get('/v1/ready'), options)
  }

  async status(options?: KesCallOptions): Promise<answers.KesStatus> {
    return answers.readStatus(await this.#json(get('/v1/status'), options))
  }

  /** The status of each server, in the order of the settings; an error where there was none. */
  async statusOfEach(options?: KesCallOptions): Promise<readonly (answers.KesStatus | KesError)[]> {
    return Promise.all(this.#connection.endpoints.all.map((endpoint) => this.#statusOf(endpoint, options)))
  }

  async routes(options?: KesCallOptions): Promise<readonly answers.KesRouteInfo[]> {
    return answers.readRoutes(await this.#json(get('/v1/api'), options))
  }

  /** Routes that a Strongroom has beside those of KES; none where the server is a KES, which finds nothing there. */
  async ownRoutes(options?: KesCallOptions): Promise<readonly answers.KesRouteInfo[]> {
    try {
      await this.extension('describe', '-', options)
    } catch (error) {
      // No name of a key: refused by whoever has the route, whether we may use it or not.
      if (!(error instanceof KesError && (error.status === 400 || error.status === 403))) return []
    }
    return ownRoutes.map(({ method, path, maxBody, timeoutMs }) => ({
      method,
      path,
      max_body: maxBody,
      timeout: timeoutMs / 1_000,
    }))
  }

  /** The text of Prometheus. */
  async metrics(options?: KesCallOptions): Promise<string> {
    const answer = await this.#connection.call({ ...get('/v1/metrics'), maxAnswerBytes: maxMetricsBytes }, options)
    return answer.body.toString('utf8')
  }

  async createKey(name: string, options?: KesCallOptions): Promise<void> {
    await this.#connection.call({ method: 'POST', path: keyPath('create', name), isRepeatable: false }, options)
  }

  /** `material` stays the caller's. `cipher` as KES names them. */
  async importKey(
    name: string,
    material: Uint8Array,
    options: KesCallOptions & { readonly cipher?: string } = {},
  ): Promise<void> {
    const body = jsonBody({ key: base64(material), cipher: options.cipher ?? 'AES256' })
    await this.#secretCall({ method: 'POST', path: keyPath('import', name), body, isRepeatable: false }, options)
  }

  async describeKey(name: string, options?: KesCallOptions): Promise<answers.KesKeyInfo> {
    return answers.readKeyInfo(await this.#json(get(keyPath('describe', name)), options), name)
  }

  /**
   * Keys whose names begin with `prefix`, one `*` at its end aside. A MinIO KES takes a `*` literally and refuses some
   * beginnings that names can have: those are asked for by less, and the names are looked through here.
   */
  async listKeys(prefix: string, options?: KesCallOptions): Promise<answers.KesListing> {
    const wanted = prefix.endsWith('*') ? prefix.slice(0, -1) : prefix
    const asked = wanted === '_' ? '' : wanted.replace(/-{1,80}$/, '')
    const listing = await listAll((from) => this.#page(`/v1/key/list/${escapePath(from)}`, 'names', options), asked)
    if (asked === wanted) return listing
    return { ...listing, names: listing.names.filter((name) => name.startsWith(wanted)) }
  }

  async deleteKey(name: string, options?: KesCallOptions): Promise<void> {
    await this.#connection.call({ method: 'DELETE', path: keyPath('delete', name), isRepeatable: false }, options)
  }

  /** The caller zeroes `plaintext`. */
  async generateDataKey(name: string, context: Uint8Array, options?: KesCallOptions): Promise<KesDataKey> {
    const body = jsonBody(contextOf(context))
    const path = keyPath('generate', name)
    const answer = await this.#secretCall({ method: 'POST', path, body, isRepeatable: true }, options)
    return {
      plaintext: answers.readBytes(answer, 'plaintext'),
      ciphertext: answers.readBytes(answer, 'ciphertext'),
      keyVersion: answers.readKeyVersion(answer),
    }
  }

  async encrypt(
    name: string,
    plaintext: Uint8Array,
    context: Uint8Array,
    options?: KesCallOptions,
  ): Promise<{ readonly ciphertext: Buffer; readonly keyVersion: number }> {
    const body = jsonBody({ plaintext: base64(plaintext), ...contextOf(context) })
    const path = keyPath('encrypt', name)
    const answer = await this.#secretCall({ method: 'POST', path, body, isRepeatable: true }, options)
    return { ciphertext: answers.readBytes(answer, 'ciphertext'), keyVersion: answers.readKeyVersion(answer) }
  }

  /** The caller zeroes the plaintext. Which version of the key is used a Strongroom lets itself be told; KES has but one. */
  async decrypt(
    name: string,
    ciphertext: Uint8Array,
    context: Uint8Array,
    options: KesCallOptions & { readonly keyVersion?: number } = {},
  ): Promise<Buffer> {
    const { keyVersion } = options
    const version = keyVersion === undefined ? {} : { key_version: String(keyVersion) }
    const body = jsonBody({ ciphertext: base64(ciphertext), ...contextOf(context), ...version })
    const path = keyPath('decrypt', name)
    const answer = await this.#secretCall({ method: 'POST', path, body, isRepeatable: true }, options)
    return answers.readBytes(answer, 'plaintext')
  }

  async hmac(name: string, message: Uint8Array, options?: KesCallOptions): Promise<Buffer> {
    const body = jsonBody({ message: base64(message) })
    const path = keyPath('hmac', name)
    const answer = await this.#secretCall({ method: 'PUT', path, body, isRepeatable: true }, options)
    return answers.readBytes(answer, 'hmac')
  }

  /** One of our own routes, which a MinIO KES does not have: `refused` with status 404 then. */
  async extension(
    name: keyof typeof extensionPaths,
    keyName: string,
    options?: KesCallOptions,
    fields?: object,
  ): Promise<unknown> {
    const method = name === 'describe' ? 'GET' : name === 'purge' ? 'DELETE' : 'POST'
    const path = extensionPaths[name] + escapePath(keyName)
    const body = fields === undefined ? {} : { body: jsonBody(fields) }
    const answer = await this.#connection.call({ method, path, ...body, isRepeatable: method === 'GET' }, options)
    return answer.body.length === 0 ? undefined : answers.parseJson(answer.body)
  }

  async describePolicy(name: string, options?: KesCallOptions): Promise<answers.KesPolicyInfo> {
    return answers.readPolicyInfo(await this.#json(get(`/v1/policy/describe/${escapePath(name)}`), options), name)
  }

  async readPolicy(name: string, options?: KesCallOptions): Promise<answers.KesPolicyRules> {
    return answers.readPolicyRules(await this.#json(get(`/v1/policy/read/${escapePath(name)}`), options), name)
  }

  async listPolicies(pattern: string, options?: KesCallOptions): Promise<answers.KesListing> {
    return this.#list(`/v1/policy/list/${escapePath(pattern)}`, 'names', options)
  }

  async describeIdentity(identity: string, options?: KesCallOptions): Promise<answers.KesIdentityInfo> {
    const path = `/v1/identity/describe/${escapePath(identity)}`
    return answers.readIdentityInfo(await this.#json(get(path), options), identity)
  }

  async describeSelf(options?: KesCallOptions): Promise<answers.KesIdentityInfo> {
    return answers.readIdentityInfo(await this.#json(get('/v1/identity/self/describe'), options), this.identity)
  }

  async listIdentities(pattern: string, options?: KesCallOptions): Promise<answers.KesListing> {
    return this.#list(`/v1/identity/list/${escapePath(pattern)}`, 'identities', options)
  }

  /** Lines of a log as they are written, until `signal` ends it or the server does. */
  async *log(kind: 'audit' | 'error', signal: AbortSignal): AsyncIterable<string> {
    let response: IncomingMessage | undefined
    const stop = (): void => void response?.destroy()
    signal.addEventListener('abort', stop)
    try {
      response = await this.#connection.stream(`/v1/log/${kind}`, signal)
      yield* linesOf(response)
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      signal.removeEventListener('abort', stop)
      stop()
    }
  }

  async #list(path: string, field: string, options?: KesCallOptions): Promise<answers.KesListing> {
    const { names, continueAt } = await this.#page(path, field, options)
    return { names, isComplete: continueAt === '' }
  }

  async #page(path: string, field: string, options?: KesCallOptions): Promise<ListingPage> {
    const answer = await this.#connection.call({ ...get(path), maxAnswerBytes: maxListingBytes }, options)
    if (answer.contentType.startsWith('application/x-ndjson')) return answers.readLegacyListing(answer.body, field)
    return answers.readListing(answers.parseJson(answer.body), field)
  }

  async #statusOf(endpoint: KesEndpoint, options?: KesCallOptions): Promise<answers.KesStatus | KesError> {
    try {
      const answer = await this.#connection.callOne(endpoint, get('/v1/status'), options)
      return answers.readStatus(answers.parseJson(answer.body))
    } catch (error) {
      if (error instanceof KesError) return error
      throw error
    }
  }

  async #json(call: KesCall, options?: KesCallOptions): Promise<unknown> {
    return answers.parseJson((await this.#connection.call(call, options)).body)
  }

  /** A call with secrets in body or answer: both are zeroed. */
  async #secretCall(call: KesCall & { readonly body: Buffer }, options?: KesCallOptions): Promise<unknown> {
    try {
      const { body } = await this.#connection.call(call, options)
      try {
        return body.length === 0 ? undefined : answers.parseJson(body)
      } finally {
        body.fill(0)
      }
    } finally {
      call.body.fill(0)
    }
  }
}

const ownRoutes = routes.filter(({ isExtension }) => isExtension)

const get = (path: string): KesCall => ({ method: 'GET', path, isRepeatable: true })

const keyPath = (operation: string, name: string): string => `/v1/key/${operation}/${escapePath(name)}`

/** As Go's `PathEscape`, near enough: whatever is not a letter of a name. */
const escapePath = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*.]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

const contextOf = (context: Uint8Array): { readonly context?: string } =>
  context.length === 0 ? {} : { context: base64(context) }

const jsonBody = (value: object): Buffer => Buffer.from(JSON.stringify(value))
