/**
 * One mapping of a KES config file and the typed reading of its settings: Go's rules for what is a boolean, a duration, a
 * string (kes-protocol 11). Settings that nobody asked for are named as such.
 *
 * @module
 */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml'
import { parseGoDuration } from './go-duration.ts'
import type { YamlSource } from './yaml-source.ts'

/** What Go's YAML library takes for a boolean: unquoted, and by its rule for YAML 1.1 as text. */
const plainBooleans: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['True', true],
  ['TRUE', true],
  ['false', false],
  ['False', false],
  ['FALSE', false],
])
const textBooleans: ReadonlyMap<string, boolean> = new Map([
  ['y', true],
  ['Y', true],
  ['yes', true],
  ['on', true],
  ['n', false],
  ['N', false],
  ['no', false],
  ['off', false],
])

/** What unquoted text is a number of YAML: no string, so no duration. */
const number = /^[+-]?(?:\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+|0x[\da-fA-F]+|0o[0-7]+|0b[01]+)$/

/** A mapping, or nothing where the file has none: then every setting is absent. */
export class Section {
  readonly source: YamlSource
  /** `tls.proxy`, or empty for the whole file. */
  readonly path: string
  readonly #entries = new Map<string, { readonly key: Node; readonly value: unknown }>()
  readonly #asked = new Set<string>()
  /** The file has this section, and not as null. */
  readonly isPresent: boolean
  readonly node: YAMLMap | undefined

  constructor(source: YamlSource, node: YAMLMap | undefined, path: string) {
    this.source = source
    this.path = path
    this.node = node
    this.isPresent = node !== undefined
    if (node !== undefined) this.#take(node)
  }

  /** `tls.key` for `key`. */
  nameOf(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`
  }

  /** Notes that something is wrong with a setting, or with the section where it is absent. */
  problem(key: string, text: string): void {
    this.source.problem(this.#entries.get(key)?.key ?? this.node, this.nameOf(key), text)
  }

  /** Notes something without effect. */
  notice(key: string, text: string): void {
    this.source.notice(this.#entries.get(key)?.key ?? this.node, this.nameOf(key), text)
  }

  /** Whether the file has that setting, null or not. */
  has(key: string): boolean {
    return this.#entries.has(key)
  }

  section(key: string): Section {
    const value = this.#ask(key)
    if (value !== undefined && !isMap(value)) this.problem(key, 'expected settings, as `name: value`')
    return new Section(this.source, isMap(value) ? value : undefined, this.nameOf(key))
  }

  /** All names of a mapping whose names the file chooses: policies, API paths. */
  names(): readonly string[] {
    return [...this.#entries.keys()]
  }

  /** Empty where absent. */
  string(key: string): string {
    const value = this.#ask(key)
    if (value === undefined) return ''
    if (isScalar(value)) return this.source.text(value, this.nameOf(key))?.text ?? ''
    this.problem(key, 'expected a text')
    return ''
  }

  /** Empty where absent; environment variables are not put in. */
  literal(key: string): string {
    const value = this.#ask(key)
    if (value === undefined) return ''
    if (isScalar(value)) return this.source.literal(value)
    this.problem(key, 'expected a text')
    return ''
  }

  /** Milliseconds; `undefined` where absent. */
  duration(key: string): number | undefined {
    const value = this.#ask(key)
    if (value === undefined) return undefined
    const read = isScalar(value) ? this.source.text(value, this.nameOf(key)) : undefined
    if (isScalar(value) && read === undefined) return undefined
    const isNumber = isScalar(value) && value.type === 'PLAIN' && read?.isVariable === false && number.test(read.text)
    const duration = read === undefined || isNumber ? undefined : parseGoDuration(read.text)
    if (duration === undefined) this.problem(key, 'expected a duration with its unit, such as 20s or 5m0s')
    else if (duration < 0) this.problem(key, `a duration cannot be negative: ${read?.text}`)
    return duration
  }

  /** False where absent. */
  boolean(key: string): boolean {
    const value = this.#ask(key)
    if (value === undefined) return false
    const read = isScalar(value) ? this.source.text(value, this.nameOf(key)) : undefined
    if (isScalar(value) && read === undefined) return false
    const isPlain = isScalar(value) && value.type === 'PLAIN' && read?.isVariable === false
    const text = read?.text ?? ''
    const result = (isPlain ? plainBooleans.get(text) : undefined) ?? textBooleans.get(text)
    if (result !== undefined) return result
    const hint = read?.isVariable === true ? '; from the environment KES takes only on, off, yes, no, y and n' : ''
    this.problem(key, `expected true or false, not quoted${hint}`)
    return false
  }

  /** Empty where absent. `literal`: environment variables are not put in. */
  strings(key: string, { literal = false }: { readonly literal?: boolean } = {}): readonly string[] {
    const value = this.#ask(key)
    if (value === undefined) return []
    if (!isSeq(value)) {
      this.problem(key, 'expected a list')
      return []
    }
    return value.items.flatMap((item) => this.#item(item, key, literal) ?? [])
  }

  /** The mappings of a list; what else is in it is a problem. */
  sections(key: string): readonly Section[] {
    const value = this.#ask(key)
    if (value === undefined) return []
    if (!isSeq(value)) {
      this.problem(key, 'expected a list')
      return []
    }
    return value.items.flatMap((item) => {
      const node = this.source.resolve(item)
      if (node === undefined || isMap(node)) return [new Section(this.source, node, this.nameOf(key))]
      this.source.problem(node, this.nameOf(key), 'expected settings, as `- name: value`')
      return []
    })
  }

  /** Says of everything that nobody asked for that it has no meaning. */
  reportUnknown(): void {
    for (const key of this.#entries.keys()) {
      if (!this.#asked.has(key)) this.source.unknown(this.#entries.get(key)?.key ?? this.node, this.nameOf(key))
    }
  }

  #item(item: unknown, key: string, literal: boolean): string | undefined {
    const node = this.source.resolve(item)
    if (node === undefined) return ''
    if (!isScalar(node)) {
      this.source.problem(node, this.nameOf(key), 'expected a text')
      return undefined
    }
    return literal ? this.source.literal(node) : this.source.text(node, this.nameOf(key))?.text
  }

  #ask(key: string) {
    this.#asked.add(key)
    return this.source.resolve(this.#entries.get(key)?.value)
  }

  /** Settings of this mapping, and those merged in by `<<` where it has none of that name. Each mapping is taken once. */
  #take(root: YAMLMap): void {
    const taken = new Set<YAMLMap>([root])
    for (const node of taken) {
      for (const { key, value } of node.items) {
        if (!isScalar(key)) continue
        const name = this.source.literal(key)
        if (name === '<<' && key.type === 'PLAIN') for (const other of this.#merged(value)) taken.add(other)
        else if (!this.#entries.has(name)) this.#entries.set(name, { key, value })
        else if (node === root) this.source.problem(key, this.nameOf(name), 'this key stands here twice')
      }
    }
  }

  #merged(value: unknown): YAMLMap[] {
    const node = this.source.resolve(value)
    if (isMap(node)) return [node]
    return isSeq(node) ? node.items.map((item) => this.source.resolve(item)).filter((item) => isMap(item)) : []
  }
}
