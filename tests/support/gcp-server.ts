/**
 * Google Secret Manager, and what gives tokens for it, as far as a key store talks to them. Written from
 * docs.cloud.google.com/secret-manager/docs/reference/rest/v1 (projects.secrets: create, get, list, delete, addVersion;
 * versions: access, get, destroy), google.aip.dev/auth/4112, 4115 and 4117, google.aip.dev/193, and kes-protocol 8.6.
 *
 * @module
 */
import { generateKeyPairSync, randomUUID, verify } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

/** One key for all tests of a file: making it takes a while. */
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })

const statusTexts: ReadonlyMap<number, string> = new Map([
  [400, 'INVALID_ARGUMENT'],
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [409, 'ALREADY_EXISTS'],
])

const fail = (code: number, message: string, status = statusTexts.get(code)): VendorAnswer => ({
  status: code,
  json: { error: { code, message, status } },
})

interface Version {
  readonly data: string
  state: 'ENABLED' | 'DISABLED' | 'DESTROYED'
}

const grants = 'urn:ietf:params:oauth:grant-type:'

export class GcpServer {
  readonly projectId = 'project-of-the-test'
  readonly clientEmail = 'strongroom@project-of-the-test.iam.gserviceaccount.com'
  readonly privateKeyId = 'key-1'
  readonly privateKey = String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  /** What the other issuer of workload identity gives. */
  readonly subjectToken = 'subject-token-of-the-test'
  readonly refreshToken = 'refresh-token-of-the-test'
  /** Secrets with their versions, from 1 on. */
  readonly secrets = new Map<string, Version[]>()
  /** The form of each login, in their order. */
  readonly logins: URLSearchParams[] = []
  tokenSeconds = 3_599
  /** What this account may not do. */
  denies: (request: VendorRequest) => boolean = () => false
  readonly #tokens = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  expireTokens(): void {
    this.#tokens.clear()
  }

  readonly handler: VendorHandler = (request) => {
    const { method, path } = request
    if (path === '/token') return this.#grant(request)
    if (path.startsWith('/computeMetadata/')) return this.#metadata(request)
    if (path.endsWith(':generateAccessToken')) return this.#impersonate(request)
    if (!this.#isAuthentic(request)) return fail(401, 'Request had invalid authentication credentials.')
    if (this.denies(request)) return fail(403, 'Permission denied on resource (or it may not exist).')
    const root = `/v1/projects/${this.projectId}/secrets`
    if (path === root) return method === 'POST' ? this.#create(request) : this.#list(request)
    const match = new RegExp(`^${root}/([\\w-]{1,255})(?:/versions/(\\d+))?(?::(\\w+))?$`).exec(path)
    if (match === null) return fail(404, 'no such method')
    const [, name = '', version, verb] = match
    const versions = this.secrets.get(name)
    if (versions === undefined) return fail(404, `Secret [${name}] not found.`)
    return version === undefined
      ? this.#onSecret(request, name, versions, verb)
      : this.#onVersion(name, versions, Number(version), verb)
  }

  #onSecret(request: VendorRequest, name: string, versions: Version[], verb: string | undefined): VendorAnswer {
    if (verb === 'addVersion' && request.method === 'POST') {
      const payload = bodyObject(request).payload
      const data = typeof payload === 'object' && payload !== null && 'data' in payload ? payload.data : undefined
      if (typeof data !== 'string') return fail(400, 'payload missing')
      versions.push({ data, state: 'ENABLED' })
      return { status: 200, json: { name: this.#nameOf(name, versions.length), state: 'ENABLED' } }
    }
    if (verb !== undefined) return fail(404, 'no such method')
    if (request.method === 'DELETE') this.secrets.delete(name)
    return { status: 200, json: request.method === 'DELETE' ? {} : { name: this.#nameOf(name) } }
  }

  #onVersion(name: string, versions: Version[], number: number, verb: string | undefined): VendorAnswer {
    const version = versions[number - 1]
    const path = this.#nameOf(name, number)
    if (version === undefined) return fail(404, `Secret Version [${path}] not found.`)
    if (verb === undefined) return { status: 200, json: { name: path, state: version.state } }
    if (verb === 'destroy') {
      version.state = 'DESTROYED'
      return { status: 200, json: { name: path, state: version.state } }
    }
    if (version.state !== 'ENABLED') {
      return fail(400, `Secret Version [${path}] is in ${version.state} state.`, 'FAILED_PRECONDITION')
    }
    return { status: 200, json: { name: path, payload: { data: version.data } } }
  }

  #create(request: VendorRequest): VendorAnswer {
    const name = request.query.get('secretId') ?? ''
    if (!/^[\w-]{1,255}$/.test(name) || bodyObject(request).replication === undefined)
      return fail(400, 'invalid secret')
    if (this.secrets.has(name)) return fail(409, `Secret [${this.#nameOf(name)}] already exists.`)
    this.secrets.set(name, [])
    return { status: 200, json: { name: this.#nameOf(name), replication: { automatic: {} } } }
  }

  /** Newest first, as the service has it. An empty page has no `secrets`. */
  #list({ query }: VendorRequest): VendorAnswer {
    const size = Math.min(Number(query.get('pageSize') ?? 25_000), 25_000)
    const from = Number(Buffer.from(query.get('pageToken') ?? '', 'base64').toString('utf8'))
    const names = [...this.secrets.keys()].reverse()
    const page = names.slice(from, from + size).map((name) => ({ name: this.#nameOf(name) }))
    const next = from + size < names.length ? Buffer.from(String(from + size)).toString('base64') : undefined
    return { status: 200, json: { ...(page.length === 0 ? {} : { secrets: page }), nextPageToken: next } }
  }

  #grant(request: VendorRequest): VendorAnswer {
    const form = new URLSearchParams(request.body)
    this.logins.push(form)
    const type = form.get('grant_type')
    const isGood =
      (type === `${grants}jwt-bearer` && this.#isAssertion(form.get('assertion') ?? '', request)) ||
      (type === `${grants}token-exchange` && form.get('subject_token') === this.subjectToken) ||
      (type === 'refresh_token' && form.get('refresh_token') === this.refreshToken)
    if (!isGood) return { status: 400, json: { error: 'invalid_grant', error_description: `no: ${request.body}` } }
    return {
      status: 200,
      json: { access_token: this.#newToken(), expires_in: this.tokenSeconds, token_type: 'Bearer' },
    }
  }

  /** An assertion of this account's key, made for this address, by a clock that is right within some minutes. */
  #isAssertion(assertion: string, { headers, path }: VendorRequest): boolean {
    const [header = '', body = '', signature = ''] = assertion.split('.')
    const isSigned = verify(
      'sha256',
      Buffer.from(`${header}.${body}`),
      pair.publicKey,
      Buffer.from(signature, 'base64url'),
    )
    if (!isSigned) return false
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'))
    const { iss, aud, iat, exp } = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))
    const nowSeconds = this.#now() / 1_000
    const isTimely = Math.abs(iat - nowSeconds) < 600 && exp > nowSeconds && exp - iat <= 3_600
    const isOurs = kid === this.privateKeyId && iss === this.clientEmail
    return isTimely && isOurs && aud === `https://${headers.host}${path}`
  }

  #metadata({ headers, query, path }: VendorRequest): VendorAnswer {
    if (headers['metadata-flavor'] !== 'Google') return { status: 403, text: 'Missing Metadata-Flavor:Google header.' }
    if (path !== '/computeMetadata/v1/instance/service-accounts/default/token')
      return { status: 404, text: 'Not Found' }
    this.logins.push(query)
    return {
      status: 200,
      json: { access_token: this.#newToken(), expires_in: this.tokenSeconds, token_type: 'Bearer' },
    }
  }

  #impersonate(request: VendorRequest): VendorAnswer {
    if (!this.#isAuthentic(request)) return fail(401, 'invalid credentials')
    const expireTime = new Date(this.#now() + this.tokenSeconds * 1_000).toISOString()
    return { status: 200, json: { accessToken: this.#newToken(), expireTime } }
  }

  #newToken(): string {
    const token = `ya29.${randomUUID()}`
    this.#tokens.set(token, this.#now() + this.tokenSeconds * 1_000)
    return token
  }

  #isAuthentic({ headers }: VendorRequest): boolean {
    const token = headers.authorization?.slice('Bearer '.length) ?? ''
    return this.#now() < (this.#tokens.get(token) ?? 0)
  }

  #nameOf(name: string, version?: number): string {
    const secret = `projects/1234567890/secrets/${name}`
    return version === undefined ? secret : `${secret}/versions/${version}`
  }
}
