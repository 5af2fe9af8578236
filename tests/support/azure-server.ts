/**
 * Azure Key Vault, Microsoft Entra and the metadata service of a machine, as far as a key store talks to them. Written from
 * learn.microsoft.com/rest/api/keyvault/secrets (Set Secret, Get Secret, Get Secret Versions, Get Secrets, Delete Secret,
 * Get/Recover/Purge Deleted Secret), learn.microsoft.com/azure/key-vault/general (soft-delete overview; about keys, secrets
 * and certificates: names; authentication, requests and responses: errors),
 * learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and kes-protocol 8.7.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

const fail = (status: number, code: string, message: string, inner?: string): VendorAnswer => ({
  status,
  json: { error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } },
})

interface Version {
  readonly id: string
  readonly value: string
  readonly attributes: { created: number; enabled: boolean; nbf?: number; exp?: number }
}

interface Secret {
  readonly name: string
  readonly versions: Version[]
  state: 'active' | 'deleting' | 'deleted' | 'recovering' | 'purging'
  /** How many more looks a change of state takes. */
  looks: number
}

const root = '/secrets'

export class AzureServer {
  readonly tenantId = 'tenant-of-the-test'
  readonly clientId = 'client-of-the-test'
  readonly clientSecret = 'client~secret/of+the&test'
  readonly workloadToken = 'header.workload-token.signature'
  /** By name in lower case: names do not differ by case alone. */
  readonly secrets = new Map<string, Secret>()
  /** The form or the query of each login, in their order. */
  readonly logins: URLSearchParams[] = []
  tokenSeconds = 3_599
  /** How many looks deleting, recovering and purging take. */
  lag = 0
  /** Whether versions of a secret that is not there are an empty page, not 404. */
  absentIsEmpty = false
  hasPurgeProtection = false
  /** Where the next page is, when it is not here. */
  linkOrigin: string | undefined
  /** What this client may not do. */
  denies: (request: VendorRequest) => boolean = () => false
  readonly #tokens = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  expireTokens(): void {
    this.#tokens.clear()
  }

  put(name: string, value: string): void {
    const attributes = { created: Math.floor(this.#now() / 1_000), enabled: true }
    const version = { id: randomUUID().replaceAll('-', ''), value, attributes }
    const known = this.secrets.get(name.toLowerCase())
    if (known !== undefined) known.versions.push(version)
    else this.secrets.set(name.toLowerCase(), { name, versions: [version], state: 'active', looks: 0 })
  }

  /** As another client's deletion does. */
  beginDeletion(name: string): void {
    const secret = this.secrets.get(name.toLowerCase())
    if (secret !== undefined) this.#move(secret, 'deleting')
  }

  readonly handler: VendorHandler = (request) => {
    const { path, query, headers } = request
    if (path === `/${this.tenantId}/oauth2/v2.0/token`) return this.#grant(request)
    if (path === '/metadata/identity/oauth2/token') return this.#machine(request)
    const token = headers.authorization?.slice('Bearer '.length) ?? ''
    if (this.#now() >= (this.#tokens.get(token) ?? 0))
      return fail(401, 'Unauthorized', 'AKV10000: the token is no good')
    if (query.get('api-version') !== '7.5') return fail(400, 'BadParameter', 'api-version')
    if (this.denies(request))
      return fail(403, 'Forbidden', 'The user does not have secrets permission', 'ForbiddenByRbac')
    const [, area = '', name, rest] = path.split('/')
    if (name !== undefined && !/^[0-9a-zA-Z-]{1,127}$/.test(name)) return fail(400, 'BadParameter', 'invalid name')
    if (name === undefined) return this.#list(request)
    const secret = this.#look(name)
    return area === 'deletedsecrets'
      ? this.#onDeleted(request, name, secret, rest)
      : this.#onSecret(request, name, secret, rest)
  }

  #onSecret(request: VendorRequest, name: string, secret: Secret | undefined, rest: string | undefined): VendorAnswer {
    const { method } = request
    if (method === 'PUT') return this.#set(request, name, secret)
    const isThere = secret?.state === 'active'
    if (rest === 'versions' && (isThere || this.absentIsEmpty))
      return this.#versions(request, isThere ? secret : undefined)
    if (!isThere) return fail(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`)
    if (method === 'DELETE') {
      this.#move(secret, 'deleting')
      return { status: 200, json: { recoveryId: `${this.#id(request, secret)}`, id: this.#id(request, secret) } }
    }
    const version = secret.versions.find(({ id }) => id === rest)
    if (version === undefined) return fail(404, 'SecretNotFound', 'no such version')
    const { value, attributes } = version
    if (!attributes.enabled)
      return fail(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled')
    return { status: 200, json: { value, id: this.#id(request, secret, version), attributes } }
  }

  #set(request: VendorRequest, name: string, secret: Secret | undefined): VendorAnswer {
    const { value } = bodyObject(request)
    if (typeof value !== 'string' || value.length > 25_000) return fail(400, 'BadParameter', 'value')
    if (secret !== undefined && secret.state !== 'active') {
      const inner = secret.state === 'deleted' ? 'ObjectIsDeletedButRecoverable' : 'ObjectIsBeingDeleted'
      return fail(409, 'Conflict', `Secret ${name} is currently in a deleted state`, inner)
    }
    this.put(name, value)
    return { status: 200, json: { value, id: `${root}/${name}`, attributes: {} } }
  }

  #onDeleted(request: VendorRequest, name: string, secret: Secret | undefined, rest: string | undefined): VendorAnswer {
    if (secret === undefined || secret.state === 'active' || secret.state === 'recovering') {
      return fail(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
    }
    if (secret.state !== 'deleted' && request.method !== 'GET') {
      return fail(409, 'Conflict', 'in progress', 'ObjectIsBeingDeleted')
    }
    if (rest === 'recover' && request.method === 'POST') {
      this.#move(secret, 'recovering')
      return { status: 200, json: { id: this.#id(request, secret) } }
    }
    if (request.method === 'DELETE') {
      if (this.hasPurgeProtection)
        return fail(403, 'Forbidden', 'Operation "purge" is not allowed', 'ForbiddenByPolicy')
      this.#move(secret, 'purging')
      return { status: 204 }
    }
    if (secret.state === 'deleting') return fail(404, 'SecretNotFound', `Deleted Secret not found: ${name}`)
    return { status: 200, json: { recoveryId: '', id: this.#id(request, secret, secret.versions[0]) } }
  }

  #move(secret: Secret, state: Secret['state']): void {
    secret.state = state
    secret.looks = this.lag
    this.#settle(secret)
  }

  #look(name: string): Secret | undefined {
    const secret = this.secrets.get(name.toLowerCase())
    if (secret !== undefined && secret.looks > 0) {
      secret.looks--
      this.#settle(secret)
    }
    return this.secrets.get(name.toLowerCase())
  }

  #settle(secret: Secret): void {
    if (secret.looks > 0) return
    if (secret.state === 'deleting') secret.state = 'deleted'
    else if (secret.state === 'recovering') secret.state = 'active'
    else if (secret.state === 'purging') this.secrets.delete(secret.name.toLowerCase())
  }

  #versions(request: VendorRequest, secret: Secret | undefined): VendorAnswer {
    const versions = [...(secret?.versions ?? [])].sort((one, other) => (one.id < other.id ? -1 : 1))
    return this.#page(
      request,
      versions.map((version) => ({ id: secret && this.#id(request, secret, version), attributes: version.attributes })),
    )
  }

  #list(request: VendorRequest): VendorAnswer {
    const secrets = [...this.secrets.values()].filter(({ state }) => state === 'active')
    return this.#page(
      request,
      secrets.map((secret) => ({ id: this.#id(request, secret), attributes: {} })),
    )
  }

  /** At most 25 items. */
  #page({ path, query, headers }: VendorRequest, items: readonly unknown[]): VendorAnswer {
    const size = Math.min(Number(query.get('maxresults') ?? 25), 25)
    const from = Number(query.get('$skiptoken') ?? 0)
    const origin = this.linkOrigin ?? `https://${headers.host}`
    const next = `${origin}${path}?api-version=7.5&$skiptoken=${from + size}&maxresults=${size}`
    return {
      status: 200,
      json: { value: items.slice(from, from + size), nextLink: from + size < items.length ? next : null },
    }
  }

  #grant(request: VendorRequest): VendorAnswer {
    const form = new URLSearchParams(request.body)
    this.logins.push(form)
    const bySecret = form.get('client_secret') === this.clientSecret
    const byAssertion =
      form.get('client_assertion_type') === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' &&
      form.get('client_assertion') === this.workloadToken
    const isComplete = form.get('grant_type') === 'client_credentials' && form.get('client_id') === this.clientId
    if (!isComplete || !(bySecret || byAssertion) || form.get('scope') !== 'https://vault.azure.net/.default') {
      const description = `AADSTS7000215: Invalid client secret provided: ${request.body}`
      return { status: 401, json: { error: 'invalid_client', error_description: description } }
    }
    return {
      status: 200,
      json: { token_type: 'Bearer', expires_in: this.tokenSeconds, access_token: this.#newToken() },
    }
  }

  #machine({ headers, query }: VendorRequest): VendorAnswer {
    this.logins.push(query)
    if (headers.metadata !== 'true' || query.get('resource') !== 'https://vault.azure.net')
      return { status: 400, json: {} }
    const clientId = query.get('client_id')
    if (clientId !== null && clientId !== this.clientId) {
      return { status: 400, json: { error: 'invalid_request', error_description: 'Identity not found' } }
    }
    const expires = String(this.tokenSeconds)
    return { status: 200, json: { access_token: this.#newToken(), expires_in: expires, token_type: 'Bearer' } }
  }

  #newToken(): string {
    const token = `eyJ0.${randomUUID()}`
    this.#tokens.set(token, this.#now() + this.tokenSeconds * 1_000)
    return token
  }

  #id({ headers }: VendorRequest, { name }: Secret, version?: Version): string {
    return `https://${headers.host}${root}/${name}${version === undefined ? '' : `/${version.id}`}`
  }
}
