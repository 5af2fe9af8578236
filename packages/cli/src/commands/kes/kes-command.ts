/**
 * What the commands of `strongroom kes` share: they answer and fail as MinIO's `kes` does (kes-protocol 12, 13): errors are
 * one line `Error: …` with exit code 1, and what is for people differs from what is for programs by the terminal.
 *
 * @module
 */
import type { KesClient, KesError } from '@strongroom/kes'
import type { Command } from 'commander'
import type { CommandContext } from '../../context.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { KesPorts } from '../../ports.ts'
import { KesCommandError } from './kes-command-error.ts'
import { type ConnectOptions, kesClientOptions } from './kes-connect.ts'

/** Options that every command which talks to a server has. */
export interface ClientOptions extends ConnectOptions {
  readonly json?: boolean
}

/** How a command is called: `kes key info`. */
export function pathOf(command: Command): string {
  const names: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name())
  return names.join(' ')
}

/** `… See 'strongroom kes key info --help'`. */
export function usageError(command: Command, message: string): KesCommandError {
  return new KesCommandError(`${message}. See '${pathOf(command)} --help'`)
}

export interface CommandShape {
  readonly word: string
  readonly summary: string
  /** As in the help: `<name>`, `[prefix]`. */
  readonly usage?: string
  readonly aliases?: readonly string[]
}

/** A command that looks at its arguments itself, since KES words what is wrong with them. */
export function addKesCommand(group: Command, { word, summary, usage = '', aliases = [] }: CommandShape): Command {
  return group
    .command(word)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .usage(`[options] ${usage}`.trim())
    .argument('[arguments...]')
    .aliases([...aliases])
    .option('--json', 'print JSON')
    .configureHelp({ subcommandTerm: termOf, visibleArguments: () => [] })
}

/** A command of commands. What it does not know it refuses in the words of KES. */
export function addKesGroup(
  parent: Command,
  { ports, setExitCode }: CommandContext,
  { word, summary }: Pick<CommandShape, 'word' | 'summary'>,
): Command {
  const group = parent.command(word).summary(summary).usage('[options] [command]').allowExcessArguments()
  group.configureHelp({ subcommandTerm: termOf })
  return group.action(() => {
    const [unknown] = group.args
    if (unknown === undefined) {
      ports.writeError(group.helpInformation())
      setExitCode(exitCodes.usage)
      return
    }
    ports.writeError(`Error: "${unknown}" is not a ${word} command. See '${pathOf(group)} --help'\n`)
    setExitCode(exitCodes.failed)
  })
}

/** `info <name>` in the list of commands. */
const termOf = (command: Command): string =>
  `${command.name()} ${command.usage().replace(/\[(?:options|command)\] ?/g, '')}`.trim()

/** Adds the options of commands that talk to a server. */
export function withClientOptions(command: Command): Command {
  return command
    .option('-k, --insecure', 'do not verify the certificate of the server')
    .option('--ca <path>', 'trust these certificates too: a PEM file or a directory')
    .option('-e, --enclave <name>', 'has no meaning any more')
}

/** What an action is given. */
export interface Invocation<O> {
  readonly args: readonly string[]
  readonly options: O
  readonly command: Command
}

/** Runs the action and prints what goes wrong as KES does. `prefix` stands before the server's words. */
export function act<O>(
  command: Command,
  { ports, setExitCode }: CommandContext,
  work: (invocation: Invocation<O>) => Promise<void>,
): void {
  command.action(async (args: string[], options: O) => {
    try {
      await work({ args, options, command })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      ports.writeError(`Error: ${message}\n`)
      const path = ports.kes.isTerminal ? refusedPath(error) : undefined
      if (path !== undefined) {
        ports.writeError(`  No rule of this identity's policy allows ${path}\n`)
      }
      setExitCode(exitCodes.failed)
    }
  })
}

/** What a policy does not allow. A key that is locked is refused in the same words, with a reason. */
function refusedPath(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { name, status, reason, path }: Partial<KesError> = at
    if (name === 'KesError' && status === 403 && reason === undefined) return path
  }
  return undefined
}

/** Opens a client, does the work, closes it. */
export async function withClient<T>(
  { kes }: { readonly kes: KesPorts },
  options: ConnectOptions,
  work: (client: KesClient) => Promise<T>,
): Promise<T> {
  const { KesClient: Client } = await import('@strongroom/kes')
  const client = await Client.open(await kesClientOptions(kes, options))
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** Exactly one argument. @throws KesCommandError in the words of KES */
export function onlyArgument({ args, command }: Invocation<unknown>, what: string): string {
  const [first, ...rest] = args
  if (first === undefined) throw usageError(command, `no ${what} specified`)
  if (rest.length > 0) throw usageError(command, 'too many arguments')
  return first
}

/** At most one argument. */
export function optionalArgument({ args, command }: Invocation<unknown>, fallback: string): string {
  if (args.length > 1) throw usageError(command, 'too many arguments')
  return args[0] ?? fallback
}

/** At least one argument. */
export function someArguments({ args, command }: Invocation<unknown>, what: string): readonly string[] {
  if (args.length === 0) throw usageError(command, `no ${what} specified`)
  return args
}
