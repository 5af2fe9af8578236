/**
 * A key store in a KV engine of version 2 of HashiCorp Vault or OpenBao (kes-protocol 8.4): creation by check-and-set, a
 * deletion that can be taken back, reading always of version 1, as KES does.
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { mapConcurrently } from '../concurrently.ts'
import { createOnce } from '../create-once.ts'
import { isObject, type StoreRequest } from '../store-client.ts'
import { textOfValue } from '../stored-text.ts'
import { readVaultEntry, type VaultEntry } from './vault-entry.ts'
import { firstDetailedPage, listVaultPages } from './vault-listing.ts'
import { type VaultSession, vaultErrors } from './vault-session.ts'
import { openVaultValue, type VaultTransit } from './vault-transit.ts'

/** Names looked into at the same time by a listing, which shows deleted ones, too. */
const listingConcurrency = 16

/** No sane entry has more versions; the engine keeps 10 unless told otherwise. */
const maxVersions = 1_000

/** See the module. */
export class VaultKv2KeyStore implements KeyStore {
  readonly #session: VaultSession
  readonly #mount: string
  readonly #prefix: string
  readonly #transit: VaultTransit | undefined
  /** Until a listing shows that there are none: HashiCorp's Vault has none. */
  #hasDetails = true

  /** `mount` and `prefix` are encoded. Owns the session. */
  constructor(session: VaultSession, mount: string, prefix: string, transit: VaultTransit | undefined) {
    this.#session = session
    this.#mount = mount
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#transit = transit
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const text = textOfValue(name, value)
    this.#checkFree(name, await this.#look(name))
    const stored = this.#transit === undefined ? text : await this.#transit.encrypt(text)
    await createOnce(
      Buffer.from(stored, 'utf8'),
      () => this.#write(name, stored),
      async () => {
        const entry = await this.#look(name)
        if (entry.state === 'absent') throw keyNotFound(name)
        return Buffer.from(entry.state === 'present' ? entry.text : '', 'utf8')
      },
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const entry = await this.#look(name, 1)
    if (entry.state === 'absent') throw keyNotFound(name)
    if (entry.state === 'deleted') throw this.#deleted(name, entry.isRecoverable, 'key-not-found')
    return openVaultValue(name, entry, this.#transit)
  }

  /** Deletes all versions in a way that `recover` takes back. */
  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const newest = await this.#look(name)
    if (newest.state === 'absent') throw keyNotFound(name)
    const first = newest.version > 1 ? await this.#look(name, 1) : newest
    if (newest.state === 'deleted' && (first.state === 'deleted' || first.state === 'absent')) throw keyNotFound(name)
    if (newest.version === 0) {
      throw new KmsError('unsupported', `Vault: the engine at ${this.#mount} is of version 1: set version to v1`)
    }
    await this.#change('delete', name, newest.version)
  }

  async recover(name: string): Promise<void> {
    checkEntryName(name)
    const newest = await this.#look(name)
    if (newest.state === 'absent') throw keyNotFound(name)
    if (newest.state === 'deleted' && !newest.isRecoverable) throw this.#deleted(name, false, 'key-not-found')
    await this.#change('undelete', name, newest.version)
  }

  async purge(name: string): Promise<void> {
    checkEntryName(name)
    if ((await this.#look(name)).state === 'absent') throw keyNotFound(name)
    const request: StoreRequest = { method: 'DELETE', path: this.#path('metadata', name), isRepeatable: true }
    const answer = await this.#session.send(request)
    if (answer.status !== 204 && answer.status !== 200) {
      throw this.#session.refusal(request, answer, `"delete" on ${this.#right('metadata', name)}`)
    }
  }

  /** The listing shows deleted entries, too: OpenBao tells them in the same answer, Vault is asked for each name. */
  async *list(prefix: string): AsyncIterable<string> {
    const detailed = this.#directory('detailed-metadata')
    const first = this.#hasDetails ? await firstDetailedPage(this.#session, detailed) : undefined
    if (first === undefined) this.#hasDetails = false
    const directory = first === undefined ? this.#directory('metadata') : detailed
    for await (const { names, details } of listVaultPages(this.#session, directory, prefix, first)) {
      const isThere = await mapConcurrently(names, listingConcurrency, async (name) => {
        if (isSurelyThere(details?.[name])) return true
        const { state } = await this.#look(name, 1)
        return state === 'present' || state === 'foreign'
      })
      yield* names.filter((_, at) => isThere[at])
    }
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return this.#session.status()
  }

  async close(): Promise<void> {
    this.#session.close()
  }

  #directory(area: 'metadata' | 'detailed-metadata'): string {
    return `${this.#mount}/${area}/${this.#prefix}`.slice(0, -1)
  }

  /** The write succeeds only where there was never anything: not even something deleted. */
  async #write(name: string, stored: string): Promise<void> {
    const request: StoreRequest = {
      method: 'PUT',
      path: this.#path('data', name),
      body: JSON.stringify({ data: { [name]: stored }, options: { cas: 0 } }),
      isSecret: true,
    }
    const answer = await this.#session.send(request)
    if (answer.status === 200 || answer.status === 204) return
    const isTaken = answer.status === 400 && (vaultErrors(answer) ?? '').includes('check-and-set')
    // A policy with "create" but without "update", which is right, refuses the write of whoever comes second with 403.
    if (isTaken || answer.status === 403) this.#checkFree(name, await this.#look(name))
    throw isTaken ? keyExists(name) : this.#session.refusal(request, answer, `"create" on ${this.#right('data', name)}`)
  }

  async #change(operation: 'delete' | 'undelete', name: string, newest: number): Promise<void> {
    const first = Math.max(1, newest - maxVersions)
    const versions = Array.from({ length: newest - first + 1 }, (_, i) => first + i)
    const request: StoreRequest = {
      method: 'PUT',
      path: this.#path(operation, name),
      body: JSON.stringify({ versions }),
      isRepeatable: true,
    }
    const answer = await this.#session.send(request)
    if (answer.status !== 204 && answer.status !== 200) {
      throw this.#session.refusal(request, answer, `"update" on ${this.#right(operation, name)}`)
    }
  }

  async #look(name: string, version?: number): Promise<VaultEntry> {
    const query = version === undefined ? '' : `?version=${version}`
    const request: StoreRequest = { method: 'GET', path: `${this.#path('data', name)}${query}` }
    const answer = await this.#session.send(request)
    const needs = `"read" on ${this.#right('data', name)}`
    return readVaultEntry(this.#session, request, answer, { name, engineVersion: 'v2', needs })
  }

  #checkFree(name: string, entry: VaultEntry): void {
    if (entry.state === 'deleted') throw this.#deleted(name, entry.isRecoverable, 'key-pending-deletion')
    if (entry.state !== 'absent') throw keyExists(name)
  }

  #deleted(name: string, isRecoverable: boolean, code: 'key-not-found' | 'key-pending-deletion'): KmsError {
    const path = `-mount=${decodeURIComponent(this.#mount)} ${decodeURIComponent(this.#prefix)}${name}`
    const how = isRecoverable
      ? `recover it (vault kv undelete ${path}, with -versions=1) or purge it`
      : `it was destroyed and cannot be recovered; purge what is left (vault kv metadata delete ${path})`
    return new KmsError(code, `key '${name}' is deleted, but Vault keeps its name: ${how}`)
  }

  #path(area: 'data' | 'metadata' | 'delete' | 'undelete', name: string): string {
    return `/v1/${this.#mount}/${area}/${this.#prefix}${name}`
  }

  #right(area: 'data' | 'metadata' | 'delete' | 'undelete', name: string): string {
    return `${this.#mount}/${area}/${this.#prefix}${name}`
  }
}

/** Whether OpenBao's details say without doubt that version 1 is there. A deletion may also lie in the future. */
function isSurelyThere(details: unknown): boolean {
  const first = isObject(details) && isObject(details.versions) ? details.versions['1'] : undefined
  return isObject(first) && first.deletion_time === '' && first.destroyed === false
}

const keyExists = (name: string): KmsError => new KmsError('key-exists', `key '${name}' already exists`)
const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)
