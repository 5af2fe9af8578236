/**
 * `strongroom fsck`: checks metadata against blobs, counts and keys; on demand mends, and authenticates every byte.
 *
 * @module
 */
import type { FsckProgress, FsckReport, Skipped, SkipReason } from '@strongroom/maintenance'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatBytes, plural } from '../output.ts'

interface FsckCommandOptions extends CommonOptions {
  readonly repair?: boolean
  readonly verifyData?: boolean
}

const reasons: Readonly<Record<SkipReason, string>> = {
  'client-held': 'only clients have the key (SSE-C)',
  'key-locked': 'the key is locked',
  'key-pending-deletion': 'the key is being deleted',
  'key-destroyed': 'the key was destroyed',
  'kms-unreachable': 'the key service does not answer',
}

const formatSkipped = ({ reason, items, bytes }: Skipped): string =>
  `not authenticated: ${plural(items, 'item')}, ${formatBytes(bytes)}: ${reasons[reason]}\n`

const byteCounts: Readonly<Record<string, string>> = {
  blobBytes: 'in blobs',
  authenticatedBytes: 'authenticated',
  framedBytes: 'with only their framing checked',
}

/** `accountRecords` → `7 account records`; `blobBytes` → `1.5 MiB in blobs`. */
function formatChecked(what: string, count: number): string {
  const bytes = byteCounts[what]
  if (bytes !== undefined) return `${formatBytes(count)} ${bytes}`
  return `${count} ${what.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`
}

function formatReport({ findings, omitted, unrepaired, withheld, checked, skipped }: FsckReport): string {
  const lines = findings.map(({ kind, detail, repaired }) => `${kind}: ${detail}${repaired ? ' (repaired)' : ''}\n`)
  if (omitted > 0) lines.push(`and ${plural(omitted, 'more finding')}\n`)
  if (withheld > 0) lines.push(`left alone, because a damaged record may need them: ${withheld}\n`)
  const total = findings.length + omitted
  const verdict = total === 0 ? 'clean' : `${plural(total, 'finding')}, ${unrepaired} not repaired`
  const looked = Object.entries(checked).map(([what, count]) => formatChecked(what, count))
  return `${[...lines, ...skipped.map(formatSkipped)].join('')}${verdict} (${looked.join(', ')})\n`
}

const formatProgress = ({ phase, done, total }: FsckProgress): string =>
  `${phase}: ${done}${total === undefined || total < done ? '' : ` of about ${total}`}`

export const addFsck: AddCommand = (parent, { ports, setExitCode }) => {
  const command = parent
    .command('fsck')
    .summary('check the deployment')
    .option('--repair', 'mend what can be mended')
    .option('--verify-data', 'read and authenticate every stored byte')
  withCommonOptions(command).action(async (options: FsckCommandOptions) => {
    let shown = false
    const report = await withAdmin(ports, options, (admin) =>
      admin.fsck({ repair: options.repair === true, verifyData: options.verifyData === true }, (progress) => {
        if (!ports.showsProgress) return
        shown = true
        ports.writeError(`\r${formatProgress(progress)}\x1b[K`)
      }),
    )
    if (shown) ports.writeError('\r\x1b[K')
    answer(ports, options, report, formatReport)
    if (report.unrepaired > 0) setExitCode(exitCodes.problemsFound)
  })
}
