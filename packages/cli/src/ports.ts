/**
 * What the command line is given by whoever runs it: the terminal, the deployment, the server.
 *
 * @module
 */
import type { Admin } from './admin.ts'

/** Which deployment a command means. */
export interface Target {
  readonly data?: string
  readonly metadata?: string
  readonly config?: string
}

export interface CliPorts {
  readonly version: string
  /** Reaches the running server, or opens the stopped data directory. */
  openAdmin(target: Target): Promise<Admin>
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
}
