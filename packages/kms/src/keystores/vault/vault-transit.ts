/**
 * Entries that are encrypted by Vault's transit engine before they are stored (kes-protocol 8.4).
 *
 * @module
 */
import { KmsError } from '../../kms-error.ts'
import { isObject, type StoreRequest } from '../store-client.ts'
import { valueOfText } from '../stored-text.ts'
import type { VaultEntry } from './vault-entry.ts'
import { joinVaultPath } from './vault-paths.ts'
import type { VaultSession } from './vault-session.ts'

/** KES knows `vault:v1:` only, and so neither writes nor reads entries after a rotation of the transit key. */
const sealedPattern = /^vault:v\d{1,9}:/

/** Whether a stored text is transit ciphertext. */
export function isTransitCiphertext(text: string): boolean {
  return sealedPattern.test(text)
}

/** One transit key. */
export class VaultTransit {
  readonly #session: VaultSession
  readonly #engine: string
  readonly #key: string

  constructor(session: VaultSession, { engine = 'transit', key }: { readonly engine?: string; readonly key: string }) {
    this.#session = session
    this.#engine = joinVaultPath(engine)
    this.#key = joinVaultPath(key)
  }

  /** @throws KmsError */
  async encrypt(text: string): Promise<string> {
    const plaintext = Buffer.from(text, 'utf8').toString('base64')
    const ciphertext = await this.#call('encrypt', { plaintext }, 'ciphertext', 'update')
    if (!isTransitCiphertext(ciphertext)) throw new KmsError('unreachable', 'Vault: transit gave no ciphertext')
    return ciphertext
  }

  /** @throws KmsError */
  async decrypt(ciphertext: string): Promise<string> {
    const plaintext = await this.#call('decrypt', { ciphertext }, 'plaintext', 'update')
    return Buffer.from(plaintext, 'base64').toString('utf8')
  }

  async #call(
    operation: 'encrypt' | 'decrypt',
    body: Readonly<Record<string, string>>,
    field: string,
    capability: string,
  ): Promise<string> {
    const request: StoreRequest = {
      method: 'POST',
      path: `/v1/${this.#engine}/${operation}/${this.#key}`,
      body: JSON.stringify(body),
      isRepeatable: true,
      isSecret: operation === 'encrypt',
    }
    const answer = await this.#session.send(request)
    if (answer.status !== 200) {
      throw this.#session.refusal(request, answer, `"${capability}" on ${this.#engine}/${operation}/${this.#key}`)
    }
    const { data } = this.#session.json(request, answer)
    const result = isObject(data) ? data[field] : undefined
    if (typeof result !== 'string') throw this.#session.nonsense(request, `without ${field}`)
    return result
  }
}

/**
 * The value of an entry. Texts that are no ciphertext are taken as they are, with transit, too, as KES does.
 *
 * @throws KmsError `invalid-key`
 */
export async function openVaultValue(
  name: string,
  entry: VaultEntry,
  transit: VaultTransit | undefined,
): Promise<Uint8Array> {
  if (entry.state !== 'present') {
    throw new KmsError('invalid-key', `Vault: the entry of key '${name}' has no text in a field of that name`)
  }
  if (!isTransitCiphertext(entry.text)) return valueOfText(name, entry.text)
  if (transit === undefined) {
    throw new KmsError('invalid-key', `Vault: the entry of key '${name}' is encrypted by transit, which is not set up`)
  }
  return valueOfText(name, await transit.decrypt(entry.text))
}
