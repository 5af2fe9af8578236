/**
 * The recorded conversation with real KES: what was asked, what was answered, and where we answer otherwise on purpose.
 * testdata/README.md says how it was made.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One request and its answer. */
export interface WireRow {
  readonly id: string
  readonly section: string
  /** Name of the server's configuration. Rows of one server depend on each other's order. */
  readonly server: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string | null
    readonly bodyRepeat?: {
      readonly prefix: string
      readonly unit: string
      readonly count: number
      readonly suffix: string
    }
    /** Name of an identity. */
    readonly cert: string
    readonly http?: '2'
    readonly tls?: '1.2' | '1.3'
  }
  readonly response: {
    /** `null` where the handshake was refused. */
    readonly status: number | null
    readonly headers?: Readonly<Record<string, string>>
    /** `null` where it was not kept. */
    readonly body?: string | null
    readonly bodyLength?: number
    readonly tlsAlert?: string
    readonly streamError?: string
  }
  /** What differs from run to run: `$.member`, `body`, `order of $`. */
  readonly volatile: readonly string[]
  readonly before?: string
  readonly note?: string
}

/** An answer of ours that is not KES's, and why. */
export interface Deviation {
  readonly id: string
  readonly status: number | null
  /** The body; where absent, it is not compared. */
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly reason: string
}

/** An identity of the recording. */
export interface WireIdentity {
  readonly seed?: string
  readonly identity?: string | null
  readonly chain?: readonly string[]
  readonly provenKey?: string
}

export interface WireData {
  readonly rows: readonly WireRow[]
  readonly identities: Readonly<Record<string, WireIdentity>>
  /** YAML with placeholders, by name. */
  readonly servers: Readonly<Record<string, string>>
  readonly deviations: readonly Deviation[]
}

/** Reads the files of a directory. They are part of the repository: their form is not checked. */
export async function readWireData(directory: string): Promise<WireData> {
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(directory, name), 'utf8'))
  const [rows, identities, servers, deviations] = await Promise.all(
    ['wire.json', 'identities.json', 'servers.json', 'deviations.json'].map(read),
  )
  return { rows, identities, servers, deviations } as WireData
}

/** The body of a request, spelled out. */
export function requestBody({ body, bodyRepeat }: WireRow['request']): string | undefined {
  if (bodyRepeat === undefined) return body ?? undefined
  const { prefix, unit, count, suffix } = bodyRepeat
  return prefix + unit.repeat(count) + suffix
}
