/**
 * Google's access tokens, by whatever credentials there are: a signed assertion (RFC 7523), a token of another issuer
 * (RFC 8693), a person's refresh token, or the metadata server.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { KmsError } from '../../kms-error.ts'
import { requestGrant } from '../oauth-grant.ts'
import { readJsonObject, type StoreClient, type StoreRequest } from '../store-client.ts'
import type { AccessToken } from '../token-source.ts'
import type { GcpCredentials, GcpExternalAccount, GcpMachine, GcpServiceAccount, GcpUser } from './gcp-credentials.ts'

/** How to reach what gives tokens. */
export interface GcpLoginMeans {
  /** A client for the origin of an address. */
  readonly clientFor: (url: URL) => StoreClient
  readonly scopes: readonly string[]
}

const defaultScopes: readonly string[] = ['https://www.googleapis.com/auth/cloud-platform']
const assertionSeconds = 3_600
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** Logs in once. @throws KmsError */
export function logInToGcp(credentials: GcpCredentials, { clientFor, scopes }: GcpLoginMeans): Promise<AccessToken> {
  const means = { clientFor, scopes: scopes.length === 0 ? defaultScopes : scopes }
  switch (credentials.kind) {
    case 'service-account':
      return byAssertion(credentials, means)
    case 'user':
      return byRefreshToken(credentials, means)
    case 'external-account':
      return byExchange(credentials, means)
    case 'machine':
      return byMetadata(credentials, means)
  }
}

/** The texts of credentials that must be in no message. */
export function secretsOfGcp(credentials: GcpCredentials): readonly string[] {
  if (credentials.kind === 'service-account') return [credentials.privateKey]
  return credentials.kind === 'user' ? [credentials.clientSecret, credentials.refreshToken] : []
}

function byAssertion(account: GcpServiceAccount, { clientFor, scopes }: GcpLoginMeans): Promise<AccessToken> {
  const url = addressOf(account.tokenUri)
  return requestGrant(clientFor(url), url, {
    grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    parameters: async (nowMs) => ({ assertion: await signAssertion(account, scopes, nowMs) }),
    needs: `a valid key of the service account ${account.clientEmail}`,
  })
}

async function signAssertion(account: GcpServiceAccount, scopes: readonly string[], nowMs: number): Promise<string> {
  const { importPKCS8, SignJWT } = await loadJose()
  const nowSeconds = Math.floor(nowMs / 1_000)
  try {
    const key = await importPKCS8(account.privateKey, 'RS256')
    return await new SignJWT({ scope: scopes.join(' ') })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: account.privateKeyId })
      .setIssuer(account.clientEmail)
      .setAudience(account.tokenUri)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + assertionSeconds)
      .sign(key)
  } catch {
    // Without a cause: it may quote the key.
    throw new KmsError(
      'permission-denied',
      'Google: the private key of the service account is no RSA key in PKCS #8 PEM',
    )
  }
}

function byRefreshToken({ clientId, clientSecret, refreshToken, tokenUri }: GcpUser, means: GcpLoginMeans) {
  const url = addressOf(tokenUri)
  return requestGrant(means.clientFor(url), url, {
    grantType: 'refresh_token',
    parameters: async () => ({ client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken }),
    needs: 'a login that has not ended: gcloud auth application-default login',
  })
}

async function byExchange(account: GcpExternalAccount, { clientFor, scopes }: GcpLoginMeans): Promise<AccessToken> {
  const { audience, subjectTokenType, impersonationUri } = account
  const url = addressOf(account.tokenUri)
  const token = await requestGrant(clientFor(url), url, {
    grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
    parameters: async () => ({
      audience,
      scope: (impersonationUri === undefined ? scopes : defaultScopes).join(' '),
      requested_token_type: accessTokenType,
      subject_token_type: subjectTokenType,
      subject_token: await subjectToken(account, clientFor),
    }),
    needs: 'a token that the workload identity pool accepts',
  })
  return impersonationUri === undefined
    ? token
    : impersonate(addressOf(impersonationUri), token.value, clientFor, scopes)
}

/** The other issuer's token, read anew each time: whoever writes it replaces it before it expires. */
async function subjectToken(
  { source, tokenField }: GcpExternalAccount,
  clientFor: GcpLoginMeans['clientFor'],
): Promise<string> {
  const found =
    'file' in source ? await readTokenFile(source.file) : await fetchToken(source.url, source.headers, clientFor)
  const token =
    tokenField === undefined
      ? found.toString('utf8').trim()
      : readJsonObject({ ...noAnswer, body: found })?.[tokenField]
  found.fill(0)
  if (typeof token === 'string' && token !== '') return token
  throw new KmsError('unreachable', 'Google: there is no token where the external account says')
}

const noAnswer = { status: 200, headers: {} }

async function readTokenFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new KmsError('unreachable', `Google: the token file '${path}' cannot be read`, { cause: error })
  }
}

async function fetchToken(
  address: string,
  headers: Readonly<Record<string, string>>,
  clientFor: GcpLoginMeans['clientFor'],
): Promise<Buffer> {
  const url = addressOf(address)
  const client = clientFor(url)
  const request: StoreRequest = { method: 'GET', path: `${url.pathname}${url.search}`, headers }
  const answer = await client.send(request)
  if (answer.status === 200) return answer.body
  throw client.refusal(request, answer, { needs: 'what gives the token of the external account' })
}

async function impersonate(
  url: URL,
  token: string,
  clientFor: GcpLoginMeans['clientFor'],
  scope: readonly string[],
): Promise<AccessToken> {
  const client = clientFor(url)
  const request: StoreRequest = {
    method: 'POST',
    path: url.pathname,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ scope, lifetime: `${assertionSeconds}s` }),
    isRepeatable: true,
  }
  const answer = await client.send(request)
  if (answer.status !== 200) {
    throw client.refusal(request, answer, { needs: 'the role "Workload Identity User" on the service account' })
  }
  const { accessToken, expireTime } = client.json(request, answer)
  if (typeof accessToken !== 'string' || accessToken === '') throw client.nonsense(request, 'no access token')
  // By the service's own clock, where it tells it.
  const from = Date.parse(answer.headers.date ?? '')
  const lifetimeMs = Date.parse(String(expireTime)) - (Number.isNaN(from) ? client.dependencies.now() : from)
  return { value: accessToken, lifetimeMs: lifetimeMs > 0 ? lifetimeMs : assertionSeconds * 1_000 }
}

async function byMetadata(
  { metadataEndpoint }: GcpMachine,
  { clientFor, scopes }: GcpLoginMeans,
): Promise<AccessToken> {
  const url = addressOf(metadataEndpoint)
  const client = clientFor(url)
  const query = `?scopes=${encodeURIComponent(scopes.join(','))}`
  const request: StoreRequest = {
    method: 'GET',
    path: `/computeMetadata/v1/instance/service-accounts/default/token${query}`,
    headers: { 'metadata-flavor': 'Google' },
  }
  const answer = await client.send(request)
  if (answer.status === 404) {
    throw new KmsError(
      'permission-denied',
      'Google: this machine has no service account; give it one, or name credentials',
    )
  }
  if (answer.status !== 200) throw client.refusal(request, answer, { needs: 'a service account of this machine' })
  const { access_token: value, expires_in: seconds } = client.json(request, answer)
  if (typeof value !== 'string' || value === '' || typeof seconds !== 'number' || !(seconds > 0)) {
    throw client.nonsense(request, 'no access token with a lifetime')
  }
  return { value, lifetimeMs: seconds * 1_000 }
}

function addressOf(address: string): URL {
  if (URL.canParse(address)) return new URL(address)
  throw new KmsError('unreachable', 'Google: the credentials name an address that is none')
}

async function loadJose(): Promise<typeof import('jose')> {
  try {
    return await import('jose')
  } catch (error) {
    throw new KmsError('unsupported', "Google: a service account's login needs the package jose: npm install jose", {
      cause: error,
    })
  }
}
