/**
 * The YAML of KES config files, read as KES reads it (kes-protocol 11): the first document counts, types follow Go's YAML
 * library, `${NAME}` stands for an environment variable. All that is wrong is collected, each with file and line.
 *
 * @module
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { KesError } from '../kes-error.ts'

/** Longest config file that is read, in characters. */
export const maxConfigLength = 1_048_576

const maxDepth = 200

/** One mistake of syntax makes errors to the end of the file: the first ones tell which. */
const mostSyntaxErrors = 20

/** `- - - …`: one level for each, all on one line. */
const compactNesting = /(?:[-?:][ \t]+){50}/

/** Values of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

type YamlNode = Scalar | YAMLMap | YAMLSeq

const reference = /^\s*\$\{([^}]*)\}\s*$/

/** One config file being read. Collects what is wrong (`problems`) and what means nothing (`notices`). */
export class YamlSource {
  readonly file: string
  readonly problems: string[] = []
  readonly notices: string[] = []
  /** Of the notices those about settings that mean nothing: they may be why another one is missing. */
  readonly unknowns: string[] = []
  readonly root: YAMLMap | undefined
  readonly #lines = new LineCounter()
  /** What each alias stands for: the library looks through the whole document for every one of them. */
  readonly #targets: ReadonlyMap<Alias, Node>
  readonly #environment: Environment

  constructor(text: string, file: string, environment: Environment) {
    this.file = file
    this.#environment = environment
    if (text.length > maxConfigLength) {
      throw new KesError('invalid-config', `${file}: longer than ${maxConfigLength} characters`)
    }
    const document = parseFirst(text, file, this.#lines)
    // What is left of a document with errors may be nested as deep as it has lines: nobody walks it.
    const isSound = document !== undefined && document.errors.length === 0
    this.#targets = isSound ? aliasTargets(document) : new Map()
    for (const error of document?.errors.slice(0, mostSyntaxErrors) ?? []) {
      this.problem(
        error.pos[0],
        '',
        error.code === 'DUPLICATE_KEY' ? 'this key stands here twice' : words(error.message),
      )
    }
    this.root = this.problems.length > 0 ? undefined : this.#rootOf(document)
  }

  /** Notes that something is wrong; reading goes on. */
  problem(at: Node | number | undefined, setting: string, text: string): void {
    this.problems.push(`${this.#where(at)}: ${setting === '' ? '' : `${setting}: `}${text}`)
  }

  /** Notes something that has no effect. */
  notice(at: Node | number | undefined, setting: string, text: string): void {
    this.notices.push(`${this.#where(at)}: ${setting}: ${text}`)
  }

  /** Notes a setting that has no meaning. */
  unknown(at: Node | undefined, setting: string): void {
    this.notice(at, setting, 'unknown setting, ignored')
    this.unknowns.push(`${this.#where(at)}: ${setting}: unknown setting`)
  }

  /** Follows aliases. `undefined` for what is absent or null. */
  resolve(value: unknown): YamlNode | undefined {
    if (!isNode(value)) return undefined
    const node = isAlias(value) ? this.#targets.get(value) : value
    if (node === undefined || (isScalar(node) && isNull(node))) return undefined
    return isScalar(node) || isMap(node) || isSeq(node) ? node : undefined
  }

  /** The text of a scalar, its environment variable put in. `undefined` after a problem was noted. */
  text(node: Scalar, setting: string): { readonly text: string; readonly isVariable: boolean } | undefined {
    const raw = rawText(node)
    const name = reference.exec(raw)?.[1]?.trim()
    if (name === undefined) return { text: raw, isVariable: false }
    const value = Object.hasOwn(this.#environment, name) ? this.#environment[name] : undefined
    if (value !== undefined) return { text: value, isVariable: true }
    this.problem(node, setting, `the environment variable ${JSON.stringify(name)} is not set`)
    return undefined
  }

  /** The text of a scalar as it stands. */
  literal(node: Scalar): string {
    return rawText(node)
  }

  #rootOf(document: Document.Parsed | undefined): YAMLMap | undefined {
    const contents = this.resolve(document?.contents)
    if (isMap(contents)) return contents
    this.problem(
      contents ?? 0,
      '',
      contents === undefined ? 'the file is empty' : 'expected settings, as `name: value`',
    )
    return undefined
  }

  #where(at: Node | number | undefined): string {
    const offset = typeof at === 'number' ? at : (at?.range?.[0] ?? 0)
    return `${this.file}:${this.#lines.linePos(offset).line || 1}`
  }
}

/**
 * The library recurses into what is nested and takes quadratic time for it. Brackets are counted without looking at quotes
 * and comments: no config comes near the limit, whatever its texts are.
 */
function isNestedTooDeeply(text: string): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5b || code === 0x7b) depth++
    else if (code === 0x5d || code === 0x7d) depth--
    if (depth > maxDepth) return true
  }
  return compactNesting.test(text)
}

function parseFirst(text: string, file: string, lineCounter: LineCounter): Document.Parsed | undefined {
  if (isNestedTooDeeply(text)) throw new KesError('invalid-config', `${file}: nested too deeply`)
  try {
    const [document] = [...parseAllDocuments(text, { lineCounter, uniqueKeys: false, logLevel: 'silent' })]
    return document
  } catch (cause) {
    // Indented to the depth of the stack.
    if (cause instanceof RangeError) throw new KesError('invalid-config', `${file}: nested too deeply`, { cause })
    throw cause
  }
}

/** An alias stands for the last node before it that has its anchor. */
function aliasTargets(document: Document.Parsed): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  visit(document, {
    Alias: (_, alias) => {
      const target = anchors.get(alias.source)
      if (target !== undefined) targets.set(alias, target)
    },
    Value: (_, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
    },
  })
  return targets
}

/** What the file says of a scalar, as text: `on` stays `on`, `007` stays `007`. */
function rawText(node: Scalar): string {
  if (node.type === 'PLAIN') return node.source ?? ''
  return typeof node.value === 'string' ? node.value : String(node.source ?? node.value ?? '')
}

const isNull = (node: Scalar): boolean => node.type === 'PLAIN' && node.value === null

/** The parser's own words, without the excerpt and the position that follow them. */
const words = (message: string): string => message.split(/ at line \d+|\n/)[0] ?? message
