/**
 * The command line: one file per command, one line of error, an exit code that scripts can rely on.
 *
 * @module
 */
import { Command, CommanderError } from 'commander'
import { AdminError } from './admin.ts'
import { addAccount } from './commands/account.ts'
import { addBench } from './commands/bench.ts'
import { addCredentials } from './commands/credentials.ts'
import { addEnv } from './commands/env.ts'
import { addFsck } from './commands/fsck.ts'
import { addKes } from './commands/kes/kes.ts'
import { addKey } from './commands/key.ts'
import { addRootKey } from './commands/root-key.ts'
import { addServer } from './commands/server.ts'
import { addStatus } from './commands/status.ts'
import { addVersion } from './commands/version.ts'
import type { AddCommand } from './context.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import type { CliPorts } from './ports.ts'

const commands: readonly AddCommand[] = [
  addServer,
  addStatus,
  addCredentials,
  addEnv,
  addKey,
  addAccount,
  addKes,
  addFsck,
  addRootKey,
  addBench,
  addVersion,
]

/**
 * Runs one command line (without the program's name) and resolves with its exit code; rejects never.
 *
 * @example
 * process.exitCode = await runCli(process.argv.slice(2), ports)
 */
export async function runCli(args: readonly string[], ports: CliPorts): Promise<number> {
  let exitCode: number = exitCodes.ok
  const program = new Command('strongroom')
    .description('An S3-compatible object server centred on server-side encryption.')
    .version(`strongroom ${ports.version}`, '--version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => 80,
      getErrHelpWidth: () => 80,
      writeOut: (text) => ports.writeOut(text),
      writeErr: (text) => ports.writeError(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'strongroom: ')),
    })
  const context = {
    ports,
    setExitCode: (code: number) => {
      exitCode = code
    },
  }
  for (const add of commands) add(program, context)
  if (args.length === 0) {
    ports.writeError(program.helpInformation())
    return exitCodes.usage
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const message = error instanceof Error ? error.message : String(error)
    for (const line of message.split('\n')) ports.writeError(`strongroom: ${line}\n`)
    return error instanceof AdminError ? exitCodeOf(error.code) : exitCodes.failed
  }
}
