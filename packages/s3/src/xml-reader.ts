/**
 * Reading the XML that clients send into a small tree, over `saxes`. Written for hostile input: strict UTF-8, no document
 * type, no processing instructions, no entities but the five of XML, bounded size, depth and number of elements and
 * attributes.
 *
 * Names are matched without their namespace: clients send the S3 one, none, or a prefix.
 *
 * @module
 */

import { SaxesParser } from 'saxes'
import { malformedXml, S3Error } from './s3-error.ts'

/** An element: its text with that of child elements left out. */
export interface XmlElement {
  /** Without prefix. */
  readonly name: string
  readonly children: readonly XmlElement[]
  readonly text: string
}

export interface XmlLimits {
  /** Default 1,000. */
  readonly maxElements?: number
  /** Default 16. */
  readonly maxDepth?: number
}

interface OpenElement {
  readonly name: string
  readonly children: OpenElement[]
  text: string
}

const encodings: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii'])

/** Most bytes of documents other than those of DeleteObjects and CompleteMultipartUpload. */
export const maxDocumentBytes = 1024 * 1024

/**
 * Reads a document and returns its root element. The size of `body` is the caller's to bound.
 *
 * @throws S3Error `MalformedXML`, `MissingRequestBodyError` for an empty body
 */
export function parseXml(body: Uint8Array, limits: XmlLimits = {}): XmlElement {
  const text = textOf(body)
  const tree = new TreeReader(limits)
  tree.write(text)
  return tree.end()
}

/** Resolves when others have had their turn. */
export type Pause = () => Promise<void>

/**
 * Reads a document of megabytes and pauses between its slices: megabytes of references or of carriage returns are seconds
 * of work.
 *
 * @throws S3Error as {@link parseXml}
 */
export async function parseLargeXml(body: Uint8Array, limits: XmlLimits, pause: Pause): Promise<XmlElement> {
  const text = textOf(body)
  const tree = new TreeReader(limits)
  for (let start = 0; start < text.length; start += sliceLength) {
    if (start > 0) await pause()
    tree.write(text.slice(start, start + sliceLength))
  }
  return tree.end()
}

/** UTF-16 units that are read at a time: a few milliseconds. */
const sliceLength = 65_536

function textOf(body: Uint8Array): string {
  if (body.length === 0) throw new S3Error('MissingRequestBodyError')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw malformedXml(cause)
  }
}

/** Attributes that a document may have; what clients send are namespaces and the type of a grantee. */
const maxAttributes = 100

/** Builds the tree of a document that comes in slices. Used up by its first error. */
class TreeReader {
  readonly #parser = new SaxesParser({ xmlns: true, position: false })
  readonly #maxElements: number
  readonly #maxDepth: number
  readonly #open: OpenElement[] = []
  #root: OpenElement | undefined
  #elements = 0
  #attributes = 0

  constructor({ maxElements = 1000, maxDepth = 16 }: XmlLimits) {
    this.#maxElements = maxElements
    this.#maxDepth = maxDepth
    const parser = this.#parser
    parser.on('error', (cause) => {
      throw malformedXml(cause)
    })
    parser.on('doctype', refuse)
    parser.on('processinginstruction', refuse)
    parser.on('xmldecl', ({ encoding }) => {
      if (encoding !== undefined && !encodings.has(encoding.toLowerCase())) refuse()
    })
    parser.on('attribute', () => {
      if (++this.#attributes > maxAttributes) refuse()
    })
    parser.on('opentag', ({ local }) => this.#opened(local))
    parser.on('closetag', () => this.#open.pop())
    parser.on('text', (piece) => this.#addText(piece))
    parser.on('cdata', (piece) => this.#addText(piece))
  }

  write(slice: string): void {
    this.#parser.write(slice)
  }

  /** The root. */
  end(): XmlElement {
    this.#parser.close()
    return this.#root ?? refuse()
  }

  #opened(name: string): void {
    if (++this.#elements > this.#maxElements || this.#open.length >= this.#maxDepth) refuse()
    const opened: OpenElement = { name, children: [], text: '' }
    this.#open[this.#open.length - 1]?.children.push(opened)
    this.#root ??= opened
    this.#open.push(opened)
  }

  #addText(piece: string): void {
    const current = this.#open[this.#open.length - 1]
    if (current !== undefined) current.text += piece
  }
}

function refuse(): never {
  throw malformedXml()
}

/** @throws S3Error `MalformedXML` when the root has another name */
export function requireRoot(root: XmlElement, name: string): XmlElement {
  if (root.name !== name) throw malformedXml()
  return root
}

/**
 * The one child of that name, or `undefined`.
 *
 * @throws S3Error `MalformedXML` when there are several
 */
export function onlyChild(parent: XmlElement, name: string): XmlElement | undefined {
  let found: XmlElement | undefined
  for (const child of parent.children) {
    if (child.name !== name) continue
    if (found !== undefined) throw malformedXml()
    found = child
  }
  return found
}

/**
 * The text of the one child of that name, as sent, or `undefined`.
 *
 * @throws S3Error `MalformedXML` when there are several, or when it has children of its own
 */
export function childText(parent: XmlElement, name: string): string | undefined {
  const child = onlyChild(parent, name)
  if (child !== undefined && child.children.length > 0) throw malformedXml()
  return child?.text
}

/**
 * The truth of the one child of that name, or `undefined`.
 *
 * @throws S3Error `MalformedXML` for anything but `true` and `false`
 */
export function childBoolean(parent: XmlElement, name: string): boolean | undefined {
  const text = childText(parent, name)?.trim().toLowerCase()
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') throw malformedXml()
  return text === 'true'
}
