/**
 * Listings of keys, policies and identities, and `strongroom kes ls`: kes-protocol 13. KES prints with `--json` the array and
 * then the table as well; here it is the array.
 *
 * @module
 */
import type { KesListing } from '@strongroom/kes'
import type { AddCommand, CommandContext } from '../../context.ts'
import {
  act,
  addKesCommand,
  type ClientOptions,
  optionalArgument,
  withClient,
  withClientOptions,
} from './kes-command.ts'
import { failing, KesCommandError } from './kes-command-error.ts'
import { goJson, goList } from './kes-format.ts'

function sayNames(
  { ports }: CommandContext,
  { json }: ClientOptions,
  heading: string,
  { names, isComplete }: KesListing,
): void {
  ports.writeOut(json === true ? goJson(names.length === 0 ? null : names) : goList(heading, names))
  if (!isComplete) {
    const count = names.length
    ports.writeError(`Warning: this server gives the first ${count} names only; ask for prefixes to see the others\n`)
  }
}

/** `prefix` is taken as it is, but for `*`, which means all. */
export async function listKeys(prefix: string, options: ClientOptions, context: CommandContext): Promise<void> {
  const listing = await withClient(context.ports, options, (client) =>
    failing('failed to list keys', client.listKeys(prefix)),
  )
  sayNames(context, options, 'Key', listing)
}

export async function listPolicies(pattern: string, options: ClientOptions, context: CommandContext): Promise<void> {
  const listing = await withClient(context.ports, options, (client) =>
    failing('failed to list policies', client.listPolicies(pattern)),
  )
  sayNames(context, options, 'Policy', listing)
}

export async function listIdentities(pattern: string, options: ClientOptions, context: CommandContext): Promise<void> {
  const listing = await withClient(context.ports, options, (client) =>
    failing('failed to list identities', client.listIdentities(pattern)),
  )
  sayNames(context, options, 'Identity', listing)
}

interface ListOptions extends ClientOptions {
  readonly identity?: boolean
  readonly policy?: boolean
}

export const addKesLs: AddCommand = (parent, context) => {
  const command = withClientOptions(
    addKesCommand(parent, { word: 'ls', summary: 'list keys, identities or policies', usage: '[prefix]' }),
  )
    .option('-i, --identity', 'list identities')
    .option('-p, --policy', 'list policies')
    .option('-s, --server <host[:port]>', 'the server')
    .option('-a, --api-key <key>', 'the API key; other users of this machine can see it here')
  act<ListOptions>(command, context, async (invocation) => {
    const { options } = invocation
    const prefix = optionalArgument(invocation, '')
    if (options.identity === true && options.policy === true) {
      throw new KesCommandError("'-p / --policy' and '-i / --identity' must not be used at the same time")
    }
    if (options.identity === true) await listIdentities(prefix, options, context)
    else if (options.policy === true) await listPolicies(prefix, options, context)
    else await listKeys(prefix, options, context)
  })
}
