/**
 * How the AWS SDK talks here: over a key store's own client, with its connection pool, CAs, proxy, time limits, bounded
 * answers and retries. The SDK signs, encodes and decodes; it does not retry.
 *
 * @module
 */
import type { ClientsByOrigin } from '../clients-by-origin.ts'
import { readJsonObject, type StoreAnswer } from '../store-client.ts'

/** What the SDK hands over, as far as it is looked at. */
export interface AwsRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** What the SDK gets back. */
export interface AwsResponse {
  readonly response: {
    readonly statusCode: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: Uint8Array
  }
}

/** Operations that do the same when they are done twice. `CreateSecret` is not among them: its answer matters. */
const repeatableTargets = new Set(
  ['GetSecretValue', 'DescribeSecret', 'ListSecrets', 'DeleteSecret', 'RestoreSecret'].map(
    (operation) => `secretsmanager.${operation}`,
  ),
)

/** A page of a hundred secrets with all that is said of them, tags and policies included. */
const maxAnswerBytes = 8 << 20

/** Exceptions that say "not now": they come with status 400 (Secrets Manager API, Common Errors). */
const throttlings = new Set(['ThrottlingException', 'Throttling', 'TooManyRequestsException', 'RequestLimitExceeded'])

/** See the module. */
export class AwsTransport {
  readonly #clients: ClientsByOrigin
  #sessionToken = ''

  constructor(clients: ClientsByOrigin) {
    this.#clients = clients
  }

  /** The session token of the last request, for hiding it in messages. */
  get sessionToken(): string {
    return this.#sessionToken
  }

  /** The SDK's `HttpHandler`. @throws StoreError when there is no answer */
  async handle({ protocol, hostname, port, path, headers, body }: AwsRequest): Promise<AwsResponse> {
    this.#sessionToken = headers['x-amz-security-token'] ?? ''
    const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname
    const client = this.#clients.for(new URL(`${protocol}//${host}${port === undefined ? '' : `:${port}`}`))
    const answer = await client.send({
      method: 'POST',
      path,
      headers,
      ...(typeof body === 'string' || body instanceof Uint8Array ? { body } : {}),
      isRepeatable: repeatableTargets.has(headers['x-amz-target'] ?? ''),
      maxAnswerBytes,
    })
    return { response: { statusCode: answer.status, headers: headersOf(answer), body: answer.body } }
  }

  /** The SDK calls it when its client is destroyed. */
  destroy(): void {
    this.#clients.close()
  }

  /** Part of the SDK's interface: nothing is configured through it. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's interface. */
  httpHandlerConfigs(): Readonly<Record<string, never>> {
    return {}
  }
}

/** Whether asking again changes nothing: every 400 but those that throttle. */
export function isFinalAwsAnswer(answer: StoreAnswer): boolean {
  if (answer.status !== 400) return false
  const { __type: type } = readJsonObject({ ...answer, body: Buffer.from(answer.body) }) ?? {}
  return !isThrottling(typeof type === 'string' ? type : '')
}

/** Whether an exception's name, with or without a namespace, says that there were too many requests. */
export function isThrottling(name: string): boolean {
  return throttlings.has(name.slice(name.lastIndexOf('#') + 1))
}

function headersOf({ headers }: StoreAnswer): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) found[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return found
}
