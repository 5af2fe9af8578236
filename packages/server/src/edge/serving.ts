/**
 * Requests, from the socket to the engine: what a listener needs to serve a deployment, in whichever process it is.
 *
 * @module
 */
import {
  type AccessLog,
  type CertificateSource,
  createAccessLog,
  createRequestIds,
  type ListenerOptions,
  type LogStream,
  type Metrics,
  type RequestIds,
  TrustedProxies,
} from '@strongroom/http'
import { createS3Handler, type S3Response } from '@strongroom/operations'
import { describeError, formatError } from '@strongroom/s3'
import { defaultKeyOf, type ServingParts } from '../deployment.ts'
import { describeKeyService } from '../key-service.ts'
import type { Logger } from '../log.ts'
import { createKmsApi } from '../minio-api/kms-api.ts'
import type { Settings } from '../settings/setting-table.ts'
import { s3Rejections } from './rejections.ts'
import { createDirectRouter, createRouter } from './router.ts'
import { type FinishedRequest, s3Bridge } from './s3-bridge.ts'

export interface ServingOptions {
  readonly deployment: ServingParts
  readonly version: string
  readonly log: Logger
  /** Where access lines go; none are written without it. */
  readonly accessLog?: LogStream | undefined
  readonly metrics: Metrics
  /** What a scrape shows. Default: `metrics`. */
  readonly metricsText?: () => Promise<string>
  isDraining(): boolean
}

/** All that a listener needs but where to listen. */
export function servingOn(
  options: ServingOptions,
  certificates: CertificateSource,
): Omit<ListenerOptions, 'endpoints'> {
  const requestIds = createRequestIds()
  return {
    certificates,
    ...createHandlers(options, requestIds),
    limits: limitsOf(options.deployment.settings),
    formatRejection: s3Rejections(requestIds),
    onHandlerError: (error) => options.log.error({ error }, 'a request failed'),
  }
}

const limitsOf = (settings: Settings) => ({
  connections: settings.maxConnections,
  handshakeTimeoutMs: settings.headerTimeout,
  headerTimeoutMs: settings.headerTimeout,
  idleTimeoutMs: settings.idleTimeout,
  bodyStallMs: settings.stallTimeout,
  responseStallMs: settings.stallTimeout,
})

function createHandlers(
  parts: ServingOptions,
  requestIds: RequestIds,
): Pick<ListenerOptions, 'handler' | 'direct' | 'directBodies'> {
  const { deployment, log, metrics } = parts
  const { settings } = deployment
  const proxies = new TrustedProxies(settings.trustedProxies)
  const accessLog = parts.accessLog === undefined ? undefined : createAccessLog(parts.accessLog)
  const handler = createS3Handler({
    engine: deployment.engine,
    accounts: deployment.accounts,
    region: settings.region,
    domains: settings.domains,
    compatibility: settings.compatibility,
    defaultEncryption: settings.defaultEncryption,
    onUnexpectedError: (error, request) => log.error({ error, requestId: request.requestId }, 'a request failed'),
  })
  const observer = {
    onBegin: () => metrics.begin(),
    onEnd: (request: FinishedRequest) => {
      const { log: facts, status, durationMs, bytesIn, bytesOut } = request
      metrics.end(facts.operation ?? 'unknown', status, durationMs / 1000, bytesIn, bytesOut)
      if (accessLog !== undefined) writeAccess(accessLog, request)
    },
    now: () => performance.now(),
  }
  const s3 = s3Bridge({
    handler,
    proxies,
    requestIds,
    ...observer,
    onBodyError: (error, requestId) => log.error({ error, requestId }, 'a body could not be sent to its end'),
    failedResponse: (error, requestId) => failedResponse(error, requestId, requestIds.hostId),
  })
  const router = createRouter({
    s3,
    kmsApi: createKmsApi({
      ...deployment,
      version: parts.version,
      region: settings.region,
      defaultKey: defaultKeyOf(settings),
      keyService: describeKeyService(settings),
      requestIds,
      proxies,
      ...observer,
      onUnexpectedError: (error, requestId) => log.error({ error, requestId }, 'a request failed'),
    }),
    proxies,
    isReady: async () => !parts.isDraining() && isReadable(deployment),
    isWhole: async () => !parts.isDraining() && isReadable(deployment) && (await deployment.kms.status()).reachable,
    metrics: { contentType: metrics.contentType, text: parts.metricsText ?? (() => metrics.text()) },
    metricsAccess: settings.metricsAccess,
    metricsToken: settings.metricsToken,
  })
  return { handler: router, direct: createDirectRouter(s3), directBodies: 'any' }
}

function isReadable({ metadata }: ServingParts): boolean {
  try {
    metadata.snapshot().release()
    return true
  } catch {
    // Closed or broken: that is the answer.
    return false
  }
}

function writeAccess(accessLog: AccessLog, { log, ...request }: FinishedRequest): void {
  const { operation = 'unknown', accountId, encryptionMode, ...facts } = log
  accessLog.write({ ...request, ...facts, operation, account: accountId, encryption: encryptionMode })
}

function failedResponse(error: unknown, requestId: string, hostId: string): S3Response {
  const described = describeError(error)
  const body = formatError(described, { requestId, hostId })
  const headers = {
    ...described.headers,
    'content-type': 'application/xml',
    'content-length': String(Buffer.byteLength(body)),
    'x-amz-request-id': requestId,
    'x-amz-id-2': hostId,
  }
  return { status: described.status, headers, body, log: { errorCode: described.code } }
}
