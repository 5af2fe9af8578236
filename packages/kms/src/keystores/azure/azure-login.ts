/**
 * Microsoft Entra's access tokens for a key vault: by a client secret, by a workload's own token, or by the machine's
 * identity. learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow and
 * .../managed-identities-azure-resources/how-to-use-vm-token.
 *
 * @module
 */
import { readFile, stat } from 'node:fs/promises'
import { KmsError } from '../../kms-error.ts'
import type { AzureKeyStoreSettings } from '../key-store-settings.ts'
import { requestGrant } from '../oauth-grant.ts'
import { readJsonObject, type StoreClient, type StoreRequest } from '../store-client.ts'
import type { AccessToken } from '../token-source.ts'

/** A cloud of Microsoft's, by where its key vaults are. */
interface AzureCloud {
  readonly vaults: string
  readonly authorityHost: string
}

const publicCloud: AzureCloud = { vaults: 'vault.azure.net', authorityHost: 'https://login.microsoftonline.com' }

const clouds: readonly AzureCloud[] = [
  publicCloud,
  { vaults: 'vault.azure.cn', authorityHost: 'https://login.chinacloudapi.cn' },
  { vaults: 'vault.usgovcloudapi.net', authorityHost: 'https://login.microsoftonline.us' },
]

const defaultMetadataEndpoint = 'http://169.254.169.254'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const maxTokenFileBytes = 1 << 20

/** Statuses by which the metadata service says "not yet" (how-to-use-vm-token, Retry guidance). */
export const passingMetadataStatuses: readonly number[] = [404, 410]

/** How to reach what gives tokens. */
export interface AzureLoginMeans {
  /** A client for the origin of an address. */
  readonly clientFor: (url: URL) => StoreClient
  /** A client for the metadata service. */
  readonly metadataClientFor: (url: URL) => StoreClient
}

/**
 * Logs in once. The audience is that of the vault's cloud: what a vault itself says in a challenge is not needed, and a wrong
 * vault gets no token of another audience.
 *
 * @throws KmsError
 */
export function logInToAzure(settings: AzureKeyStoreSettings, means: AzureLoginMeans): Promise<AccessToken> {
  const { credentials, workloadIdentity, managedIdentity = {} } = settings
  const cloud = cloudOf(settings.endpoint)
  const authority = settings.authorityHost ?? cloud.authorityHost
  const scope = `https://${cloud.vaults}/.default`
  const { clientFor } = means
  if (credentials !== undefined) {
    const { tenantId, clientId, clientSecret } = credentials
    const parameters = async () => ({ client_id: clientId, client_secret: clientSecret, scope })
    return byClient(authority, tenantId, { clientFor, parameters, needs: `a valid secret of the client ${clientId}` })
  }
  if (workloadIdentity !== undefined) {
    const { tenantId, clientId, tokenFile } = workloadIdentity
    const parameters = async () => ({
      client_id: clientId,
      client_assertion_type: assertionType,
      client_assertion: await readToken(tokenFile),
      scope,
    })
    const needs = `a federated credential of the client ${clientId} that fits the token in '${tokenFile}'`
    return byClient(authority, tenantId, { clientFor, parameters, needs })
  }
  const metadata = settings.metadataEndpoint ?? defaultMetadataEndpoint
  return byMachine(addressOf(metadata), managedIdentity.clientId, cloud, means.metadataClientFor)
}

function cloudOf(endpoint: string): AzureCloud {
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : ''
  return clouds.find(({ vaults }) => host.endsWith(`.${vaults}`)) ?? publicCloud
}

interface ClientLogin {
  readonly clientFor: (url: URL) => StoreClient
  readonly parameters: () => Promise<Readonly<Record<string, string>>>
  readonly needs: string
}

function byClient(authority: string, tenantId: string, login: ClientLogin): Promise<AccessToken> {
  const url = addressOf(authority)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  const { clientFor, parameters, needs } = login
  return requestGrant(clientFor(url), url, { grantType: 'client_credentials', parameters, needs })
}

async function byMachine(
  url: URL,
  clientId: string | undefined,
  { vaults }: AzureCloud,
  clientFor: (url: URL) => StoreClient,
): Promise<AccessToken> {
  const client = clientFor(url)
  const query = new URLSearchParams({ 'api-version': '2018-02-01', resource: `https://${vaults}` })
  if (clientId !== undefined && clientId !== '') query.set('client_id', clientId)
  const path = `/metadata/identity/oauth2/token?${query}`
  const request: StoreRequest = { method: 'GET', path, headers: { metadata: 'true' } }
  const answer = await client.send(request)
  if (answer.status === 400) {
    // `invalid_request` with "Identity not found".
    readJsonObject(answer)
    const which = clientId === undefined ? '' : ` with the client id ${clientId}`
    throw new KmsError('permission-denied', `Azure: this machine has no managed identity${which}`)
  }
  if (answer.status !== 200) throw client.refusal(request, answer, { needs: 'a managed identity of this machine' })
  // A number in a text, unlike OAuth's.
  const { access_token: value, expires_in: lifetime } = client.json(request, answer)
  const seconds = typeof lifetime === 'string' || typeof lifetime === 'number' ? Number(lifetime) : Number.NaN
  if (typeof value !== 'string' || value === '' || !(seconds > 0)) {
    throw client.nonsense(request, 'no access token with a lifetime')
  }
  return { value, lifetimeMs: seconds * 1_000 }
}

/** Read at each login: whoever writes it replaces it before it expires. */
async function readToken(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > maxTokenFileBytes) throw new Error('the file is too long')
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new KmsError('unreachable', `Azure: the token file '${path}' cannot be read`, { cause: error })
  }
}

function addressOf(address: string): URL {
  const text = address.includes('://') ? address : `https://${address}`
  if (URL.canParse(text)) return new URL(text)
  throw new KmsError('unreachable', 'Azure: the address of the login or of the metadata service is none')
}
