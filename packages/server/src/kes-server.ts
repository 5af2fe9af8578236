/**
 * `strongroom kes server` as a process: config file → key store → KES server; SIGHUP reloads, SIGTERM and SIGINT let requests
 * in flight end. Audit goes to standard output, errors to the error output, as with KES. kes-protocol 10, 13.
 *
 * @module
 */
import type { KesServerArguments } from '@strongroom/cli'
import { KesError, startKesServer } from '@strongroom/kes'
import { type KesOutput, kesOutput } from './kes-output.ts'
import { type KesPlan, type KesPlanEnvironment, kesPlanner } from './kes-plan.ts'
import { KesPool } from './workers/kes-pool.ts'

export interface KesProcess extends KesPlanEnvironment {
  readonly version: string
  /** Default: those of this process. */
  readonly writeOut?: (text: string) => void
  readonly writeError?: (text: string) => void
  /** Default: the signals of this process. */
  readonly signals?: NodeJS.EventEmitter
}

/**
 * Runs until a signal; resolves with the exit code.
 *
 * @throws KesError and what `startKesServer` throws
 */
export async function runKesServer(given: KesServerArguments, environment: KesProcess): Promise<number> {
  const out = outputTo(environment.writeOut, () => kesOutput(process.stdout, given.isJson))
  const errors = outputTo(environment.writeError, () => kesOutput(process.stderr, given.isJson))
  try {
    return await serve(given, environment, out.write, errors.write)
  } finally {
    out.flush()
    errors.flush()
  }
}

const outputTo = (write: ((text: string) => void) | undefined, open: () => KesOutput): KesOutput =>
  write === undefined ? open() : { write, flush: () => undefined }

async function serve(
  given: KesServerArguments,
  environment: KesProcess,
  writeOut: (text: string) => void,
  writeError: (text: string) => void,
): Promise<number> {
  const signals = environment.signals ?? process
  const makePlan = kesPlanner(given, environment)
  const plan = await makePlan()
  const stop = new Promise<void>((resolve) => {
    signals.once('SIGTERM', resolve)
    signals.once('SIGINT', resolve)
  })
  const server = await openFront(given, plan, environment, writeOut, writeError)
  const reload = async (): Promise<void> => {
    try {
      const next = await makePlan()
      await server.reload(next)
      writeOut(banner(server, next, environment.version))
      writeOut('=> Reloading configuration after SIGHUP signal completed.\n')
    } catch (error) {
      writeError(`Failed to reload server config: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  let work = Promise.resolve()
  const onReload = (): void => {
    work = work.then(reload)
  }
  signals.on('SIGHUP', onReload)
  try {
    writeOut(banner(server, plan, environment.version))
    await stop
  } finally {
    signals.off('SIGHUP', onReload)
    writeOut('\n=> Stopping server... ')
    await work
    await server.close()
    writeOut('Goodbye.\n')
  }
  return 0
}

/** Whatever serves the requests. */
interface KesFront {
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  reload(plan: KesPlan): Promise<void>
  close(): Promise<void>
}

async function openFront(
  given: KesServerArguments,
  { options }: KesPlan,
  { environment, version }: KesProcess,
  writeOut: (text: string) => void,
  writeError: (text: string) => void,
): Promise<KesFront> {
  const { workers = 1, isDev, isJson } = given
  if (workers > 1) {
    if (isDev) throw new KesError('invalid-config', '--workers needs a config: the keys of --dev are in one process')
    const told = { given, environment, version, startedAtMs: Date.now() }
    return KesPool.open({ endpoints: options.endpoints, workers, told, isJson, writeOut, writeError })
  }
  const auditSink = (lines: Uint8Array): void =>
    writeOut(Buffer.from(lines.buffer, lines.byteOffset, lines.length).toString())
  const server = await startKesServer(options, { auditSink, errorSink: writeError, version })
  return {
    addresses: server.addresses,
    reload: (next) => server.reload(next.options),
    close: () => server.close(),
  }
}

function banner(server: KesFront, { options, keyStore, usage }: KesPlan, version: string): string {
  const addresses = server.addresses.map(
    ({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`,
  )
  const [first = ''] = addresses
  const rows = [
    `Version     Strongroom ${version}`,
    `Runtime     ${process.versions.bun === undefined ? `node ${process.versions.node}` : `bun ${process.versions.bun}`}`,
    `KMS         ${keyStore}`,
    ...addresses.map((address) => `Address     https://${address}`),
    `Admin       ${options.adminIdentity}`,
    ...(options.tls.verifyClients === true ? ['Mutual TLS  on, client certificates are verified'] : []),
    ...usage.map((line) => line.replaceAll('ADDRESS', first)),
  ]
  return `${rows.join('\n')}\n\n=> Server is up and running...\n`
}
