/**
 * The `strongroom` program: the one place that reads the environment, the terminal and signals.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AdminError, type AdminErrorCode, type CliPorts, runCli, type Target } from '@strongroom/cli'
import { openAdmin } from './admin/open-admin.ts'
import { banner } from './banner.ts'
import { systemErrorCode } from './durable-file.ts'
import { kesPorts } from './kes-ports.ts'
import { LineBatch } from './line-batch.ts'
import { createLog, type Logger, lineWriter, lostLine } from './log.ts'
import type { RunningServer } from './serve.ts'
import { ServerError, type ServerErrorCode } from './server-error.ts'
import { settingsHelp } from './settings/describe-settings.ts'
import { type ResolvedSettings, resolveSettings } from './settings/resolve-settings.ts'

export interface MainOptions {
  /** Data directory when nothing names one. */
  readonly defaultData?: string
  /** How the command line is called here. */
  readonly command?: string
  /** Runs the benchmark. */
  readonly runBench?: (args: readonly string[]) => Promise<number>
}

/** Runs one command line, without the program's name, and resolves with its exit code. */
export async function main(args: readonly string[], options: MainOptions = {}): Promise<number> {
  const version = readVersion()
  const resolve = (given: readonly string[]): ResolvedSettings =>
    resolveSettings({
      args: given,
      environment: process.env,
      readTextFile,
      ...(options.defaultData === undefined ? {} : { defaults: { data: options.defaultData } }),
    })
  const ports: CliPorts = {
    version,
    openAdmin: (target) =>
      inWords(() => {
        const { settings } = resolve(argumentsOf(target))
        const environment = process.env
        return openAdmin(settings, { version, credentialsDirectory: environment.CREDENTIALS_DIRECTORY, environment })
      }),
    openKeys: (target) =>
      inWords(async () => {
        const environment = process.env
        // Only here: no other command needs a key store.
        const { openKeys } = await import('./admin/open-keys.ts')
        const { settings } = resolve(argumentsOf(target))
        return openKeys(settings, { version, credentialsDirectory: environment.CREDENTIALS_DIRECTORY, environment })
      }),
    runServer: (given) => inWords(() => runServer(resolve(given), version, options.command ?? 'strongroom')),
    runBench: async (given) => {
      if (options.runBench !== undefined) return await options.runBench(given)
      throw new AdminError('unavailable', 'the benchmark runs from a checkout of the repository')
    },
    serverHelp: settingsHelp,
    writeOut: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
    readInput,
    showsProgress: process.stderr.isTTY === true,
    kes: kesPorts({ version, environment: process.env, command: options.command ?? 'strongroom' }),
  }
  return await runCli(args, ports)
}

const readVersion = (): string => {
  const manifest: { version: string } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))
  return manifest.version
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ServerError('invalid-settings', `${path} cannot be read (${code})`, { cause: error })
  }
}

async function readInput(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const piece of process.stdin) {
    text += piece
    if (text.length > 65_536) throw new AdminError('invalid', 'standard input is too long')
  }
  return text
}

const argumentsOf = ({ data, metadata, config }: Target): string[] =>
  Object.entries({ data, metadata, config }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  )

const exitReasons: Readonly<Partial<Record<ServerErrorCode, AdminErrorCode>>> = {
  'invalid-settings': 'invalid',
  'root-key': 'invalid',
  'address-in-use': 'unavailable',
  'already-running': 'unavailable',
  'data-directory': 'unavailable',
  certificates: 'invalid',
}

/** Errors that a person can do something about, with the exit code that goes with them. */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = error instanceof ServerError ? exitReasons[error.code] : undefined
    if (error instanceof ServerError && code !== undefined) throw new AdminError(code, error.message, { cause: error })
    throw error
  }
}

async function runServer(resolved: ResolvedSettings, version: string, command: string): Promise<number> {
  const { settings, notices } = resolved
  const isTerminal = process.stdout.isTTY === true
  // Without a listener the end of whoever reads the log (a collector that is restarted) would be the end of the server.
  process.stdout.on('error', ignoreLostOutput)
  const format = settings.logFormat === 'auto' ? (isTerminal ? 'text' : 'json') : settings.logFormat
  const lines = new LineBatch({
    write: (text) => process.stdout.write(text),
    onDrain: (goOn) => process.stdout.once('drain', goOn),
    lostLine: (count) => lostLine(count, format),
  })
  const flush = (): void => lines.flush()
  process.once('exit', flush)
  const write = (line: string): void => lines.add(line)
  const log = createLog({ level: settings.logLevel, format, write })
  for (const notice of notices) log.warn(notice)
  const logsAccess = settings.accessLog === 'auto' ? !isTerminal : settings.accessLog === 'on'
  const stopping = new StopSignals(log)
  try {
    // Only here: what a server consists of takes longer to load than a command to run.
    const { startServer } = await import('./serve.ts')
    const server = await startServer(settings, {
      version,
      log,
      credentialsDirectory: process.env.CREDENTIALS_DIRECTORY,
      environment: process.env,
      ...(logsAccess ? { accessLog: lineWriter({ format, write }) } : {}),
    })
    announce(server, { version, command, target: targetOf(resolved), isTerminal, log })
    await stopping.first(() => server.reload())
    log.info('stopping: requests in flight may end; a second signal stops at once')
    await server.stop()
    log.info('stopped')
    return 0
  } finally {
    stopping.forget()
    flush()
    process.off('exit', flush)
  }
}

function ignoreLostOutput(): void {
  // There is nowhere to say it.
}

interface Announcement {
  readonly version: string
  readonly command: string
  readonly target: string
  readonly isTerminal: boolean
  readonly log: Logger
}

/** Flags with which the command line finds a deployment that is not the usual one. */
function targetOf({ settings, origins }: ResolvedSettings): string {
  const named = (['data', 'metadata'] as const).filter((name) => origins.has(name))
  return named.map((name) => ` --${name} ${shellQuoted(settings[name] ?? '')}`).join('')
}

const shellQuoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

function announce(server: RunningServer, { version, command, target, isTerminal, log }: Announcement): void {
  const { endpoints, caFile, deployment } = server
  const facts = {
    version,
    endpoints,
    ...(caFile === undefined ? {} : { caFile }),
    dataDirectory: deployment.directory.root,
  }
  if (!isTerminal) {
    log.info(
      { ...facts, isTrialRootKey: deployment.rootKeySource.isTrial, credentials: `${command} credentials${target}` },
      'ready',
    )
    return
  }
  const text = banner({
    ...facts,
    isTrialRootKey: deployment.rootKeySource.isTrial,
    credentials: deployment.rootCredentials,
    hasOwnCredentials: deployment.settings.rootUser !== undefined,
    isTerminal,
    command,
    target,
  })
  process.stdout.write(text)
}

/**
 * The same signal this soon after the first, in milliseconds, is that one: a service manager sends it to all processes of the
 * service, and the process that started this one passes on what it was sent.
 */
const sameSignalMs = 500

/** SIGTERM and SIGINT stop, the second one at once; SIGHUP reloads. */
class StopSignals {
  readonly #log: Logger
  readonly #onStop = (signal = 'SIGTERM'): void => this.#stop(signal)
  readonly #onReload = (): void => this.#reload()
  #first: { readonly signal: string; readonly atMs: number } | undefined
  #wake: (() => void) | undefined
  #reloadNow: (() => Promise<void>) | undefined

  constructor(log: Logger) {
    this.#log = log
    process.on('SIGTERM', this.#onStop)
    process.on('SIGINT', this.#onStop)
    process.on('SIGHUP', this.#onReload)
  }

  /** Resolves at the first signal to stop, which may have come already. */
  async first(reload: () => Promise<void>): Promise<void> {
    this.#reloadNow = reload
    if (this.#first !== undefined) return
    await new Promise<void>((done) => {
      this.#wake = done
    })
  }

  forget(): void {
    process.off('SIGTERM', this.#onStop)
    process.off('SIGINT', this.#onStop)
    process.off('SIGHUP', this.#onReload)
  }

  #stop(signal: string): void {
    if (this.#first === undefined) {
      this.#first = { signal, atMs: performance.now() }
      this.#wake?.()
      return
    }
    const isSame = signal === this.#first.signal && performance.now() - this.#first.atMs < sameSignalMs
    if (!isSame) process.exit(1)
  }

  #reload(): void {
    this.#reloadNow?.().catch((error: unknown) => this.#log.error({ error }, 'reloading failed'))
  }
}
