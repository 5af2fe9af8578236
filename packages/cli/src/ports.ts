/**
 * What the command line is given by whoever runs it: the terminal, the deployment, the server.
 *
 * @module
 */
import type { migrateKeys } from '@strongroom/kes'
import type { Admin } from './admin.ts'

/** A place where keys are kept. */
export type KeyStorePort = Parameters<typeof migrateKeys>[0]

/** Which deployment a command means. */
export interface Target {
  readonly data?: string
  readonly metadata?: string
  readonly config?: string
}

/** `kes server`. */
export interface KesServerArguments {
  /** Instead of the config's. */
  readonly address?: string
  readonly config?: string
  /** Keys in memory, everything made for trying out. */
  readonly isDev: boolean
  /** Audit as JSON. */
  readonly isJson: boolean
  /** Processes that serve. Default 1: the one that was started. */
  readonly workers?: number
}

/** What the commands of `kes` are given beside. */
export interface KesPorts {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Standard output or the error output is a terminal. */
  readonly isTerminal: boolean
  /** Runs the key service until it is stopped; resolves with the exit code. */
  runServer(options: KesServerArguments): Promise<number>
  /** Asks for a password on the terminal. */
  readPassword(prompt: string): Promise<string>
  /** Aborted when the person presses Ctrl-C; from the first call on that does not end the process. */
  interrupted(): AbortSignal
  /** Resolves after so many milliseconds, or when aborted. */
  wait(milliseconds: number, signal: AbortSignal): Promise<void>
  /** Wall clock in milliseconds. */
  now(): number
}

export interface CliPorts {
  readonly version: string
  /** Reaches the running server, or opens the stopped data directory. */
  openAdmin(target: Target): Promise<Admin>
  /** Opens the keys of a deployment that nothing is running on; the caller closes them. */
  openKeys(target: Target): Promise<KeyStorePort>
  /** Runs the server until it is stopped; resolves with the exit code. */
  runServer(args: readonly string[]): Promise<number>
  /** Runs the benchmark; resolves with the exit code. */
  runBench(args: readonly string[]): Promise<number>
  /** Flags of the server, one per line. */
  serverHelp(): string
  writeOut(text: string): void
  writeError(text: string): void
  /** All of standard input. */
  readInput(): Promise<string>
  /** The error output is a terminal: progress may be shown. */
  readonly showsProgress: boolean
  readonly kes: KesPorts
}
