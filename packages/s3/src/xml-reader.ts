/**
 * Reading the XML that clients send into a small tree, over `saxes`. Written for hostile input: strict UTF-8, no document
 * type, no processing instructions, no entities but the five of XML, bounded size, depth and number of elements.
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
  if (body.length === 0) throw new S3Error('MissingRequestBodyError')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw malformedXml(cause)
  }
  return readTree(text, limits.maxElements ?? 1000, limits.maxDepth ?? 16)
}

function readTree(text: string, maxElements: number, maxDepth: number): XmlElement {
  const parser = new SaxesParser({ xmlns: true, position: false })
  const open: OpenElement[] = []
  let root: OpenElement | undefined
  let count = 0
  parser.on('error', (cause) => {
    throw malformedXml(cause)
  })
  parser.on('doctype', () => {
    throw malformedXml()
  })
  parser.on('processinginstruction', () => {
    throw malformedXml()
  })
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && !encodings.has(encoding.toLowerCase())) throw malformedXml()
  })
  parser.on('opentag', ({ local }) => {
    if (++count > maxElements || open.length >= maxDepth) throw malformedXml()
    const opened: OpenElement = { name: local, children: [], text: '' }
    open[open.length - 1]?.children.push(opened)
    root ??= opened
    open.push(opened)
  })
  parser.on('closetag', () => {
    open.pop()
  })
  const addText = (piece: string): void => {
    const current = open[open.length - 1]
    if (current !== undefined) current.text += piece
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.write(text).close()
  if (root === undefined) throw malformedXml()
  return root
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
