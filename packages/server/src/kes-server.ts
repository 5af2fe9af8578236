/**
 * `strongroom kes server` as a process: config file → key store → KES server; SIGHUP reloads, SIGTERM and SIGINT let requests
 * in flight end. Audit goes to standard output, errors to the error output, as with KES. kes-protocol 10, 13.
 *
 * @module
 */
import type { KesServerArguments } from '@strongroom/cli'
import {
  describeStore,
  type KesAddress,
  KesError,
  type KesServer,
  type KesServerOptions,
  kesServerOptions,
  loadKesConfig,
  openKesStore,
  parseKesAddress,
  startKesServer,
} from '@strongroom/kes'
import { devSetup } from './kes-dev.ts'
import { type KesOutput, kesOutput } from './kes-output.ts'

export interface KesProcess {
  readonly version: string
  /** How the command line is called here. Default: `strongroom`. */
  readonly command?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Standard output is a terminal: a secret may be shown there. Default: whether it is one. */
  readonly isTerminal?: boolean
  /** Default: those of this process. */
  readonly writeOut?: (text: string) => void
  readonly writeError?: (text: string) => void
  /** Default: the signals of this process. */
  readonly signals?: NodeJS.EventEmitter
}

/** What a config means at one moment. */
interface Plan {
  readonly options: KesServerOptions
  readonly keyStore: string
  /** How to try it out. */
  readonly usage: readonly string[]
}

const anyAddress: KesAddress = { host: '127.0.0.1', port: 7373 }

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
  const makePlan = planner(given, environment)
  const plan = await makePlan()
  const stop = new Promise<void>((resolve) => {
    signals.once('SIGTERM', resolve)
    signals.once('SIGINT', resolve)
  })
  const server = await startKesServer(plan.options, {
    auditSink: writeOut,
    errorSink: writeError,
    version: environment.version,
  })
  const reload = async (): Promise<void> => {
    try {
      const next = await makePlan()
      await server.reload(next.options)
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

/** Reads the config anew at each call; what was given on the command line stays. */
function planner(
  given: KesServerArguments,
  { environment, isTerminal, command = 'strongroom' }: KesProcess,
): () => Promise<Plan> {
  const address = given.address === undefined ? undefined : addressOf(given.address)
  if (given.isDev) {
    const chosen = environment.KES_API_KEY
    const setup = devSetup(address ?? anyAddress, chosen)
    return async () => {
      const { options, apiKey } = await setup
      const isShown = chosen === undefined && (isTerminal ?? process.stdout.isTTY === true)
      const usage = devUsage(isShown ? apiKey : undefined, chosen !== undefined, command)
      return { options: withLog(options, given), keyStore: options.keyStoreLabel ?? '', usage }
    }
  }
  const file = given.config
  if (file === undefined) {
    throw new KesError('invalid-config', 'no config file specified. Use --config, or --dev to try it out')
  }
  return async () => {
    const config = await loadKesConfig(file, environment)
    const options = kesServerOptions(config, (store) => openKesStore(store, environment))
    const endpoints = [address ?? config.address]
    return { options: withLog({ ...options, endpoints }, given), keyStore: describeStore(config.store), usage: [] }
  }
}

const withLog = (options: KesServerOptions, { isJson }: KesServerArguments): KesServerOptions =>
  isJson ? { ...options, log: { ...options.log, auditFormat: 'json' } } : options

function addressOf(text: string): KesAddress {
  const address = parseKesAddress(text)
  if (address === undefined) {
    throw new KesError('invalid-config', `not an IP address with a port: ${JSON.stringify(text)}`)
  }
  return address
}

function banner(server: KesServer, { options, keyStore, usage }: Plan, version: string): string {
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

/** Secrets are shown on a terminal only: elsewhere whoever starts the service chooses its API key. */
function devUsage(apiKey: string | undefined, isChosen: boolean, command: string): readonly string[] {
  const shown = apiKey === undefined ? [] : [`API Key     ${apiKey}`]
  const hidden =
    isChosen || apiKey !== undefined
      ? []
      : ['API Key     shown on a terminal only; set KES_API_KEY before the start to choose it']
  return [
    ...shown,
    ...hidden,
    '',
    'Keys are in memory only and gone at the end. In another terminal:',
    '',
    `  export KES_SERVER=https://ADDRESS KES_API_KEY=${apiKey ?? '…'}`,
    `  ${command} kes key create my-key -k`,
  ]
}
