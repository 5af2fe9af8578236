/**
 * Routes that are not S3: health, metrics and MinIO's KMS API. Everything else, and whatever is signed for S3, goes to S3:
 * a bucket may be named like the first part of such a route.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { Connection, DirectHandler, TrustedProxies } from '@strongroom/http'
import { isAdminRequest, type KmsApi } from '../minio-api/kms-api.ts'
import type { Bridge } from './s3-bridge.ts'

export interface RouterOptions {
  readonly s3: Bridge
  readonly kmsApi: KmsApi
  readonly proxies: TrustedProxies
  /** Whether requests can be served now. */
  isReady(): Promise<boolean>
  /** Whether objects can be read and written: the key service answers, too. */
  isWhole(): Promise<boolean>
  readonly metrics: { readonly contentType: string; text(): Promise<string> }
  readonly metricsAccess: 'local' | 'public'
  readonly metricsToken: string | undefined
}

type Route = (request: IncomingMessage, response: ServerResponse, connection: Connection) => Promise<void> | void

/** Serves health, metrics and S3 on one listener. */
export function createRouter(options: RouterOptions): Route {
  const metrics: Route = async (request, response, connection) => {
    if (!mayReadMetrics(options, request, connection))
      answer(response, 403, 'Metrics are for this machine, or need the token.\n')
    else answer(response, 200, await options.metrics.text(), options.metrics.contentType)
  }
  const health =
    (check: () => Promise<boolean>): Route =>
    async (_, response) => {
      answer(response, (await check()) ? 200 : 503, '')
    }
  const routes: ReadonlyMap<string, Route> = new Map([
    ['/minio/health/live', health(async () => true)],
    ['/minio/health/ready', health(() => options.isReady())],
    ['/minio/health/cluster', health(() => options.isWhole())],
    ['/minio/v2/metrics/cluster', metrics],
    ['/strongroom/metrics', metrics],
  ])
  return (request, response, connection) => {
    const target = request.url ?? ''
    // Only two prefixes have routes: one comparison for nearly every request.
    const letter = target.charCodeAt(1)
    if (letter === 0x6d || letter === 0x73) {
      const question = target.indexOf('?')
      const route = routes.get(question < 0 ? target : target.slice(0, question))
      if (route !== undefined && isPlain(request)) return route(request, response, connection)
      if (isAdminRequest(request)) return options.kmsApi(request, response, connection)
    }
    return options.s3(request, response, connection)
  }
}

const firstParts = ['/minio/', '/strongroom/']

/** The same for requests that were read directly: whatever may be one of our own routes is left to the other router. */
export function createDirectRouter(s3: Bridge): DirectHandler {
  return (request, response, connection) => {
    const { target } = request
    return firstParts.some((first) => target.startsWith(first)) ? false : s3(request, response, connection)
  }
}

/** Not signed for S3. */
const isPlain = (request: IncomingMessage): boolean =>
  (request.method === 'GET' || request.method === 'HEAD') &&
  !/^AWS/i.test(request.headers.authorization ?? '') &&
  !/[?&](?:x-amz-|awsaccesskeyid=)/i.test(request.url ?? '')

function answer(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response
    .writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
    })
    .end(body)
}

function mayReadMetrics(options: RouterOptions, request: IncomingMessage, connection: Connection): boolean {
  if (options.metricsAccess === 'public') return true
  const { metricsToken: token } = options
  if (token !== undefined) return isSameText(request.headers.authorization ?? '', `Bearer ${token}`)
  const { remoteAddress } = options.proxies.resolve(connection, request.headers)
  // A proxy on this machine that nobody declared trusted would make the whole world local.
  const isForwarded = ['forwarded', 'x-forwarded-for', 'via'].some((name) => request.headers[name] !== undefined)
  const isTrusted = options.proxies.has(connection.remoteAddress)
  return isLoopback(remoteAddress) && (isTrusted || !isForwarded)
}

const isLoopback = (address: string): boolean => (isIP(address) === 4 ? address.startsWith('127.') : address === '::1')

const isSameText = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
