/**
 * Access tokens by an OAuth grant (RFC 6749, 7523, 8693), asked for over a store's own client: with its CAs, its proxy, its
 * time limits. What a token service says is quoted as codes only: its texts may repeat what it was sent.
 *
 * @module
 */
import { KmsError } from '../kms-error.ts'
import { readJsonObject, type StoreAnswer, type StoreClient, type StoreRequest } from './store-client.ts'
import { StoreError } from './store-error.ts'
import type { AccessToken } from './token-source.ts'

/** What to ask for. */
export interface OAuthGrant {
  readonly grantType: string
  /** The grant's parameters, those that say who asks included, for a moment in milliseconds. Made anew for each attempt. */
  readonly parameters: (nowMs: number) => Promise<Readonly<Record<string, string>>>
  /** For messages: what has to be right for the grant to be given. */
  readonly needs: string
}

/** A token service with another idea of the time refuses assertions that were made by this machine's clock. */
const toleratedSkewMs = 30_000

/**
 * Asks a token service. `url` is the whole address; its origin is the client's endpoint.
 *
 * @throws KmsError `permission-denied` when it is refused, `unreachable`, `unsupported` without the package oauth4webapi
 */
export async function requestGrant(client: StoreClient, url: URL, grant: OAuthGrant): Promise<AccessToken> {
  const nowMs = client.dependencies.now()
  const first = await tryGrant(client, url, grant, nowMs)
  if ('token' in first) return first.token
  const isSkewed = Math.abs(first.theirNowMs - nowMs) > toleratedSkewMs
  const second = isSkewed ? await tryGrant(client, url, grant, first.theirNowMs) : first
  if ('token' in second) return second.token
  throw second.refusal
}

type Outcome =
  | { readonly token: AccessToken }
  /** `theirNowMs` is not a number when the service does not tell. */
  | { readonly refusal: StoreError; readonly theirNowMs: number }

async function tryGrant(client: StoreClient, url: URL, grant: OAuthGrant, nowMs: number): Promise<Outcome> {
  const oauth = await loadOAuth()
  const request: StoreRequest = { method: 'POST', path: url.pathname, isRepeatable: true }
  let refused: Outcome | undefined
  const service = { issuer: url.origin, token_endpoint: url.href }
  // The parameters say already who asks.
  const asking = { client_id: 'client' }
  try {
    const response = await oauth.genericTokenEndpointRequest(
      service,
      asking,
      () => {},
      grant.grantType,
      { ...(await grant.parameters(nowMs)) },
      {
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: async (_, { body, headers }) => {
          const answer = await client.send({ ...request, headers, body: body.toString() })
          if (answer.status === 200) return answerAsResponse(answer)
          refused = refusalOf(client, request, answer, grant.needs)
          throw refused.refusal
        },
      },
    )
    const { access_token: value, expires_in: seconds } = await oauth.processGenericTokenEndpointResponse(
      service,
      asking,
      response,
    )
    return { token: { value, lifetimeMs: seconds === undefined ? undefined : seconds * 1_000 } }
  } catch (error) {
    if (refused !== undefined) return refused
    if (error instanceof KmsError) throw error
    // The cause is left out on purpose: the library's errors carry the answer, which may hold a token.
    throw client.nonsense(request, 'no access token')
  }
}

function answerAsResponse({ body }: StoreAnswer): Response {
  const response = new Response(Uint8Array.from(body), { headers: { 'content-type': 'application/json' } })
  body.fill(0)
  return response
}

function refusalOf(
  client: StoreClient,
  request: StoreRequest,
  answer: StoreAnswer,
  needs: string,
): { readonly refusal: StoreError; readonly theirNowMs: number } {
  const theirNowMs = Date.parse(answer.headers.date ?? '')
  const { message, code, status } = client.refusal(request, answer, { needs, said: codesOf(answer) })
  const isRefused = answer.status === 400 || code === 'permission-denied'
  const refusal = new StoreError(
    isRefused ? 'permission-denied' : code,
    answer.status === 400 ? `${message}; it needs ${needs}` : message,
    { status },
  )
  return { refusal, theirNowMs }
}

/** An OAuth error code (RFC 6749 5.2) and, from Microsoft, the number that says more. */
function codesOf(answer: StoreAnswer): string | undefined {
  const { error, error_description: description } = readJsonObject(answer) ?? {}
  const code = typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined
  const number = typeof description === 'string' ? /\bAADSTS\d{1,8}\b/.exec(description.slice(0, 200))?.[0] : undefined
  return code === undefined ? number : `${code}${number === undefined ? '' : ` ${number}`}`
}

async function loadOAuth(): Promise<typeof import('oauth4webapi')> {
  try {
    return await import('oauth4webapi')
  } catch (error) {
    throw new KmsError(
      'unsupported',
      "this key store's login needs the package oauth4webapi: npm install oauth4webapi",
      {
        cause: error,
      },
    )
  }
}
