/**
 * What each part says of its figures.
 *
 * @module
 */
import type { Churn } from '../churn.ts'
import type { Growth, GrowthPoint } from '../growth.ts'
import type { CellResult } from '../run-cell.ts'
import type { SingleWriter } from '../single-writer.ts'
import { figure, formatCells, formatRows, perCpuSecond, whole } from '../table.ts'
import { type CurvePoint, formatCurve } from './curve.ts'
import { formatFloors } from './floors.ts'

const mebibytes = (bytes: number): string => whole(bytes / 1_048_576)
const paragraphs = (...texts: readonly (string | undefined)[]): string =>
  texts.filter((text) => text !== undefined).join('\n\n')

const minioNote = `MinIO is the last community MinIO with KES, measured with warp on a machine of this kind (2 cores, warp on the same cores), TLS, one drive.`

/** The table of cells and, for those that have one, what is asked of them. */
export function formatCellsPart(results: readonly CellResult[]): string {
  const floors = formatFloors(results)
  return paragraphs(formatCells(results), ...(floors === undefined ? [] : [floors, minioNote]))
}

/** From one connection to many. */
export function formatConnectionsPart(results: readonly CellResult[]): string {
  const kinds = [...new Set(results.map(({ name }) => kindOf(name)))]
  const curves = kinds.flatMap((kind) => {
    const cells = results.filter(({ name }) => kindOf(name) === kind)
    const points = (value: (result: CellResult) => number): readonly CurvePoint[] =>
      cells.map((cell) => ({ label: `${cell.connections}`, value: value(cell) }))
    return [
      formatCurve({
        title: `${kind} by connections`,
        unit: cells[0]?.unit === 'entries' ? 'entries per CPU second' : 'per CPU second',
        points: points(({ unitsPerCpuSecond = 0 }) => unitsPerCpuSecond),
        ...connectionReasons(kind),
      }),
    ]
  })
  const memory = formatCurve({
    title: 'Memory by connections',
    unit: 'MiB',
    points: results
      .filter(({ name }) => kindOf(name) === kinds[0])
      .map((cell) => ({ label: `${cell.connections}`, value: (cell.peakMemoryBytes ?? 0) / 1_048_576 })),
    whyRising: 'Every TLS connection has buffers and state of its own.',
    whyFalling: 'Memory that the runtime needed while it compiled was free again.',
  })
  return paragraphs(
    formatCells(results),
    kinds.map((kind) => describeCrowd(kind, results)).join('\n'),
    ...curves,
    memory,
  )
}

/** What a crowd does to throughput and to the single request. */
function describeCrowd(kind: string, results: readonly CellResult[]): string {
  const cells = results.filter(({ name }) => kindOf(name) === kind)
  const [first] = cells
  const last = cells.at(-1)
  if (first === undefined || last === undefined) return ''
  const best = cells.reduce((a, b) => (b.operationsPerSecond > a.operationsPerSecond ? b : a))
  const most = `${kind}: most per second, ${whole(best.operationsPerSecond)}, from ${best.connections}`
  return `${most}; p50 ${first.p50Ms.toFixed(2)} ms from ${first.connections}, ${last.p50Ms.toFixed(2)} ms from ${last.connections}: each request waits for those in front of it.`
}

const kindOf = (name: string): string => name.replace(/ from \d+$/, '')

const connectionReasons = (kind: string) => ({
  whyRising: kind.startsWith('PUT')
    ? 'Commits that wait together share one write transaction and one sync; a lone writer pays for its own.'
    : 'A busy event loop takes several requests each time that it wakes; a lone connection wakes it for each one.',
  whyFalling:
    'More sockets are looked after for the same requests, and their buffers no longer fit into the caches of the processor.',
})

const growthHeadings = [
  'objects',
  'start s',
  'at start MiB',
  'GET op/s',
  'GET per CPU s',
  'PUT op/s',
  'PUT per CPU s',
  'LIST op/s',
  'entries per CPU s',
  'key usage ms',
  'ListBuckets ms',
  'peak MiB',
  'data.mdb MiB',
  'filled/s',
]

/** A store that grows. */
export function formatGrowthPart({ buckets, mode, points }: Growth): string {
  const place = buckets === 1 ? 'one bucket' : `${whole(buckets)} buckets`
  const how = [
    `Objects of one byte, ${mode}, in ${place}. Before each size the server was stopped and its data directory filled in process, through the engine (the same code and records as`,
    'over HTTP, without TLS, HTTP and signatures: *filled/s*). *start s* is from the start of the process to its first answer that it is ready, *at start MiB* its anonymous memory then.',
    'GET 1 B and PUT 4 KiB (new names, each far from the one before) from 32 connections, LIST of',
    buckets === 1 ? 'pages of 1,000 at scattered places from 8;' : 'whole buckets from 8;',
    '*key usage* and ListBuckets are the median of 20 calls, one at a time. *data.mdb* is what was there at the start.',
  ].join('\n')
  const curves = growthCurves(
    buckets,
    points.filter(({ cells }) => cells !== undefined),
    points,
  )
  return paragraphs(how, formatRows(growthHeadings, points.map(growthRow), 0), ...curves)
}

function growthRow(point: GrowthPoint): readonly string[] {
  const { cells, keyUsage } = point
  const both = (cell: CellResult | undefined): readonly string[] =>
    cell === undefined ? ['', ''] : [whole(cell.operationsPerSecond), whole(cell.unitsPerCpuSecond ?? 0)]
  return [
    whole(point.objects),
    (point.startMs / 1000).toFixed(2),
    mebibytes(point.memoryAtStartBytes),
    ...both(cells?.get),
    ...both(cells?.put),
    ...both(cells?.list),
    keyUsage === undefined ? '' : figure(keyUsage.p50Ms),
    figure(point.listBuckets.p50Ms),
    mebibytes(point.peakMemoryBytes),
    mebibytes(point.metadataBytes),
    point.filledPerSecond === undefined ? '' : whole(point.filledPerSecond),
  ]
}

const colder =
  'The B-tree has three levels from 10,000 to 1,000,000 objects; what grows is how much of the store the requests touch (data.mdb), and the caches of the processor do not grow with it.'

/** How many pages were mapped for a request, at each size. */
function faultsOf(points: readonly GrowthPoint[], cell: 'get' | 'put' | 'list'): string {
  const shares = points.flatMap(({ cells }) => {
    const result = cells?.[cell]
    return result === undefined ? [] : [figure((result.pageFaults ?? 0) / Math.max(1, result.operations))]
  })
  return `Page faults per request: ${shares.join(', ')}.`
}

const warmer = 'The runtime had compiled more of the server by then.'

function growthCurves(buckets: number, filled: readonly GrowthPoint[], all: readonly GrowthPoint[]): readonly string[] {
  const curve = (
    title: string,
    unit: string,
    points: readonly GrowthPoint[],
    value: (point: GrowthPoint) => number | undefined,
    why: { readonly whyRising: string; readonly whyFalling: string },
  ): string =>
    formatCurve({
      title,
      unit,
      points: points.flatMap((point) => {
        const figure = value(point)
        return figure === undefined ? [] : [{ label: whole(point.objects), value: figure }]
      }),
      ...why,
    })
  const perCpu = (title: string, cell: 'get' | 'put'): string =>
    curve(title, 'per CPU second', filled, ({ cells }) => cells?.[cell].unitsPerCpuSecond, {
      whyRising: warmer,
      whyFalling: `${colder} ${faultsOf(filled, cell)}`,
    })
  return [
    perCpu('GET', 'get'),
    perCpu('PUT', 'put'),
    curve('LIST', 'entries per CPU second', filled, ({ cells }) => cells?.list.unitsPerCpuSecond, {
      whyRising:
        buckets === 1 ? warmer : 'A bucket has more objects: what a request costs by itself is shared by more entries.',
      whyFalling: `${colder} ${faultsOf(filled, 'list')}`,
    }),
    curve('Start', 's', all, ({ startMs }) => startMs / 1000, {
      whyRising:
        'Nothing that is done before the first answer is meant to grow with the objects: this is to be looked into.',
      whyFalling: 'The first starts read more from the disk: programs and libraries were not in the page cache yet.',
    }),
    curve('key usage', 'ms', filled, ({ keyUsage }) => keyUsage?.p50Ms, {
      whyRising: whyKeyUsageRises(filled),
      whyFalling: warmer,
    }),
  ]
}

function whyKeyUsageRises(points: readonly GrowthPoint[]): string {
  const rows = points.flatMap(({ keyUsage }) => (keyUsage === undefined ? [] : [keyUsage.rows]))
  const counted = 'Objects are counted when they are written and not here'
  if (rows.at(-1) === rows[0]) return `${counted}: this is to be looked into.`
  return `${counted}; the answer has a line for each bucket in which the key is used: ${rows.map(whole).join(', ')}.`
}

/** One writer before and after a bulk load. */
export function formatSingleWriterPart(found: SingleWriter): string {
  const rows = found.rows.map(({ when, result, metadataBytes }) => [
    when,
    whole(result.operationsPerSecond),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    perCpuSecond(result),
    mebibytes(metadataBytes),
  ])
  const table = formatRows(
    ['one connection, PUT 1 B', 'commits/s', 'p50 ms', 'p99 ms', 'per CPU second', 'data.mdb MiB'],
    rows,
    1,
  )
  const load = `Between the second row and the third: ${whole(found.loaded)} objects from ${found.loadConnections} connections, ${whole(found.loadedPerSecond)} per second.`
  const disk = `The disk alone, at the beginning: ${whole(found.syncsPerSecond)} pages of 16 KiB per second written over in place, each with fdatasync.`
  return paragraphs(table, `${load}\n${disk}`, describeFall(found))
}

/** The rate after the load against the rate before it. */
function describeFall({ rows }: SingleWriter): string {
  const rateOf = (when: string): number => rows.find((row) => row.when === when)?.result.operationsPerSecond ?? 0
  const share = rateOf('right after the load') / rateOf('before the load')
  const fall = 'LMDB was once seen to fall to 115 to 145 commits a second there'
  return `Right after the load one writer does ${(share * 100).toFixed(0)} % of the commits that it did before (${fall}).`
}

/** Ten turnovers. */
export function formatChurnPart({ objects, storeBytes, turns, commitBefore, commitAfter }: Churn): string {
  const rows = turns.map(({ turnover, result, metadataBytes, blobBytes }) => [
    turnover === 0 ? 'filling' : String(turnover),
    whole(result.operationsPerSecond),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    perCpuSecond(result),
    mebibytes(metadataBytes),
    mebibytes(blobBytes),
    mebibytes(result.peakMemoryBytes ?? 0),
  ])
  const headings = ['turnover', 'op/s', 'p50 ms', 'p99 ms', 'per CPU second', 'data.mdb MiB', 'blobs MiB', 'anon. MiB']
  const how = [
    `${whole(objects)} objects of 512 B to 64 KiB, ${mebibytes(storeBytes)} MiB. In each turnover every object is written once with another size, one in four deleted before`,
    'that (an op is such a PUT, with its DELETE), from 32 connections.',
  ].join('\n')
  const commits = formatRows(
    ['one connection, PUT 4 KiB over one that is there', 'op/s', 'p50 ms', 'p99 ms'],
    [
      ['when the store was new', commitBefore],
      ['after the last turnover', commitAfter],
    ].map(([when, result]) => commitRow(when as string, result as CellResult)),
    1,
  )
  return paragraphs(how, formatRows(headings, rows, 1), commits, ...churnCurves(turns))
}

const commitRow = (when: string, result: CellResult): readonly string[] => [
  when,
  whole(result.operationsPerSecond),
  result.p50Ms.toFixed(2),
  result.p99Ms.toFixed(2),
]

function churnCurves(turns: Churn['turns']): readonly string[] {
  const points = (value: (turn: Churn['turns'][number]) => number): readonly CurvePoint[] =>
    turns.slice(1).map((turn) => ({ label: `turnover ${turn.turnover}`, value: value(turn) }))
  return [
    formatCurve({
      title: 'Throughput',
      unit: 'per CPU second',
      points: points(({ result }) => result.unitsPerCpuSecond ?? 0),
      whyRising: warmer,
      whyFalling: 'This is what the part looks for: a store whose free space has fallen into pieces.',
    }),
    formatCurve({
      title: 'Metadata file',
      unit: 'MiB',
      points: points(({ metadataBytes }) => metadataBytes / 1_048_576),
      whyRising:
        'Pages that a commit frees can be used again once no reader and no crash can need them; until then the file grows.',
      whyFalling: 'The file was replaced.',
    }),
  ]
}
