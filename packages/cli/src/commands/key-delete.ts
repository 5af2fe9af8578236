/**
 * `strongroom key delete`: destroys a key after some days, in which `key restore` takes that back, or at once with `--now`.
 * Refuses while anything needs the key, and says what; `--force --reason TEXT` overrides it.
 *
 * @module
 */
import { type Admin, AdminError } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { formatTime } from '../output.ts'
import { summariseUsage } from './key-usage.ts'

interface DeleteOptions extends CommonOptions {
  readonly in?: string
  readonly now?: boolean
  readonly force?: boolean
  readonly reason?: string
}

const defaultDays = '30'

function daysOf(text: string): number {
  const days = Number(text)
  if (/^\d{1,3}$/.test(text) && days >= 7 && days <= 30) return days
  throw new AdminError('invalid', '--in takes 7 to 30 days')
}

/** Says what needs the key where that is why it is not deleted. */
async function orSayWhy<T>(admin: Admin, name: string, isForced: boolean, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (isForced || !(error instanceof AdminError && error.code === 'refused')) throw error
    const found = await admin.keyUsage(name)
    if (found.rows.length === 0) throw error
    const buckets = [...new Set(found.rows.map(({ bucket }) => bucket))].join(', ')
    throw new AdminError(
      'refused',
      `${name} is needed by ${summariseUsage(found)} in ${buckets}: see strongroom key usage ${name}`,
    )
  }
}

export const addKeyDelete: AddCommand = (parent, { ports }) => {
  const command = parent
    .command('delete')
    .summary('destroy a key that nothing needs')
    .argument('<name>')
    .option(
      '--in <days>',
      `after so many days, 7 to 30 (default ${defaultDays}); until then, key restore takes it back`,
    )
    .option('--now', 'at once; nothing takes that back')
    .option('--force', 'destroy it although objects need it: they can never be read again')
    .option('--reason <text>', 'why; kept in the log')
  withCommonOptions(command).action(async (name: string, options: DeleteOptions) => {
    const { force, reason } = options
    const isForced = force === true
    if (isForced && (reason ?? '').trim() === '') throw new AdminError('invalid', '--force needs --reason TEXT')
    if (options.now === true && options.in !== undefined) throw new AdminError('invalid', '--now or --in, not both')
    const given = { ...(isForced ? { force } : {}), ...(reason === undefined ? {} : { reason }) }
    if (options.now === true) {
      const usage = await withAdmin(ports, options, (admin) =>
        orSayWhy(admin, name, isForced, admin.deleteKey(name, given)),
      )
      const lost = summariseUsage(usage)
      answer(ports, options, usage, () => `destroyed ${name}${lost === '' ? '' : `; no longer readable: ${lost}`}\n`)
      return
    }
    const days = daysOf(options.in ?? defaultDays)
    const key = await withAdmin(ports, options, (admin) =>
      orSayWhy(admin, name, isForced, admin.scheduleKeyDeletion(name, { ...given, days })),
    )
    const when = formatTime(key.deletionDueAtMs ?? 0)
    answer(
      ports,
      options,
      key,
      () => `${name} is destroyed after ${when}; until then: strongroom key restore ${name}\n`,
    )
  })
}
