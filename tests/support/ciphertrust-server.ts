/**
 * Thales CipherTrust Manager (Gemalto KeySecure) as far as a key store talks to it. Written from
 * thalesdocs.com/ctp/cm/latest (REST API: tokens, vault secrets) and kes-protocol 8.9.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

const fail = (status: number, codeDesc: string): VendorAnswer => ({ status, json: { code: status, codeDesc } })

export class CipherTrustServer {
  readonly refreshToken = 'refresh-token-of-the-test'
  readonly domain = 'root'
  readonly secrets = new Map<string, string>()
  tokenSeconds = 300
  logins = 0
  /** What this user may not do. */
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
    const { method, path, query } = request
    if (path === '/api/v1/auth/tokens') return this.#logIn(request)
    const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
    if (this.#now() >= (this.#tokens.get(token) ?? 0)) return fail(401, 'NCERRInvalidToken: token is expired')
    if (this.denies(request)) return fail(403, 'NCERRInsufficientPermissions: Insufficient permissions')
    const root = '/api/v1/vault/secrets'
    if (path === root) return method === 'POST' ? this.#create(request) : this.#list(request)
    const [name = '', action] = path.slice(root.length + 1).split('/')
    const material = this.secrets.get(name)
    if (query.get('type') !== 'name' || material === undefined) {
      return fail(404, 'NCERRResourceNotFound: Resource not found')
    }
    if (method === 'POST' && action === 'export') return { status: 200, json: { name, material } }
    if (method === 'GET') return { status: 200, json: { name, dataType: 'seed' } }
    this.secrets.delete(name)
    return { status: 204 }
  }

  #logIn(request: VendorRequest): VendorAnswer {
    const { grant_type: type, refresh_token: refresh, domain } = bodyObject(request)
    if (type !== 'refresh_token' || refresh !== this.refreshToken || domain !== this.domain) {
      return fail(401, 'NCERRInvalidCredentials: Invalid credentials')
    }
    this.logins++
    const jwt = `header.${randomUUID()}.signature`
    this.#tokens.set(jwt, this.#now() + this.tokenSeconds * 1_000)
    return { status: 200, json: { token_type: 'Bearer', jwt, duration: this.tokenSeconds } }
  }

  #create(request: VendorRequest): VendorAnswer {
    const { dataType, name, material } = bodyObject(request)
    if (dataType !== 'seed' || typeof name !== 'string' || typeof material !== 'string') {
      return fail(400, 'NCERRBadRequest: Bad HTTP request')
    }
    if (this.secrets.has(name)) return fail(409, 'NCERRConflict: Resource already exists')
    this.secrets.set(name, material)
    return { status: 201, json: { name } }
  }

  #list({ query }: VendorRequest): VendorAnswer {
    const skip = Number(query.get('skip') ?? 0)
    const limit = Number(query.get('limit') ?? 10)
    // In the order of creation, newest first, as the service has it.
    const names = [...this.secrets.keys()].reverse()
    const resources = names.slice(skip, skip + limit).map((name) => ({ name }))
    return { status: 200, json: { skip, limit, total: names.length, resources } }
  }
}
