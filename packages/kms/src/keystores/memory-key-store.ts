/**
 * A key store that lives as long as its process: for tests and for `--dev` (kes-protocol 8.2).
 *
 * @module
 */
import type { KeyStore } from '../contract.ts'
import { checkEntryName } from '../entry-name.ts'
import { KmsError } from '../kms-error.ts'

/** Keeps entries in memory and zeroes what it drops. */
export class MemoryKeyStore implements KeyStore {
  readonly #entries = new Map<string, Uint8Array>()

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    if (this.#entries.has(name)) throw new KmsError('key-exists', `key '${name}' already exists`)
    this.#entries.set(name, Uint8Array.from(value))
  }

  async replace(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    this.#entries.get(name)?.fill(0)
    this.#entries.set(name, Uint8Array.from(value))
  }

  async get(name: string): Promise<Uint8Array> {
    return Uint8Array.from(this.#entry(name))
  }

  async delete(name: string): Promise<void> {
    this.#entry(name).fill(0)
    this.#entries.delete(name)
  }

  async *list(prefix: string): AsyncIterable<string> {
    for (const name of [...this.#entries.keys()].sort()) {
      if (name.startsWith(prefix) && this.#entries.has(name)) yield name
    }
  }

  async status(): Promise<{ readonly reachable: boolean }> {
    return { reachable: true }
  }

  async close(): Promise<void> {
    for (const value of this.#entries.values()) value.fill(0)
    this.#entries.clear()
  }

  #entry(name: string): Uint8Array {
    checkEntryName(name)
    const value = this.#entries.get(name)
    if (value === undefined) throw new KmsError('key-not-found', `key '${name}' does not exist`)
    return value
  }
}
