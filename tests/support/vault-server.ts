/**
 * HashiCorp Vault and OpenBao as far as a key store talks to them: KV of versions 1 and 2, transit, logins, tokens, health.
 * Written from developer.hashicorp.com/vault/api-docs and openbao.org/api-docs (secret/kv/kv-v1, secret/kv/kv-v2,
 * secret/transit, auth/approle, auth/kubernetes, auth/jwt, auth/token, system/health) and compared with OpenBao itself, on
 * which the same suite runs (packages/kms/README.md).
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { bodyObject, type VendorAnswer, type VendorHandler, type VendorRequest } from './vendor-server.ts'

interface Version {
  readonly data: Readonly<Record<string, unknown>>
  deletionTime: string
  isDestroyed: boolean
}

interface Token {
  expiresAtMs: number
  readonly namespace: string
  readonly issuedAtMs: number
}

export interface VaultServerOptions {
  /** By pages, as OpenBao lists. Default false: all at once, as Vault does. */
  readonly listsByPages?: boolean
  /** Lifetime of tokens in seconds; 0 is for ever. Default 3,600. */
  readonly tokenSeconds?: number
  /** Longest life of a token, renewals included, in seconds. Default without end. */
  readonly maxTokenSeconds?: number
  /** Namespace in which everything is mounted. Default the root. */
  readonly namespace?: string
  /** Namespace of the login methods. Default that of everything else. */
  readonly loginNamespace?: string
  readonly now: () => number
}

const ok = (data: unknown, more: Readonly<Record<string, unknown>> = {}): VendorAnswer => ({
  status: 200,
  json: { request_id: randomUUID(), lease_id: '', renewable: false, lease_duration: 0, data, auth: null, ...more },
})
const done: VendorAnswer = { status: 204 }
const fail = (status: number, ...errors: string[]): VendorAnswer => ({ status, json: { errors } })
const denied = fail(403, 'permission denied')
const absent = fail(404)

/** `kv1/` and `kv2/` are engines, `transit/` with the key `my-key`, `approle`, `kubernetes` and `jwt` login methods. */
export class VaultServer {
  readonly approle = { role_id: 'role-1234', secret_id: 'secret-5678' }
  readonly jwt = { jwt: 'header.payload.signature', role: 'strongroom' }
  isSealed = false
  /** What this identity may not do. */
  denies: (request: VendorRequest) => boolean = () => false
  /** Whether the policy of KV version 2 has "create" without "update", as KES's guide has it. */
  hasCreateOnly = false
  /** Prefix of transit ciphertexts, by version of the transit key. */
  transitVersion = 1
  logins = 0
  renewals = 0
  readonly kv1 = new Map<string, Readonly<Record<string, unknown>>>()
  readonly kv2 = new Map<string, Version[]>()
  readonly #options: VaultServerOptions
  readonly #tokens = new Map<string, Token>()

  constructor(options: VaultServerOptions) {
    this.#options = options
  }

  readonly handler: VendorHandler = (request) => {
    if (request.path === '/v1/sys/health') return this.#health(request)
    if (this.isSealed) return fail(503, 'Vault is sealed')
    const login = /^\/v1\/auth\/(?<method>approle|kubernetes|jwt)\/login$/.exec(request.path)?.groups?.method
    if (login !== undefined) return this.#logIn(login, request)
    const token = this.#tokens.get(String(request.headers['x-vault-token']))
    if (token === undefined || this.#options.now() >= token.expiresAtMs) return denied
    if (request.path === '/v1/auth/token/renew-self') return this.#renew(request, token)
    if (String(request.headers['x-vault-namespace'] ?? '') !== (this.#options.namespace ?? '')) {
      return fail(404, `no handler for route "${request.path}". route entry not found.`)
    }
    if (this.denies(request)) return fail(403, '1 error occurred:\n\t* permission denied\n\n')
    return this.#engine(request)
  }

  /** Revokes every token. */
  expireTokens(): void {
    this.#tokens.clear()
  }

  #health({ headers }: VendorRequest): VendorAnswer {
    if (headers['x-vault-namespace'] !== undefined) return fail(400, 'unsupported path')
    return { status: this.isSealed ? 299 : 200, json: { initialized: true, sealed: this.isSealed, standby: false } }
  }

  #logIn(method: string, request: VendorRequest): VendorAnswer {
    const namespace = this.#options.loginNamespace ?? this.#options.namespace ?? ''
    if (String(request.headers['x-vault-namespace'] ?? '') !== namespace) return denied
    const expected: Readonly<Record<string, string>> = method === 'approle' ? this.approle : this.jwt
    const given = bodyObject(request)
    if (Object.entries(expected).some(([field, value]) => given[field] !== value)) {
      return fail(400, method === 'approle' ? 'invalid role or secret ID' : 'error validating token')
    }
    this.logins++
    const value = `hvs.${randomUUID()}`
    const issuedAtMs = this.#options.now()
    const token: Token = { issuedAtMs, namespace, expiresAtMs: this.#expiry(issuedAtMs) }
    this.#tokens.set(value, token)
    return this.#auth(value, token)
  }

  #expiry(issuedAtMs: number): number {
    const { tokenSeconds = 3_600, maxTokenSeconds, now } = this.#options
    if (tokenSeconds === 0) return Number.POSITIVE_INFINITY
    const end = maxTokenSeconds === undefined ? Number.POSITIVE_INFINITY : issuedAtMs + maxTokenSeconds * 1_000
    return Math.min(now() + tokenSeconds * 1_000, end)
  }

  #renew(request: VendorRequest, token: Token): VendorAnswer {
    this.renewals++
    token.expiresAtMs = this.#expiry(token.issuedAtMs)
    return this.#auth(String(request.headers['x-vault-token']), token)
  }

  #auth(value: string, { expiresAtMs }: Token): VendorAnswer {
    const left = (expiresAtMs - this.#options.now()) / 1_000
    const duration = Number.isFinite(left) ? Math.round(left) : 0
    return ok(null, { auth: { client_token: value, lease_duration: duration, renewable: true, policies: ['kes'] } })
  }

  #engine(request: VendorRequest): VendorAnswer {
    const [, engine, ...rest] = request.path.slice(1).split('/').map(decodeURIComponent)
    if (engine === 'transit') return this.#transit(request, rest)
    if (engine === 'kv1') return this.#kv1(request, rest.join('/'))
    if (engine === 'kv2') return this.#kv2(request, rest[0] ?? '', rest.slice(1).join('/'))
    return fail(404, `no handler for route "${request.path.slice(4)}". route entry not found.`)
  }

  #transit(request: VendorRequest, [operation, key]: readonly string[]): VendorAnswer {
    const body = bodyObject(request)
    if (key !== 'my-key') return fail(400, 'encryption key not found')
    if (operation === 'encrypt') {
      const sealed = Buffer.from(`sealed:${String(body.plaintext)}`).toString('base64')
      return ok({ ciphertext: `vault:v${this.transitVersion}:${sealed}`, key_version: this.transitVersion })
    }
    const sealed = /^vault:v\d+:(?<sealed>.*)$/.exec(String(body.ciphertext))?.groups?.sealed ?? ''
    const opened = Buffer.from(sealed, 'base64').toString()
    if (!opened.startsWith('sealed:')) return fail(400, 'cipher: message authentication failed')
    return ok({ plaintext: opened.slice('sealed:'.length) })
  }

  #kv1(request: VendorRequest, path: string): VendorAnswer {
    if (request.query.get('list') === 'true') return this.#list(request, [...this.kv1.keys()], path)
    if (request.method === 'DELETE') {
      this.kv1.delete(path)
      return done
    }
    if (request.method === 'PUT' || request.method === 'POST') {
      this.kv1.set(path, bodyObject(request))
      return done
    }
    const data = this.kv1.get(path)
    return data === undefined ? absent : ok(data, { lease_duration: 2_764_800 })
  }

  #kv2(request: VendorRequest, area: string, path: string): VendorAnswer {
    const versions = this.kv2.get(path)
    if (area === 'detailed-metadata' && this.#options.listsByPages === true) {
      return this.#list(request, [...this.kv2.keys()], path, (name) =>
        this.kv2.get(path === '' ? name : `${path}/${name}`),
      )
    }
    if (area === 'metadata') {
      if (request.query.get('list') === 'true') return this.#list(request, [...this.kv2.keys()], path)
      if (request.method !== 'DELETE') return fail(405, 'unsupported operation')
      this.kv2.delete(path)
      return done
    }
    if (area === 'delete' || area === 'undelete') {
      const wanted = bodyObject(request).versions
      for (const version of Array.isArray(wanted) ? wanted : []) {
        const found = versions?.[Number(version) - 1]
        if (found !== undefined)
          found.deletionTime = area === 'delete' ? new Date(this.#options.now()).toISOString() : ''
      }
      return done
    }
    if (area !== 'data') {
      return {
        status: 404,
        json: { errors: [], warnings: ['Invalid path for a versioned K/V secrets engine. See the API docs'] },
      }
    }
    if (request.method === 'PUT' || request.method === 'POST') return this.#put(request, path, versions ?? [])
    const number = Number(request.query.get('version') ?? 0)
    return read(versions ?? [], number === 0 ? (versions?.length ?? 0) : number)
  }

  #put(request: VendorRequest, path: string, versions: Version[]): VendorAnswer {
    // A policy with "create" and without "update" refuses every write but the first, before the engine sees it.
    if (versions.length > 0 && this.hasCreateOnly) return denied
    const { data, options } = bodyObject(request)
    const cas = typeof options === 'object' && options !== null && 'cas' in options ? options.cas : undefined
    if (cas !== undefined && cas !== versions.length) {
      return fail(400, 'check-and-set parameter did not match the current version')
    }
    const isData = typeof data === 'object' && data !== null
    if (!isData) return fail(400, 'no data provided')
    const added = [...versions, { data: { ...data }, deletionTime: '', isDestroyed: false }]
    this.kv2.set(path, added)
    return ok(metadataOf(added, added.length))
  }

  #list(
    { query }: VendorRequest,
    paths: readonly string[],
    directory: string,
    versionsOf?: (name: string) => readonly Version[] | undefined,
  ): VendorAnswer {
    const under = directory === '' ? '' : `${directory}/`
    const names = paths.filter((path) => path.startsWith(under)).map((path) => nextSegment(path.slice(under.length)))
    const all = [...new Set(names)].sort()
    if (all.length === 0 && this.#options.listsByPages !== true && query.has('limit')) {
      // As OpenBao's version 1 was seen to do: a warning turns the 404 into a 200.
      return ok({}, { warnings: ['Endpoint ignored these unrecognized parameters: [limit]'] })
    }
    if (all.length === 0) return absent
    if (this.#options.listsByPages !== true) return ok({ keys: all })
    const limit = Number(query.get('limit') ?? 0)
    const left = all.filter((name) => name > (query.get('after') ?? ''))
    const keys = limit > 0 ? left.slice(0, limit) : left
    if (versionsOf === undefined) return ok({ keys })
    return ok({ keys, key_info: Object.fromEntries(keys.map((name) => [name, details(versionsOf(name) ?? [])])) })
  }
}

/** As OpenBao's `detailed-metadata` has it. */
function details(versions: readonly Version[]): Readonly<Record<string, unknown>> {
  const known = versions.map(({ deletionTime, isDestroyed }, at) => [
    String(at + 1),
    { created_time: '2026-01-01T00:00:00Z', deletion_time: deletionTime, destroyed: isDestroyed },
  ])
  return { current_version: versions.length, versions: Object.fromEntries(known) }
}

function nextSegment(path: string): string {
  const slash = path.indexOf('/')
  return slash < 0 ? path : path.slice(0, slash + 1)
}

function metadataOf(versions: readonly Version[], number: number): Readonly<Record<string, unknown>> {
  const version = versions[number - 1]
  return {
    created_time: '2026-01-01T00:00:00.000000000Z',
    custom_metadata: null,
    deletion_time: version?.deletionTime ?? '',
    destroyed: version?.isDestroyed ?? false,
    version: number,
  }
}

function read(versions: readonly Version[], number: number): VendorAnswer {
  const version = versions[number - 1]
  if (version === undefined) return absent
  const metadata = metadataOf(versions, number)
  if (version.isDestroyed || version.deletionTime !== '') {
    return { status: 404, json: { request_id: randomUUID(), data: { data: null, metadata } } }
  }
  return ok({ data: version.data, metadata })
}
