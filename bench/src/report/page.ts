/**
 * docs/reference/performance.md: one section for each part of the bench, each replaced on its own, and one that is written
 * by hand and kept.
 *
 * @module
 */
import { type PartName, partNames, partTitles } from '../parts.ts'

export interface Section {
  readonly part: PartName
  /** As typed, `npm run bench -- …`. */
  readonly command: string
  /** `2026-11-23` */
  readonly date: string
  readonly machine: string
  /** What the server ran on. */
  readonly server: string
  readonly body: string
}

const introduction = `# Performance

Written by the bench, a section at a time (\`npm run bench -- --part NAME --write docs/reference/performance.md\`), each with the command that measured it.
Only "Where the time goes" is written by hand.

Figures *per CPU second* are per second of the user and system time that the server and all its threads and workers used in the timed phase; wall times
stand beside them. The load generator is another process on the same cores; it speaks TLS on kept-alive connections and signs every request. Cells that differ in their
mode only take turns, so that what changes on the machine changes all of them. Everything is durable: an acknowledged write is synced. *anon. MiB* is the highest
anonymous memory seen; the map of the metadata store is page cache. The *bare listener* is \`node:https\` of the same runtime that answers at once with as many header bytes:
no server on it can do more. \`none\` is sealed as everything else is, under a key of the deployment.`

const notesName = 'notes'
const notes = `## Where the time goes

Nothing was written here yet.`

/** The page with one section new. @param page what stands in the file now; undefined: there is none */
export function composePage(page: string | undefined, section: Section): string {
  const blocks = readBlocks(page ?? '')
  blocks.set(section.part, formatSection(section))
  const parts = partNames.map((part) => block(part, blocks.get(part) ?? missing(part)))
  return `${[introduction, ...parts, block(notesName, blocks.get(notesName) ?? notes)].join('\n\n')}\n`
}

function formatSection({ part, command, date, machine, server, body }: Section): string {
  const facts = `${date}; ${machine}, shared by load and server; server on ${server}.`
  return [`## ${partTitles[part]}`, '', '```', command, '```', '', facts, '', body].join('\n')
}

const missing = (part: PartName): string => `## ${partTitles[part]}\n\nNot measured yet: \`${bareCommand(part)}\`.`

const bareCommand = (part: PartName): string =>
  part === 'kes' ? 'npm run bench -- kes' : `npm run bench -- --part ${part}`

const block = (name: string, text: string): string => `<!-- begin ${name} -->\n${text}\n<!-- end ${name} -->`

/** What stands between the markers, by their name. */
function readBlocks(page: string): Map<string, string> {
  const blocks = new Map<string, string>()
  for (const [, name, text] of page.matchAll(/^<!-- begin ([a-z-]+) -->\n([\s\S]*?)\n<!-- end \1 -->$/gm)) {
    if (name !== undefined && text !== undefined) blocks.set(name, text)
  }
  return blocks
}

/** The command line of a part. @param args what the bench was called with; the part and the file are said anew */
export function commandOf(part: PartName, args: readonly string[], file: string): string {
  const kept: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (['--part', '--write', '--json', '--directory'].includes(arg)) at += 1
    else if (!/^--(part|write|json|directory)=/.test(arg) && arg !== 'kes') kept.push(quote(arg))
  }
  return [bareCommand(part), ...kept, '--write', file].join(' ')
}

const quote = (arg: string): string => (/^[\w./,=-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`)
