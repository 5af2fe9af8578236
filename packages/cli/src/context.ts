/**
 * What every command is made from: the program to hang it on, the ports, and one way to reach the deployment and to answer.
 *
 * @module
 */
import type { Command } from 'commander'
import type { Admin } from './admin.ts'
import { formatJson } from './output.ts'
import type { CliPorts, Target } from './ports.ts'

export interface CommonOptions {
  readonly json?: boolean
  readonly data?: string
  readonly metadata?: string
  readonly config?: string
}

export interface CommandContext {
  readonly ports: CliPorts
  /** The exit code of the command that ran. */
  setExitCode(code: number): void
}

/** Registers one command, or one group, on its parent. */
export type AddCommand = (parent: Command, context: CommandContext) => void

/** The options that every command which talks to a deployment has. */
export const withCommonOptions = (command: Command): Command =>
  command
    .option('--json', 'print one JSON document')
    .option('--data <dir>', 'data directory of the deployment')
    .option('--metadata <dir>', 'metadata directory, if it is apart')
    .option('--config <file>', 'settings file of the deployment')

/** Which deployment the options name. */
export const targetOf = ({ data, metadata, config }: CommonOptions): Target => ({
  ...(data === undefined ? {} : { data }),
  ...(metadata === undefined ? {} : { metadata }),
  ...(config === undefined ? {} : { config }),
})

/** Opens the deployment, does the work, closes it again. */
export async function withAdmin<T>(
  ports: CliPorts,
  options: CommonOptions,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await ports.openAdmin(targetOf(options))
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

/** Prints a result: as JSON where asked, else as `format` says. */
export function answer<T>(ports: CliPorts, options: CommonOptions, result: T, format: (result: T) => string): void {
  ports.writeOut(options.json === true ? formatJson(result) : format(result))
}
