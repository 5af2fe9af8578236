/**
 * Talking to Vault or OpenBao: the headers, the login with its renewal, and what the answers mean (kes-protocol 8.4).
 * API: developer.hashicorp.com/vault/api-docs, openbao.org/api-docs.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { KmsError } from '../../kms-error.ts'
import type { VaultKeyStoreSettings, VaultLogin } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import type { StoreError } from '../store-error.ts'
import type { StoreTls } from '../store-tls.ts'
import { type AccessToken, TokenSource } from '../token-source.ts'
import { joinVaultPath } from './vault-paths.ts'

/** A renewed token that is good for less has come to the end of its longest life. */
const shortestRenewedMs = 30_000

/** A standby that does not see a write yet: Vault asks to try again. */
const notYetReplicated = 412

const healthPath =
  '/v1/sys/health?drsecondarycode=299&performancestandbycode=299&sealedcode=299&standbycode=299&uninitcode=299'

/** One Vault, one identity. */
export class VaultSession {
  readonly #client: StoreClient
  readonly #login: VaultLogin
  readonly #namespace: string | undefined
  readonly #tokens: TokenSource

  constructor(settings: VaultKeyStoreSettings, tls: StoreTls, dependencies: StoreDependencies) {
    this.#login = settings.login
    this.#namespace = settings.namespace === '' ? undefined : settings.namespace
    this.#client = new StoreClient(
      {
        store: 'Vault',
        endpoint: settings.endpoint,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        passingStatuses: [notYetReplicated],
        isFinal: isSealedAnswer,
        maxRedirects: 1,
        redirectHosts: settings.redirectHosts,
        secrets: () => [this.#tokens.held ?? '', ...secretsOf(settings.login)],
      },
      dependencies,
    )
    this.#tokens = new TokenSource(
      {
        login: () => this.#logIn(),
        ...(settings.login.method === 'token' ? {} : { renew: (token: string) => this.#renew(token) }),
        isRefused: ({ status }) => status === 403 || status === 401,
      },
      dependencies,
    )
  }

  get dependencies(): StoreDependencies {
    return this.#client.dependencies
  }

  /** Sends with a good token. Any status comes back but that of a sealed Vault. @throws StoreError */
  async send(request: StoreRequest): Promise<StoreAnswer> {
    const answer = await this.#tokens.use((token) =>
      this.#client.send({ ...request, headers: this.#headers(token, this.#namespace) }),
    )
    if (isSealedAnswer(answer))
      throw new KmsError('unreachable', 'Vault is sealed: it answers nothing until it is unsealed')
    return answer
  }

  /** The JSON object of an answer. @throws StoreError */
  json(request: StoreRequest, answer: StoreAnswer): Readonly<Record<string, unknown>> {
    return this.#client.json(request, answer)
  }

  /** The error for an answer, with Vault's own words and the capability that it asks for. */
  refusal(request: StoreRequest, answer: StoreAnswer, needs: string): StoreError {
    return this.#client.refusal(request, answer, { needs, said: vaultErrors(answer) })
  }

  nonsense(request: StoreRequest, what: string): StoreError {
    return this.#client.nonsense(request, what)
  }

  /** Whether Vault is up, unsealed and lets this identity in. */
  async status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    try {
      const request = { method: 'GET', path: healthPath, headers: requestHeaders, isSingleAttempt: true } as const
      const answer = await this.#client.send(request)
      if (answer.status !== 200 && answer.status !== 299) throw this.refusal(request, answer, 'no right')
      const { initialized, sealed } = this.#client.json(request, answer)
      if (initialized !== true) return { reachable: false, detail: 'Vault is not initialized' }
      if (sealed !== false) return { reachable: false, detail: 'Vault is sealed' }
      await this.#tokens.get()
      return { reachable: true }
    } catch (error) {
      if (error instanceof KmsError) return { reachable: false, detail: error.message }
      throw error
    }
  }

  close(): void {
    this.#tokens.close()
    this.#client.close()
  }

  async #logIn(): Promise<AccessToken> {
    const login = this.#login
    if (login.method === 'token') return { value: login.token }
    const request: StoreRequest = {
      method: 'PUT',
      path: `/v1/auth/${joinVaultPath(login.engine ?? login.method)}/login`,
      headers: this.#headers(undefined, loginNamespace(login, this.#namespace)),
      body: JSON.stringify(await loginBody(login)),
      isRepeatable: true,
      isSecret: true,
    }
    const answer = await this.#client.send(request)
    if (isSealedAnswer(answer))
      throw new KmsError('unreachable', 'Vault is sealed: it answers nothing until it is unsealed')
    if (answer.status !== 200) throw this.#loginRefused(request, answer)
    return this.#tokenIn(request, answer)
  }

  async #renew(token: string): Promise<AccessToken> {
    const login = this.#login
    const namespace = login.method === 'token' ? this.#namespace : loginNamespace(login, this.#namespace)
    const request: StoreRequest = {
      method: 'PUT',
      path: '/v1/auth/token/renew-self',
      headers: this.#headers(token, namespace),
      body: '{"increment":0}',
      isRepeatable: true,
    }
    const answer = await this.#client.send(request)
    if (answer.status !== 200) throw this.refusal(request, answer, '"update" on auth/token/renew-self')
    const renewed = this.#tokenIn(request, answer)
    if (renewed.lifetimeMs !== undefined && renewed.lifetimeMs < shortestRenewedMs) {
      throw this.#client.nonsense(request, 'a token at the end of its longest life')
    }
    return renewed
  }

  #tokenIn(request: StoreRequest, answer: StoreAnswer): AccessToken {
    const { auth } = this.#client.json(request, answer)
    if (!isObject(auth) || typeof auth.client_token !== 'string' || auth.client_token === '') {
      throw this.#client.nonsense(request, 'without a token')
    }
    const seconds = auth.lease_duration
    const isEndless = seconds === undefined || seconds === 0
    if (!isEndless && !(typeof seconds === 'number' && seconds > 0)) {
      throw this.#client.nonsense(request, 'a token without a sensible lifetime')
    }
    return {
      value: auth.client_token,
      lifetimeMs: isEndless ? undefined : Number(seconds) * 1_000,
      isRenewable: auth.renewable === true,
    }
  }

  /** Vault refuses a wrong role or secret with 400, a mount that is not there with 403 or 404. */
  #loginRefused(request: StoreRequest, answer: StoreAnswer): KmsError {
    const { status } = answer
    if (status >= 500 || status === 429) return this.refusal(request, answer, 'nothing')
    const refusal = this.#client.refusal(request, answer)
    return new KmsError(
      'permission-denied',
      `${refusal.message}: the login by ${this.#login.method} was refused; look at its mount, namespace, role and secret`,
    )
  }

  #headers(token: string | undefined, namespace: string | undefined): Record<string, string> {
    return {
      ...requestHeaders,
      ...(token === undefined ? {} : { 'x-vault-token': token }),
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    }
  }
}

/** Guards against requests that a browser could be made to send. */
const requestHeaders = { 'x-vault-request': 'true' }

/** Vault's own words: the `errors` of its answer. */
export function vaultErrors(answer: StoreAnswer): string | undefined {
  const errors = readJsonObject(answer)?.errors
  if (!Array.isArray(errors)) return undefined
  const texts = errors.filter((entry) => typeof entry === 'string')
  return texts.length === 0 ? undefined : texts.join('; ')
}

function isSealedAnswer({ status, body }: StoreAnswer): boolean {
  return status === 503 && body.includes('is sealed')
}

function secretsOf(login: VaultLogin): readonly string[] {
  if (login.method === 'token') return [login.token]
  return login.method === 'approle' ? [login.secret] : [login.jwt]
}

/** None: as the store's; `/`: the root; others as they are. */
function loginNamespace(
  { namespace }: Exclude<VaultLogin, { readonly method: 'token' }>,
  inherited: string | undefined,
): string | undefined {
  if (namespace === undefined || namespace === '') return inherited
  return namespace === '/' ? undefined : namespace
}

/** Members in the order of their names, as KES sends them. */
async function loginBody(
  login: Exclude<VaultLogin, { readonly method: 'token' }>,
): Promise<Readonly<Record<string, string>>> {
  if (login.method === 'approle') return { role_id: login.id, secret_id: login.secret }
  return { jwt: await readJwt(login.jwt), role: login.role ?? '' }
}

/** A service account's token is replaced while the process runs, so its file is read at each login. */
async function readJwt(jwt: string): Promise<string> {
  if (!jwt.includes('/')) return jwt
  try {
    return (await readFile(jwt, 'utf8')).trimEnd()
  } catch (error) {
    throw new KmsError('unreachable', `Vault: the token file '${jwt}' cannot be read`, { cause: error })
  }
}
