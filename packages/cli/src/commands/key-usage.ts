/**
 * `strongroom key usage`: exactly what needs a key, read from the index that commits with the objects.
 *
 * @module
 */
import type { KeyUsageCounts, KeyUsageReport } from '../admin.ts'
import { type AddCommand, answer, type CommonOptions, withAdmin, withCommonOptions } from '../context.ts'
import { formatBytes, formatTable, plural } from '../output.ts'

const isUsed = (usage: KeyUsageReport): boolean => Object.values(usage.total).some((count) => count !== 0)

const cells = (counts: KeyUsageCounts) => [
  counts.objects,
  counts.versions,
  counts.bytes,
  counts.uploads,
  counts.parts,
  counts.partBytes,
]

const formatUsage = (usage: KeyUsageReport): string => {
  if (!isUsed(usage)) return `nothing needs ${usage.name}\n`
  const rows = usage.rows.map((row) => [row.bucket, String(row.keyVersion), ...cells(row)])
  const headings = ['BUCKET', 'KEY VERSION', 'OBJECTS', 'VERSIONS', 'BYTES', 'UPLOADS', 'PARTS', 'PART BYTES']
  return formatTable(headings, [...rows, ['total', '', ...cells(usage.total)]])
}

/** `2 objects (3.0 MiB), 1 upload`, in one phrase. */
export function summariseUsage(usage: KeyUsageReport): string {
  const { objects, versions, bytes, uploads, parts } = usage.total
  const older = versions - objects
  return [
    ...(objects > 0 ? [plural(objects, 'object')] : []),
    ...(older > 0 ? [plural(older, 'older version')] : []),
    ...(versions > 0 ? [formatBytes(bytes)] : []),
    ...(uploads > 0 ? [plural(uploads, 'open upload')] : []),
    ...(parts > 0 ? [plural(parts, 'part')] : []),
  ].join(', ')
}

export const addKeyUsage: AddCommand = (parent, { ports }) => {
  withCommonOptions(parent.command('usage').summary('show exactly what needs a key').argument('<name>')).action(
    async (name: string, options: CommonOptions) => {
      answer(ports, options, await withAdmin(ports, options, (admin) => admin.keyUsage(name)), formatUsage)
    },
  )
}
