/**
 * The command line of the bench.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { allModes } from './cells.ts'
import type { EncryptionMode } from './client.ts'
import { type PartName, partNames, partTitles } from './parts.ts'

const help = `npm run bench -- [options]
npm run bench -- kes [options]    the key service alone; its options: npm run bench -- kes --help

  --part LIST        what to measure (default cells,large):
${partNames.map((name) => `                       ${name.padEnd(14)} ${partTitles[name]}`).join('\n')}
                     (kes is \`npm run bench -- kes\`, which has more options, JSON among them)
  --cells TEXT       only cells whose name contains one of these (comma separated): "PUT 4 KiB,HEAD"
  --modes LIST       of none,sse-s3,sse-kms,sse-c (default all; connections, growth, buckets, single-writer and
                     churn run in one: the first named here, or sse-kms)
  --seconds N        of each timed phase (default 5)
  --warmup N         seconds before each of them (default 2: compilers of the runtime are the server's processor time, too)
  --objects LIST     of growth and buckets (default 10000,100000,1000000); for single-writer and churn its first
                     number (default 200000 and 20000)
  --runtime NAME     bun (default) or node, or a path: what the server runs on
  --write FILE       write each part as a section of this page, with its date and its command; other sections stay
  --json FILE        write the results as JSON; "-" is standard output, in the place of the tables
  --profile DIR      write a processor profile of the server there (open it in a browser's developer tools)
  --directory DIR    where the server's data directory is made (default: the system's for temporary files)
  --against URL      measure this endpoint instead (cells, large, connections); takes the keys from AWS_ACCESS_KEY_ID and
                     AWS_SECRET_ACCESS_KEY, the CA bundle from --ca FILE, and --pid N (several times) for processor time
                     and memory
  --server-arg ARG   passed to "strongroom server" (several times)
  --region NAME      default us-east-1
`

const options = {
  part: { type: 'string', default: 'cells,large' },
  cells: { type: 'string' },
  modes: { type: 'string' },
  seconds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '2' },
  objects: { type: 'string' },
  runtime: { type: 'string', default: 'bun' },
  write: { type: 'string' },
  json: { type: 'string' },
  profile: { type: 'string' },
  directory: { type: 'string' },
  against: { type: 'string' },
  ca: { type: 'string' },
  pid: { type: 'string', multiple: true },
  'server-arg': { type: 'string', multiple: true },
  region: { type: 'string', default: 'us-east-1' },
  help: { type: 'boolean', default: false },
} as const

export interface Settings {
  readonly parts: readonly PartName[]
  /** Cells that are wanted; undefined: all. */
  readonly cells: readonly string[] | undefined
  readonly modes: readonly EncryptionMode[]
  /** What the parts run in that do not compare modes. */
  readonly oneMode: EncryptionMode
  readonly seconds: number
  readonly warmupSeconds: number
  readonly objects: readonly number[] | undefined
  readonly runtime: string
  readonly write: string | undefined
  readonly json: string | undefined
  readonly profile: string | undefined
  readonly directory: string | undefined
  readonly against: string | undefined
  readonly ca: string | undefined
  readonly pids: readonly number[]
  readonly serverArguments: readonly string[]
  readonly region: string
}

/** Settings, or the help. @throws Error with one clear line */
export function parseSettings(args: readonly string[]): Settings | { readonly help: string } {
  const { values } = parseArgs({ args: [...args], options })
  if (values.help) return { help }
  const modes = values.modes === undefined ? allModes : list(values.modes, allModes, 'mode')
  const parts = list(values.part, partNames, 'part')
  const onlyOurs = parts.filter((part) => !isForAnyServer(part))
  if (values.against !== undefined && onlyOurs.length > 0) {
    throw new Error(
      `--against cannot measure ${onlyOurs.join(', ')}: the bench fills, stops and starts the server there`,
    )
  }
  return {
    parts,
    cells: values.cells?.split(','),
    modes,
    oneMode: values.modes === undefined ? 'sse-kms' : (modes[0] ?? 'sse-kms'),
    seconds: number(values.seconds, '--seconds'),
    warmupSeconds: number(values.warmup, '--warmup'),
    objects: values.objects?.split(',').map((text) => number(text, '--objects')),
    runtime: values.runtime,
    write: values.write,
    json: values.json,
    profile: values.profile,
    directory: values.directory,
    against: values.against,
    ca: values.ca,
    pids: (values.pid ?? []).map((text) => number(text, '--pid')),
    serverArguments: values['server-arg'] ?? [],
    region: values.region,
  }
}

const isForAnyServer = (part: PartName): boolean => ['cells', 'large', 'connections'].includes(part)

function list<T extends string>(text: string, known: readonly T[], what: string): readonly T[] {
  return text.split(',').map((name) => {
    const found = known.find((item) => item === name)
    if (found === undefined) throw new Error(`no such ${what}: ${name}; there are ${known.join(', ')}`)
    return found
  })
}

function number(text: string, option: string): number {
  const value = Number(text)
  if (text === '' || !Number.isFinite(value) || value < 0) throw new Error(`${option} ${text} is not a number`)
  return value
}
