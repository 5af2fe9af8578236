/**
 * `strongroom key copy`: moves keys into a deployment from the key store of a KES config file, or out of it into one. Keys that
 * leave are as KES stores them: whoever has them can use them. Nothing is overwritten or deleted.
 *
 * @module
 */
import { AdminError } from '../admin.ts'
import { type AddCommand, type CommandContext, type CommonOptions, targetOf, withCommonOptions } from '../context.ts'
import type { KeyStorePort } from '../ports.ts'
import { copyAndReport } from './kes/kes-migrate.ts'

interface CopyOptions extends CommonOptions {
  readonly from?: string
  readonly to?: string
  readonly merge?: boolean
}

async function openOther(file: string, { ports }: CommandContext): Promise<KeyStorePort> {
  const kes = await import('@strongroom/kes')
  try {
    const { environment } = ports.kes
    return await kes.openKesStore(await kes.loadKesStore(file, environment), environment)
  } catch (error) {
    if (error instanceof kes.KesError) throw new AdminError('invalid', error.message, { cause: error })
    throw error
  }
}

async function copy(pattern: string, options: CopyOptions, context: CommandContext): Promise<void> {
  const { from, to } = options
  const file = from ?? to
  if (file === undefined || (from !== undefined && to !== undefined)) {
    throw new AdminError('invalid', '--from FILE or --to FILE: the other side is this deployment')
  }
  const other = await openOther(file, context)
  try {
    const own = await context.ports.openKeys(targetOf(options))
    try {
      const [source, target] = from === undefined ? [own, other] : [other, own]
      await copyAndReport({ source, target, pattern, options }, context)
    } finally {
      await own.close()
    }
  } finally {
    await other.close()
  }
}

export const addKeyCopy: AddCommand = (parent, context) => {
  const command = parent
    .command('copy')
    .summary('move keys in from a key store of KES, or out to one; the server is stopped')
    .argument('[pattern]', '* any characters, ? one', '*')
    .option('--from <file>', 'KES config file with the key store to read')
    .option('--to <file>', 'KES config file with the key store to write')
    .option('--merge', 'existing keys with other values are no failure')
  withCommonOptions(command).action((pattern: string, options: CopyOptions) => copy(pattern, options, context))
}
