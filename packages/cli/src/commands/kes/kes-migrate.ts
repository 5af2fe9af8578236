/**
 * `strongroom kes migrate`: copies keys from the key store of one config file to that of another. kes-protocol 13. Other than
 * KES it copies all keys, goes on where it was interrupted, and never overwrites.
 *
 * @module
 */
import type { KesStoreConfig, MigrationProgress, MigrationReport } from '@strongroom/kes'
import type { AddCommand, CommandContext } from '../../context.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { KeyStorePort } from '../../ports.ts'
import { act, addKesCommand, type Invocation, optionalArgument } from './kes-command.ts'
import { failing, KesCommandError } from './kes-command-error.ts'
import { goJson } from './kes-format.ts'

interface MigrateOptions {
  readonly json?: boolean
  readonly from?: string
  readonly to?: string
  readonly force?: boolean
  readonly merge?: boolean
  readonly quiet?: boolean
}

const barWidth = 30
const shownNames = 20

async function migrate(invocation: Invocation<MigrateOptions>, { ports, setExitCode }: CommandContext): Promise<void> {
  const { options } = invocation
  const { from, to } = options
  if (from === undefined) throw new KesCommandError("no source specified. Use '--from' flag")
  if (to === undefined) throw new KesCommandError("no target specified. Use '--to' flag")
  if (options.force === true) {
    throw new KesCommandError(
      "'--force' would overwrite keys, and whatever they sealed could never be read again. Use '--merge' to leave existing keys as they are",
    )
  }
  const pattern = optionalArgument(invocation, '*')
  const kes = await import('@strongroom/kes')
  const { environment } = ports.kes
  const stores = { from: await kes.loadKesStore(from, environment), to: await kes.loadKesStore(to, environment) }
  const open = (file: string, store: KesStoreConfig) =>
    failing(`${file}: ${kes.describeStore(store)}`, kes.openKesStore(store, environment))
  const source = await open(from, stores.from)
  try {
    const target = await open(to, stores.to)
    try {
      await copyAndReport({ source, target, pattern, options }, { ports, setExitCode })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** What is copied, and how it is told. */
export interface Copying {
  readonly source: KeyStorePort
  readonly target: KeyStorePort
  readonly pattern: string
  readonly options: Pick<MigrateOptions, 'json' | 'merge' | 'quiet'>
}

/** Copies keys with a progress bar, and says what came of it. Both stores stay the caller's. */
export async function copyAndReport(
  { source, target, pattern, options }: Copying,
  { ports, setExitCode }: CommandContext,
): Promise<void> {
  const { migrateKeys } = await import('@strongroom/kes')
  const bar = new ProgressBar(ports.showsProgress && options.quiet !== true, ports.writeError, ports.kes.now)
  const report = await migrateKeys(source, target, {
    pattern,
    signal: ports.kes.interrupted(),
    onProgress: (progress) => bar.show(progress),
  })
  bar.end()
  if (!isSuccess(report, options.merge === true)) setExitCode(exitCodes.failed)
  ports.writeOut(options.json === true ? goJson(report) : formatReport(report, options))
}

const isSuccess = ({ different, notKeys, failed, isComplete }: MigrationReport, isMerge: boolean): boolean =>
  isComplete && failed.length === 0 && notKeys.length === 0 && (isMerge || different.length === 0)

/** One line that is drawn again and again, ten times a second at most. */
class ProgressBar {
  readonly #isShown: boolean
  readonly #write: (text: string) => void
  readonly #now: () => number
  #drawnAt = Number.NEGATIVE_INFINITY

  constructor(isShown: boolean, write: (text: string) => void, now: () => number) {
    this.#isShown = isShown
    this.#write = write
    this.#now = now
  }

  show({ done, total }: MigrationProgress): void {
    const now = this.#now()
    if (!this.#isShown || (done < total && now - this.#drawnAt < 100)) return
    this.#drawnAt = now
    const filled = Math.floor((done / total) * barWidth)
    this.#write(`\r[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${done} of ${total} entries`)
  }

  end(): void {
    if (this.#drawnAt > Number.NEGATIVE_INFINITY) this.#write('\n')
  }
}

const keys = (count: number): string => `${count} key${count === 1 ? '' : 's'}`

function formatReport(report: MigrationReport, { merge = false }: MigrateOptions): string {
  const { copied, identical, different, notKeys, failed, total, isComplete } = report
  const open = total - copied.length - identical.length - different.length - notKeys.length - failed.length
  const lines = [
    ...(isSuccess(report, merge)
      ? [`Migrated   ${keys(copied.length)} successfully!`]
      : [`Migrated   ${keys(copied.length)}`]),
    ...(identical.length === 0 ? [] : [`Unchanged  ${keys(identical.length)} that were there already`]),
    ...(different.length === 0
      ? []
      : [
          `Different  ${keys(different.length)} there already with other values, left as they are: ${someOf(different)}`,
        ]),
    ...(notKeys.length === 0 ? [] : [`No keys    ${notKeys.length} entries, not copied: ${someOf(notKeys)}`]),
    ...(failed.length === 0 ? [] : [`Failed     ${keys(failed.length)}:`]),
    ...failed.slice(0, shownNames).map(({ name, message }) => `  ${name}: ${message}`),
    ...(isComplete ? [] : [`Open       ${keys(open)}: run the same command again to go on`]),
  ]
  return `${lines.join('\n')}\n`
}

function someOf(names: readonly string[]): string {
  const rest = names.length - shownNames
  return `${names.slice(0, shownNames).join(' ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

export const addKesMigrate: AddCommand = (parent, context) => {
  const shape = { word: 'migrate', summary: 'copy keys from one key store to another', usage: '[pattern]' }
  const command = addKesCommand(parent, shape)
    .option('--from <file>', 'config file with the key store to read')
    .option('--to <file>', 'config file with the key store to write')
    .option('--merge', 'existing keys with other values are no failure')
    .option('-f, --force', 'refused: nothing is ever overwritten')
    .option('-q, --quiet', 'no progress bar')
  act<MigrateOptions>(command, context, (invocation) => migrate(invocation, context))
}
