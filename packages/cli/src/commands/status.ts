/**
 * `strongroom status`: which process serves a data directory, and where. A server that was started by npm, npx or
 * `strongroom server` is a child of what was started: signals from a script (docs/operations/backup-and-restore.md) have to
 * go to the process that is named here.
 *
 * @module
 */
import type { InstanceStatus } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

interface StatusOptions extends CommonOptions {
  readonly pid?: boolean
}

export const addStatus: AddCommand = (parent, { ports, setExitCode }) => {
  const command = parent
    .command('status')
    .summary('say whether a server runs, where, and as which process')
    .option('--pid', 'print only the id of its process')
  withCommonOptions(command).action(async (options: StatusOptions) => {
    const status = await withAdmin(ports, options, (admin) => admin.status())
    if (status.server === undefined) setExitCode(exitCodes.unavailable)
    if (options.pid !== true) return answer(ports, options, status, formatStatus)
    if (status.server === undefined) ports.writeError('strongroom: no server runs on this data directory\n')
    else ports.writeOut(`${status.server.pid}\n`)
  })
}

function formatStatus({ version, server }: InstanceStatus): string {
  if (server === undefined) return `strongroom ${version}: no server runs on this data directory\n`
  const since = new Date(server.startedAtMs).toISOString()
  const workers = server.workers === undefined ? '' : `, with the workers ${server.workers.join(', ')},`
  return `strongroom ${version} serves ${server.endpoint} as process ${server.pid}${workers} since ${since}\n`
}
