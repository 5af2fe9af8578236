/**
 * A running server: an open deployment, a listener in front of it, the admin channel beside it.
 *
 * @module
 */
import type { InstanceStatus } from '@strongroom/cli'
import {
  type AccessLog,
  CertificateDirectory,
  createAccessLog,
  createRequestIds,
  type Endpoint,
  HttpError,
  type Listener,
  type LogStream,
  listen,
  type RequestIds,
  TrustedProxies,
} from '@strongroom/http'
import { Sweeper } from '@strongroom/maintenance'
import { createS3Handler, type S3Response } from '@strongroom/operations'
import { describeError, formatError } from '@strongroom/s3'
import { adminChannel } from './admin/admin-channel.ts'
import { LocalAdmin } from './admin/local-admin.ts'
import { Closers } from './closers.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { watchDefaultKey } from './default-key.ts'
import { type Deployment, defaultKeyOf, openDeployment } from './deployment.ts'
import { s3Rejections } from './edge/rejections.ts'
import { createRouter } from './edge/router.ts'
import { type FinishedRequest, s3Bridge } from './edge/s3-bridge.ts'
import { certificateNamesFor, endpointUrl, formatAddress } from './endpoints.ts'
import { type InstanceLock, lockInstance } from './instance-lock.ts'
import { describeKeyService } from './key-service.ts'
import type { Logger } from './log.ts'
import { createKmsApi } from './minio-api/kms-api.ts'
import { ServerError } from './server-error.ts'
import { createServerMetrics, type ServerMetrics, watchDeployment } from './server-metrics.ts'
import type { Environment } from './settings/read-environment.ts'
import type { ListenAddress } from './settings/setting-kinds.ts'
import type { Settings } from './settings/setting-table.ts'
import { setUpTls, type TlsSetup } from './tls-setup.ts'

export interface ServeOptions {
  readonly version: string
  readonly log: Logger
  /** Where access lines go; none are written without it. */
  readonly accessLog?: LogStream
  /** `$CREDENTIALS_DIRECTORY` of a service manager. */
  readonly credentialsDirectory?: string | undefined
  /** What `${NAME}` stands for in the section `keystore`. Default: nothing. */
  readonly environment?: Environment
}

export interface RunningServer {
  /** `https://127.0.0.1:9000`; a plaintext listener comes second. */
  readonly endpoints: readonly string[]
  /** CA made for trying out. */
  readonly caFile?: string
  readonly deployment: Deployment
  /** Reads the certificates again, those for the key service, too. */
  reload(): Promise<void>
  /** Lets requests in flight end, then closes everything. */
  stop(): Promise<void>
}

interface Parts extends ServeOptions {
  readonly settings: Settings
  readonly directory: DataDirectory
  readonly deployment: Deployment
  readonly serverMetrics: ServerMetrics
  isDraining(): boolean
}

/**
 * Starts a server; resolves when it is ready.
 *
 * @throws ServerError with one clear line
 */
export async function startServer(settings: Settings, options: ServeOptions): Promise<RunningServer> {
  const closers = new Closers()
  const close = (): Promise<void> =>
    closers.closeAll((what, error) => options.log.error({ error }, `${what} did not close cleanly`))
  try {
    return await start(settings, options, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  settings: Settings,
  options: ServeOptions,
  closers: Closers,
  close: () => Promise<void>,
): Promise<RunningServer> {
  const { log, version, credentialsDirectory, environment = {} } = options
  let endpoints: readonly string[] = []
  let isDraining = false
  const directory = await openDataDirectory(settings.data, { metadata: settings.metadata })
  const lock = await lockInstance(directory.metadata, () => `server on ${endpoints[0] ?? 'an address to come'}`)
  closers.add('instance lock', () => lock.release())
  const tls = await trialTls(settings, directory)
  const certificates = await openCertificates(tls?.certsDirectory ?? settings.certsDir ?? '', log)
  closers.add('certificates', () => certificates.close())

  const serverMetrics = createServerMetrics()
  const onKmsCall = serverMetrics.onKmsCall
  const deployment = await openDeployment(settings, directory, { log, credentialsDirectory, environment, onKmsCall })
  closers.add('deployment', () => deployment.close())
  closers.add('default key', watchDefaultKey({ ...deployment, log }))

  const parts: Parts = { ...options, settings, directory, deployment, serverMetrics, isDraining: () => isDraining }
  const listener = await openListener(parts, certificates)
  closers.add('listener', () => listener.close({ graceMs: settings.drainTimeout }))
  const sweeper = createSweeper(deployment, log)
  closers.add('sweeper', () => sweeper.stop())
  watchDeployment(serverMetrics.metrics, deployment, { listener, sweeper })
  endpoints = endpointsOf(settings, listener)

  const running = { endpoint: endpoints[0] ?? '', pid: process.pid, startedAtMs: Date.now() }
  const caFile = tls === undefined ? {} : { caFile: tls.caFile }
  sweeper.start()
  serveAdmin(lock, parts, { version, server: running }, caFile)
  return {
    endpoints,
    ...caFile,
    deployment,
    reload: async () => {
      await certificates.reload()
      await deployment.reload()
    },
    stop: async () => {
      isDraining = true
      await close()
    },
  }
}

/** Removes what dead writers left behind, at the start and every few minutes: this process is the only one that writes. */
function createSweeper({ engine, blobs, space }: Deployment, log: Logger): Sweeper {
  return new Sweeper(
    { sweep: () => engine.sweep(), capacity: () => blobs.capacity() },
    {
      onSweep: (report, durationMs) => {
        for (const { name, total } of report.keysDestroyed) {
          log.warn({ key: name, lost: total }, 'a key was destroyed, as scheduled')
        }
        log.debug({ ...report, durationMs }, 'swept')
      },
      onError: (error) => log.error({ error }, 'sweeping failed; it is tried again later'),
      // A warning well before writes are refused.
      lowSpaceBytes: space.minFreeBytes * 2,
      onLowSpace: (freeBytes) => log.warn({ freeBytes }, 'little space is left for objects'),
    },
  )
}

async function trialTls(settings: Settings, directory: DataDirectory): Promise<TlsSetup | undefined> {
  if (settings.certsDir !== undefined) return undefined
  return await setUpTls(directory.certs, { names: certificateNamesFor(settings.address, settings.domains) })
}

async function openCertificates(directory: string, log: Logger): Promise<CertificateDirectory> {
  try {
    return await CertificateDirectory.open(directory, {
      onProblem: (error) => log.error({ error }, 'a certificate cannot be used; the one before it stays'),
      onReload: () => log.info('certificates reloaded'),
    })
  } catch (error) {
    if (error instanceof HttpError) throw new ServerError('certificates', error.message, { cause: error })
    throw new ServerError('certificates', `${directory} cannot be read`, { cause: error })
  }
}

function serveAdmin(
  lock: InstanceLock,
  { deployment, log }: Parts,
  status: InstanceStatus,
  caFile: { caFile?: string },
): void {
  const admin = new LocalAdmin({ deployment, log, status, endpoint: status.server?.endpoint ?? '', ...caFile })
  lock.serve(adminChannel(admin, (error) => log.error({ error }, 'an admin call failed')))
}

/** Empty host: every interface of either family, or of IPv4 where there is no IPv6. */
const hostsOf = ({ host }: ListenAddress): readonly string[] => (host === '' ? ['::', '0.0.0.0'] : [host])

async function openListener(parts: Parts, certificates: CertificateDirectory): Promise<Listener> {
  const { settings } = parts
  const requestIds = createRequestIds()
  const handler = createHandler(parts, requestIds)
  const attempts = hostsOf(settings.address)
  for (const [index, host] of attempts.entries()) {
    const endpoints: Endpoint[] = [{ host, port: settings.address.port }]
    if (settings.plaintextAddress !== undefined) {
      const { host: plainHost, port } = settings.plaintextAddress
      endpoints.push({ host: plainHost === '' ? host : plainHost, port, plaintext: true })
    }
    try {
      return await listen({
        endpoints,
        certificates,
        handler,
        limits: limitsOf(settings),
        formatRejection: s3Rejections(requestIds),
        onHandlerError: logFault(parts),
      })
    } catch (error) {
      if (index + 1 === attempts.length || causeCode(error) !== 'EAFNOSUPPORT') throw listenError(error, settings)
    }
  }
  throw new ServerError('internal', 'there is no address to listen on')
}

const logFault =
  ({ log }: Parts) =>
  (error: unknown): void =>
    log.error({ error }, 'a request failed')

const limitsOf = (settings: Settings) => ({
  connections: settings.maxConnections,
  handshakeTimeoutMs: settings.headerTimeout,
  headerTimeoutMs: settings.headerTimeout,
  idleTimeoutMs: settings.idleTimeout,
  bodyStallMs: settings.stallTimeout,
  responseStallMs: settings.stallTimeout,
})

const causeCode = (error: unknown): unknown =>
  error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : undefined

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program: choose another with --address',
  EACCES: 'may not be used by this user: ports below 1024 are for root',
  EADDRNOTAVAIL: 'is not an address of this machine',
  ENOTFOUND: 'is not an address of this machine',
}

function listenError(error: unknown, { address, plaintextAddress }: Settings): unknown {
  const code = String(causeCode(error))
  const reason = reasons[code]
  if (reason === undefined) return error
  const wanted = [address, ...(plaintextAddress === undefined ? [] : [plaintextAddress])].map(formatAddress)
  return new ServerError('address-in-use', `${wanted.join(' or ')} ${reason}`, { cause: error })
}

const endpointsOf = ({ address, plaintextAddress }: Settings, listener: Listener): string[] => {
  const ports = listener.addresses.map(({ port }) => port)
  const urls = [endpointUrl({ host: address.host, port: ports[0] ?? 0 })]
  if (plaintextAddress !== undefined)
    urls.push(endpointUrl({ host: plaintextAddress.host, port: ports[1] ?? 0 }, 'http'))
  return urls
}

function createHandler(parts: Parts, requestIds: RequestIds) {
  const { settings, deployment, log, serverMetrics } = parts
  const { metrics } = serverMetrics
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
  return createRouter({
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
    metrics,
    metricsAccess: settings.metricsAccess,
    metricsToken: settings.metricsToken,
  })
}

function isReadable({ metadata }: Deployment): boolean {
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
