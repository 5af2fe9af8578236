/**
 * `strongroom fsck`: checks metadata against blobs, counts and keys; on demand mends, and authenticates every byte.
 *
 * @module
 */
import type { FsckReport } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { plural } from '../output.ts'

interface FsckCommandOptions extends CommonOptions {
  readonly repair?: boolean
  readonly verifyData?: boolean
}

const formatReport = ({ problems, checked }: FsckReport): string => {
  const looked = Object.entries(checked).map(([what, count]) => `${count} ${what}`)
  const lines = problems.map(({ kind, detail, repaired }) => `${kind}: ${detail}${repaired ? ' (repaired)' : ''}\n`)
  const verdict = problems.length === 0 ? 'clean' : plural(problems.length, 'problem')
  return `${lines.join('')}${verdict} (${looked.join(', ')})\n`
}

export const addFsck: AddCommand = (parent, { ports, setExitCode }) => {
  const command = parent
    .command('fsck')
    .summary('check the deployment')
    .option('--repair', 'mend what can be mended')
    .option('--verify-data', 'read and authenticate every stored byte')
  withCommonOptions(command).action(async (options: FsckCommandOptions) => {
    let shown = false
    const report = await withAdmin(ports, options, (admin) =>
      admin.fsck({ repair: options.repair === true, verifyData: options.verifyData === true }, ({ phase, done }) => {
        if (!ports.showsProgress) return
        shown = true
        ports.writeError(`\r${phase}: ${done}\x1b[K`)
      }),
    )
    if (shown) ports.writeError('\r\x1b[K')
    answer(ports, options, report, formatReport)
    if (report.problems.some(({ repaired }) => !repaired)) setExitCode(exitCodes.problemsFound)
  })
}
