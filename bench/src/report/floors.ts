/**
 * What is asked of the server, and what the last community MinIO did, per second of the server's processor time.
 *
 * @module
 */
import { crowdOfUploadsName } from '../cells.ts'
import type { EncryptionMode } from '../client.ts'
import type { CellResult } from '../run-cell.ts'
import { figure, formatRows, whole } from '../table.ts'

interface Floor {
  readonly cell: string
  /** Units of the cell per processor second. */
  readonly floor: (mode: EncryptionMode) => number
  /** MinIO with KES on a machine of this kind; modes that were not measured are absent. */
  readonly minio: Readonly<Partial<Record<EncryptionMode, number>>>
}

/** Modes whose entity tag is an MD5. */
const owesMd5 = (mode: EncryptionMode): boolean => mode === 'none' || mode === 'sse-s3'

const floors: readonly Floor[] = [
  { cell: 'PUT 4 KiB', floor: () => 4000, minio: { none: 1070, 'sse-kms': 855 } },
  { cell: 'GET 4 KiB', floor: () => 8000, minio: { none: 2700, 'sse-s3': 1060, 'sse-kms': 1540 } },
  { cell: 'HEAD', floor: () => 10_000, minio: { none: 3470, 'sse-s3': 1770 } },
  { cell: 'LIST 1,000 of 100,000', floor: () => 150_000, minio: { none: 27_300, 'sse-s3': 4180 } },
  { cell: 'PUT 64 MiB', floor: (mode) => (owesMd5(mode) ? 400 : 600), minio: { none: 326, 'sse-kms': 371 } },
  { cell: 'GET 64 MiB', floor: () => 900, minio: { none: 1330, 'sse-kms': 960 } },
]

/** What a GET may cost more where an encryption was asked for: all blobs are sealed, these too. */
const mostSseCost = 0.02
const mostUploadMemoryBytes = 300 * 1_048_576
/** What counts as flat where memory is compared. */
const memorySlack = 0.1

const units: Readonly<Record<CellResult['unit'], string>> = { operations: '', MiB: ' MiB', entries: ' entries' }

/** The table of floors for the cells that were measured; undefined if none of them has one. */
export function formatFloors(results: readonly CellResult[]): string | undefined {
  const rows = [
    ...floors.flatMap((floor) => results.filter(({ name }) => name === floor.cell).map((one) => floorRow(floor, one))),
    ...floors.flatMap(({ cell }) => (cell.startsWith('GET') ? sseRows(cell, results) : [])),
    ...memoryRows(results),
  ].filter((row) => row !== undefined)
  if (rows.length === 0) return undefined
  return formatRows(['per server CPU second', 'mode', 'floor', 'measured', 'reached', 'MinIO', 'of MinIO'], rows, 2)
}

function floorRow({ cell, floor, minio }: Floor, result: CellResult): readonly string[] | undefined {
  const measured = result.unitsPerCpuSecond
  if (measured === undefined) return undefined
  const wanted = floor(result.mode)
  const theirs = minio[result.mode]
  const unit = units[result.unit]
  return [
    cell,
    result.mode,
    `${whole(wanted)}${unit}`,
    `${whole(measured)}${unit}`,
    measured >= wanted ? 'yes' : `no, ${percent(measured / wanted)}`,
    theirs === undefined ? '' : `${whole(theirs)}${unit}`,
    theirs === undefined ? '' : `${figure(measured / theirs)} x`,
  ]
}

function sseRows(cell: string, results: readonly CellResult[]): (readonly string[])[] {
  const measured = results.filter(({ name }) => name === cell)
  const plain = measured.find(({ mode }) => mode === 'none')?.unitsPerCpuSecond
  return measured.flatMap(({ mode, unitsPerCpuSecond }) => {
    if (mode === 'none' || plain === undefined || unitsPerCpuSecond === undefined) return []
    const cost = plain / unitsPerCpuSecond - 1
    const reached = cost <= mostSseCost ? 'yes' : 'no'
    return [[`${cell}: cost against none`, mode, `${percent(mostSseCost)} more`, more(cost), reached, '', '']]
  })
}

function memoryRows(results: readonly CellResult[]): (readonly string[])[] {
  const [first, second] = results.filter(({ name }) => name.startsWith(crowdOfUploadsName))
  const peak = first?.peakMemoryBytes
  if (first === undefined || peak === undefined) return []
  const label = 'memory, 64 uploads of 64 MiB in flight'
  const reached = peak <= mostUploadMemoryBytes ? 'yes' : `no, ${percent(peak / mostUploadMemoryBytes)}`
  const rows = [[label, first.mode, `${mebibytes(mostUploadMemoryBytes)} at most`, mebibytes(peak), reached, '', '']]
  const again = second?.peakMemoryBytes
  if (again !== undefined) {
    const isFlat = again <= peak * (1 + memorySlack) ? 'yes' : 'no'
    rows.push([`${label}, again`, first.mode, 'no more', mebibytes(again), isFlat, '', ''])
  }
  return rows
}

const mebibytes = (bytes: number): string => `${whole(bytes / 1_048_576)} MiB`
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
const more = (share: number): string => `${Math.abs(share * 100).toFixed(1)} % ${share < 0 ? 'less' : 'more'}`
