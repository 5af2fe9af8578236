/**
 * Notes every plaintext, key and secret that a test server handles, and searches for them all in what it leaves behind: files,
 * log lines, metrics and the errors it answered with. Every server of the acceptance tests is searched when it stops.
 *
 * @module
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunningServer } from '@strongroom/server'
import type { RawResponse } from './raw-client.ts'
import { SecretSearch, windowBytes } from './secret-search.ts'

type Deployment = RunningServer['deployment']

/** A window into each package of a sealed stream. */
const strideBytes = 64 * 1024

/** Calls whose bodies are plaintext to be stored, and calls that bring keys. */
const writes = ['putObject', 'uploadPart'] as const
const callsWithKeys = ['getObject', 'headObject', 'getObjectAttributes', 'copyObject', 'createUpload', 'uploadPartCopy']

export class LeakWatch {
  readonly search = new SecretSearch()
  /** Errors that clients were answered with. */
  readonly #answers: Buffer[] = []

  /** Takes note of what goes through a deployment from now on. */
  attach({ engine, accounts, kms, keyring }: Deployment): void {
    for (const purpose of ['dataKeys', 'metadataKeys', 'keyStoreKeys'] as const) {
      for (const key of keyring[purpose].keys.values()) this.search.add(`a key of the keyring (${purpose})`, key)
    }
    for (const name of writes) wrap(engine, name, (input) => this.#noteWrite(input))
    for (const name of callsWithKeys) wrap(engine, name, (input) => this.#noteKeys(input))
    for (const name of ['generateDataKey', 'decrypt']) {
      wrap(kms, name, undefined, (made) => this.#add('a data key', Object(made).plaintext ?? made))
    }
    for (const name of ['createAccount', 'createAccessKey']) {
      wrap(accounts, name, undefined, (made) =>
        this.addText('the secret of an access key', Object(made).secretAccessKey),
      )
    }
  }

  addText(what: string, secret: string): void {
    this.search.add(what, Buffer.from(secret))
  }

  /** Takes note of an answer, if it is an error. */
  note({ status, headers, body }: RawResponse): void {
    if (status >= 400) this.#answers.push(Buffer.concat([Buffer.from(JSON.stringify(headers)), body]))
  }

  /** Everything found: where, and what. */
  async findings(directory: string, texts: Readonly<Record<string, string>>): Promise<string[]> {
    const found: string[] = []
    const look = (where: string, content: Uint8Array): void => {
      for (const what of this.search.foundIn(content)) found.push(`${where}: ${what}`)
    }
    for (const file of await readdir(directory, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name)
      look('a name', Buffer.from(path))
      if (file.isFile()) look(path, await readFile(path))
    }
    for (const [where, text] of Object.entries(texts)) look(where, Buffer.from(text))
    look('errors', Buffer.concat(this.#answers))
    return found
  }

  #add(what: string, secret: unknown): void {
    if (secret instanceof Uint8Array) this.search.add(what, secret)
  }

  #noteKeys(input: object): object {
    const { encryption, customerKey, source } = Object(input)
    for (const holder of [customerKey, encryption?.customerKey, source?.customerKey]) {
      this.#add('the key of a customer', holder?.key)
    }
    return input
  }

  #noteWrite(input: object): object {
    this.#noteKeys(input)
    const { body } = Object(input)
    const { content } = body
    const watched = content instanceof Uint8Array ? this.#noteContent(content) : this.#noteStream(content)
    return { ...input, body: { ...body, content: watched } }
  }

  #noteContent(content: Uint8Array): Uint8Array {
    for (let at = 0; at < content.length; at += strideBytes) this.#noteWindow(content, at)
    this.#noteWindow(content, Math.max(0, content.length - windowBytes))
    return content
  }

  async *#noteStream(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of content) yield this.#noteContent(piece)
  }

  #noteWindow(content: Uint8Array, at: number): void {
    this.search.add('content', content.subarray(at, at + windowBytes))
  }
}

/** Puts an own property before a method, which sees its first argument and its result. */
function wrap(
  target: object,
  name: string,
  before: ((input: object) => object) | undefined,
  after?: (result: unknown) => void,
): void {
  const method: unknown = Reflect.get(target, name)
  if (typeof method !== 'function') throw new Error(`there is no ${name} to watch`)
  const value = async (...args: readonly unknown[]): Promise<unknown> => {
    const [first, ...rest] = args
    const taken = before === undefined ? args : [before(Object(first)), ...rest]
    const result: unknown = await Reflect.apply(method, target, taken)
    after?.(result)
    return result
  }
  Object.defineProperty(target, name, { configurable: true, value })
}
