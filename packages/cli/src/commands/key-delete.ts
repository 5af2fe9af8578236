/**
 * `strongroom key delete`: refuses while anything needs the key, and says what; `--force --reason TEXT` overrides it.
 *
 * @module
 */
import { AdminError } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { summariseUsage } from './key-usage.ts'

interface DeleteOptions extends CommonOptions {
  readonly force?: boolean
  readonly reason?: string
}

export const addKeyDelete: AddCommand = (parent, { ports }) => {
  const command = parent
    .command('delete')
    .summary('destroy a key that nothing needs')
    .argument('<name>')
    .option('--force', 'destroy it although objects need it: they can never be read again')
    .option('--reason <text>', 'why; kept in the log')
  withCommonOptions(command).action(async (name: string, options: DeleteOptions) => {
    const { force, reason } = options
    if (force === true && (reason ?? '').trim() === '') throw new AdminError('invalid', '--force needs --reason TEXT')
    const usage = await withAdmin(ports, options, async (admin) => {
      try {
        return await admin.deleteKey(name, {
          ...(force === true ? { force } : {}),
          ...(reason === undefined ? {} : { reason }),
        })
      } catch (error) {
        if (!(error instanceof AdminError && error.code === 'refused')) throw error
        const found = await admin.keyUsage(name)
        const buckets = [...new Set(found.rows.map(({ bucket }) => bucket))].join(', ')
        throw new AdminError(
          'refused',
          `${name} is needed by ${summariseUsage(found)} in ${buckets}: see strongroom key usage ${name}`,
        )
      }
    })
    const lost = summariseUsage(usage)
    answer(ports, options, usage, () => `destroyed ${name}${lost === '' ? '' : `; no longer readable: ${lost}`}\n`)
  })
}
