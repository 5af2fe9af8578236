/**
 * A key store in a KV engine of version 1 of HashiCorp Vault or OpenBao (kes-protocol 8.4).
 *
 * This engine has no exclusive creation: a write replaces what is there, and KES overwrites a concurrent creator's key without
 * a word. Here a creator waits a moment after his write and looks whose value stayed (Fischer's algorithm), so exactly one of
 * several wins as long as each write takes effect within that moment of the look before it. Version 2 needs no such thing.
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { NameMutex } from '../../name-mutex.ts'
import type { StoreRequest } from '../store-client.ts'
import { StoreError } from '../store-error.ts'
import { textOfValue } from '../stored-text.ts'
import { readVaultEntry, type VaultEntry } from './vault-entry.ts'
import { listVaultPages } from './vault-listing.ts'
import type { VaultSession } from './vault-session.ts'
import { openVaultValue, type VaultTransit } from './vault-transit.ts'

/** From the write to the look whose value stayed, in milliseconds. */
const settleMs = 500

/** See the module. */
export class VaultKv1KeyStore implements KeyStore {
  readonly #session: VaultSession
  readonly #directory: string
  readonly #transit: VaultTransit | undefined
  readonly #mutex = new NameMutex()

  /** `directory` is mount and prefix, encoded. Owns the session. */
  constructor(session: VaultSession, directory: string, transit: VaultTransit | undefined) {
    this.#session = session
    this.#directory = directory
    this.#transit = transit
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const text = textOfValue(name, value)
    await this.#mutex.run(name, async () => {
      if ((await this.#look(name)).state !== 'absent') throw keyExists(name)
      const stored = this.#transit === undefined ? text : await this.#transit.encrypt(text)
      await this.#write(name, stored)
      await this.#session.dependencies.sleep(settleMs)
      const found = await this.#look(name)
      if (found.state !== 'present' || found.text !== stored) throw keyExists(name)
    })
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const entry = await this.#look(name)
    if (entry.state === 'absent') throw keyNotFound(name)
    return openVaultValue(name, entry, this.#transit)
  }

  async delete(name: string): Promise<void> {
    checkEntryName(name)
    if ((await this.#look(name)).state === 'absent') throw keyNotFound(name)
    const request: StoreRequest = { method: 'DELETE', path: this.#path(name), isRepeatable: true }
    const answer = await this.#session.send(request)
    if (answer.status !== 204 && answer.status !== 200) {
      throw this.#session.refusal(request, answer, `"delete" on ${this.#directory}/${name}`)
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    for await (const { names } of listVaultPages(this.#session, this.#directory, prefix)) yield* names
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return this.#session.status()
  }

  async close(): Promise<void> {
    this.#session.close()
  }

  /** A lost answer is no harm: the look after it tells what became of the write. */
  async #write(name: string, stored: string): Promise<void> {
    const request: StoreRequest = {
      method: 'PUT',
      path: this.#path(name),
      body: JSON.stringify({ [name]: stored }),
      isSecret: true,
    }
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#session.send(request)
        if (answer.status === 204 || answer.status === 200) return
        throw this.#session.refusal(request, answer, `"create" on ${this.#directory}/${name}`)
      } catch (error) {
        if (!(error instanceof StoreError && error.isOutcomeUnknown)) throw error
        const found = await this.#look(name)
        if (found.state !== 'absent') return
        if (attempt === 3) throw error
      }
    }
  }

  async #look(name: string): Promise<VaultEntry> {
    const request: StoreRequest = { method: 'GET', path: this.#path(name) }
    const needs = `"read" on ${this.#directory}/${name}`
    const answer = await this.#session.send(request)
    return readVaultEntry(this.#session, request, answer, { name, engineVersion: 'v1', needs })
  }

  #path(name: string): string {
    return `/v1/${this.#directory}/${name}`
  }
}

const keyExists = (name: string): KmsError => new KmsError('key-exists', `key '${name}' already exists`)
const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)
