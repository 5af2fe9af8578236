/**
 * A running server: an open deployment, a listener in front of it, the admin channel beside it.
 *
 * @module
 */
import type { InstanceStatus } from '@strongroom/cli'
import { type CertificateDirectory, type LogStream, listen } from '@strongroom/http'
import { Sweeper } from '@strongroom/maintenance'
import { adminChannel } from './admin/admin-channel.ts'
import { LocalAdmin } from './admin/local-admin.ts'
import { Closers } from './closers.ts'
import { type DataDirectory, openDataDirectory } from './data-directory.ts'
import { watchDefaultKey } from './default-key.ts'
import { type Deployment, openDeployment } from './deployment.ts'
import { servingOn } from './edge/serving.ts'
import { certificateNamesFor } from './endpoints.ts'
import { type InstanceLock, lockInstance } from './instance-lock.ts'
import type { Logger } from './log.ts'
import { openCertificates } from './open-certificates.ts'
import { openEndpoints, urlsOf } from './open-endpoints.ts'
import { createServerMetrics, type ServerMetrics, watchServing, watchStores } from './server-metrics.ts'
import type { Environment } from './settings/read-environment.ts'
import type { Settings } from './settings/setting-table.ts'
import { setUpTls, type TlsSetup } from './tls-setup.ts'
import { WorkerPool } from './workers/worker-pool.ts'

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
  readonly deployment: Deployment
  readonly serverMetrics: ServerMetrics
  isDraining(): boolean
}

/** Whatever serves the requests. */
interface Front {
  readonly endpoints: readonly string[]
  /** Reads certificates again. */
  reload(): Promise<void>
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
  const certsDirectory = tls?.certsDirectory ?? settings.certsDir ?? ''
  // Also where workers read them: what is wrong with them is said before anything starts.
  const certificates = await openCertificates(certsDirectory, log)
  closers.add('certificates', () => certificates.close())

  const serverMetrics = createServerMetrics()
  const onKmsCall = serverMetrics.onKmsCall
  const pool = settings.workers > 1 ? new WorkerPool({ log, accessLog: options.accessLog }) : undefined
  const opening = { log, credentialsDirectory, environment, onKmsCall, ...pool?.neighbours }
  const deployment = await openDeployment(settings, directory, opening)
  closers.add('deployment', () => deployment.close())
  closers.add('default key', watchDefaultKey({ ...deployment, log }))

  const sweeper = createSweeper(deployment, pool, log)
  const parts: Parts = { ...options, settings, deployment, serverMetrics, isDraining: () => isDraining }
  let front: Front
  if (pool === undefined) front = await serveHere(parts, certificates, closers)
  else {
    certificates.close()
    const { metrics } = serverMetrics
    const onWorkerEnd = (): void => {
      deployment.metadata.checkReaders()
      void sweeper.sweepNow()
    }
    closers.add('workers', () => pool.stop())
    await pool.start({ deployment, metrics, certsDirectory, environment, version, onWorkerEnd })
    front = { endpoints: urlsOf(settings, pool.addresses), reload: () => pool.reload() }
  }
  closers.add('sweeper', () => sweeper.stop())
  watchStores(serverMetrics.metrics, deployment, sweeper)
  endpoints = front.endpoints

  const running = { endpoint: endpoints[0] ?? '', pid: process.pid, startedAtMs: Date.now() }
  const caFile = tls === undefined ? {} : { caFile: tls.caFile }
  sweeper.start()
  serveAdmin(lock, parts, pool, { version, server: running }, caFile)
  return {
    endpoints,
    ...caFile,
    deployment,
    reload: async () => {
      await front.reload()
      await deployment.reload()
    },
    stop: async () => {
      isDraining = true
      await close()
    },
  }
}

/** One process for all: it serves, too. */
async function serveHere(parts: Parts, certificates: CertificateDirectory, closers: Closers): Promise<Front> {
  const { settings, deployment, serverMetrics } = parts
  const serving = servingOn({ ...parts, metrics: serverMetrics.metrics }, certificates)
  const listener = await openEndpoints(settings, (endpoints) => listen({ ...serving, endpoints }))
  closers.add('listener', () => listener.close({ graceMs: settings.drainTimeout }))
  watchServing(serverMetrics.metrics, deployment, listener)
  return { endpoints: urlsOf(settings, listener.addresses), reload: () => certificates.reload() }
}

/** Removes what dead writers left behind, at the start and every few minutes: only this process and its workers write. */
function createSweeper({ engine, blobs, space }: Deployment, pool: WorkerPool | undefined, log: Logger): Sweeper {
  return new Sweeper(
    { sweep: () => engine.sweep(pool), capacity: () => blobs.capacity() },
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

function serveAdmin(
  lock: InstanceLock,
  { deployment, log }: Parts,
  pool: WorkerPool | undefined,
  status: InstanceStatus,
  caFile: { caFile?: string },
): void {
  const endpoint = status.server?.endpoint ?? ''
  const admin = new LocalAdmin({ deployment, log, status, endpoint, ...caFile, ...(pool && { writers: pool }) })
  lock.serve(adminChannel(admin, (error) => log.error({ error }, 'an admin call failed')))
}
