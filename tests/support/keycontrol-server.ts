/**
 * Entrust KeyControl's secrets vault as far as a key store talks to it. Written from docs.hytrust.com (Secrets Vault
 * Programmer's Reference) and kes-protocol 8.10.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

const fail = (status: number, error: string): VendorAnswer => ({ status, json: { error } })

interface Secret {
  readonly data: string
  readonly isExpired: boolean
}

export class KeyControlServer {
  readonly vaultId = 'vault-1'
  readonly boxId = 'box-1'
  readonly credentials = { username: 'strongroom', password: 'a-long-password' }
  readonly secrets = new Map<string, Secret>()
  /** `undefined`: says no end. */
  tokenSeconds: number | undefined = 300
  canRenew = true
  logins = 0
  renewals = 0
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
    const [operation = '', vaultId] = request.path.slice('/vault/1.0/'.length).split('/')
    if (request.method !== 'POST') return fail(405, 'Method not allowed')
    if (operation === 'Login') return this.#logIn(request, vaultId)
    const token = String(request.headers['x-vault-auth'])
    if (this.#now() >= (this.#tokens.get(token) ?? 0)) return fail(401, 'Invalid token')
    if (operation === 'Renew') return this.#renew(token)
    if (this.denies(request)) return fail(403, 'Access denied')
    const body = bodyObject(request)
    if (body.box_id !== this.boxId) return fail(404, 'Box not found')
    return this.#operations[operation]?.(body) ?? fail(404, 'Not found')
  }

  readonly #operations: Readonly<Record<string, (body: Readonly<Record<string, unknown>>) => VendorAnswer>> = {
    GetBox: () => ({ status: 200, json: { box_id: this.boxId } }),
    CreateSecret: ({ name, secret_data: data }) => {
      if (typeof name !== 'string' || typeof data !== 'string') return fail(400, 'Bad request')
      if (this.secrets.has(name)) return fail(409, 'Secret already exists')
      this.secrets.set(name, { data, isExpired: false })
      return { status: 200, json: { secret_id: name } }
    },
    CheckoutSecret: ({ secret_id: id }) => {
      const secret = this.secrets.get(String(id))
      if (secret === undefined) return fail(404, 'Secret not found')
      return { status: 200, json: { secret_data: secret.data } }
    },
    DeleteSecret: ({ secret_id: id }) =>
      this.secrets.delete(String(id)) ? { status: 200, json: {} } : fail(404, 'Secret not found'),
    ListSecretIds: ({ max_items: max, next_token: token }) => {
      const names = [...this.secrets.keys()].sort()
      const from = typeof token === 'string' ? contextOf(token) : ''
      const left = names.filter((name) => name > from)
      const page = left.slice(0, Number(max))
      const secrets = page.map((name) => ({ name, expired: this.secrets.get(name)?.isExpired }))
      const next = page.length < left.length ? { next_token: tokenOf(this.boxId, page.at(-1) ?? '') } : {}
      return { status: 200, json: { secrets, ...next } }
    },
  }

  #logIn(request: VendorRequest, vaultId: string | undefined): VendorAnswer {
    const { username, password } = bodyObject(request)
    const isKnown = username === this.credentials.username && password === this.credentials.password
    if (vaultId !== this.vaultId || !isKnown) return fail(401, 'Invalid username or password')
    this.logins++
    return this.#newToken()
  }

  #renew(token: string): VendorAnswer {
    if (!this.canRenew) return fail(400, 'Token cannot be renewed')
    this.renewals++
    this.#tokens.delete(token)
    return this.#newToken()
  }

  #newToken(): VendorAnswer {
    const token = randomUUID()
    const end = this.#now() + (this.tokenSeconds ?? 300) * 1_000
    this.#tokens.set(token, end)
    const expiry = this.tokenSeconds === undefined ? {} : { expires_at: new Date(end).toISOString() }
    return { status: 200, json: { access_token: token, ...expiry } }
  }
}

const tokenOf = (boxId: string, name: string): string =>
  Buffer.from(JSON.stringify({ box_id: boxId, next_ctx: name })).toString('base64')

const contextOf = (token: string): string => String(JSON.parse(Buffer.from(token, 'base64').toString()).next_ctx)
