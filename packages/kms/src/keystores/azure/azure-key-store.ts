/**
 * A key store in Azure Key Vault: one secret per entry, its value in the oldest version (kes-protocol 8.7). Deleted secrets
 * keep their window of recovery; KES purges them instead.
 *
 * A vault knows no exclusive creation: writing makes another version. What counts is the oldest, and `created` is in whole
 * seconds; so whoever writes waits for the second to end, and then looks which version won. After that nobody can win any more.
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { createOnce } from '../create-once.ts'
import type { AzureKeyStoreSettings } from '../key-store-settings.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { StoreError } from '../store-error.ts'
import { statusOf } from '../store-status.ts'
import { loadStoreTls } from '../store-tls.ts'
import { textOfValue, valueOfText } from '../stored-text.ts'
import { type AzureAnswer, AzureSession } from './azure-session.ts'
import { type AzureVersions, oldestVersion, whyUnusable } from './azure-versions.ts'

/** Longer than the second in which a version was made. */
const settlePauseMs = 1_100
const maxSettleLooks = 5

/** Deleting, recovering and purging go on in the background for some seconds (Azure Key Vault soft-delete overview). */
const progressPauseMs = 1_000
const maxProgressLooks = 30
/** However long each look takes. */
const longestProgressMs = 60_000

/** Opens without asking the service anything. @throws KmsError `unreachable` when the settings can never work */
export async function openAzureKeyStore(
  settings: AzureKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<AzureKeyStore> {
  const tls = await loadStoreTls('Azure Key Vault', settings.tls, true)
  return new AzureKeyStore(new AzureSession(settings, tls, dependencies), dependencies)
}

/** See the module. */
export class AzureKeyStore implements KeyStore {
  readonly #session: AzureSession
  readonly #dependencies: StoreDependencies

  /** Owns the session. */
  constructor(session: AzureSession, dependencies: StoreDependencies) {
    this.#session = session
    this.#dependencies = dependencies
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkSecretName(name)
    const text = textOfValue(name, value)
    await createOnce(
      value,
      async () => {
        const before = await oldestVersion(this.#session, name)
        if (before !== undefined) throw keyExists(name, before.oldest.name)
        await this.#write(name, text)
        // Lost or won: what is the oldest when the second is over.
        throw new StoreError('unreachable', `Azure Key Vault: '${name}' was not settled`, { isOutcomeUnknown: true })
      },
      async () => {
        await this.#dependencies.sleep(settlePauseMs)
        return this.get(name)
      },
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkSecretName(name)
    const versions = await this.#settled(name)
    if (versions === undefined || versions.oldest.name !== name) throw keyNotFound(name)
    const { oldest, nowMs } = versions
    const problem = whyUnusable(oldest, Number.isNaN(nowMs) ? this.#dependencies.now() : nowMs)
    if (problem !== undefined) {
      throw new KmsError(
        'key-disabled',
        `Azure Key Vault: version ${oldest.version} of the secret '${name}' ${problem}`,
      )
    }
    const answer = await this.#session.send({ method: 'GET', path: `/secrets/${name}/${oldest.version}` })
    if (answer.status === 404) throw keyNotFound(name)
    if (answer.status !== 200) throw this.#session.refusal(answer, 'get')
    const { value } = this.#session.json(answer)
    if (typeof value !== 'string') throw this.#session.nonsense(answer, 'no value')
    return valueOfText(name, value)
  }

  /** Resolves when the secret can be recovered. @throws KmsError `busy` when that takes too long: it is gone, and will be recoverable */
  async delete(name: string): Promise<void> {
    checkSecretName(name)
    if (!(await this.#isLiving(name))) throw keyNotFound(name)
    await this.#delete(name)
  }

  async recover(name: string): Promise<void> {
    checkSecretName(name)
    if (!(await this.#isDeletedHere(name)) && (await this.#isLiving(name))) return
    const request = { method: 'POST', path: `/deletedsecrets/${name}/recover`, isRepeatable: true } as const
    const answer = await this.#insist(name, request, 'recover', [200, 404])
    if (answer.status === 404) throw keyNotFound(name)
    await this.#until(name, 'recovered', async () => (await oldestVersion(this.#session, name)) !== undefined)
  }

  async purge(name: string): Promise<void> {
    checkSecretName(name)
    let isKnown = await this.#isDeletedHere(name)
    if (!isKnown && (await this.#isLiving(name))) {
      await this.#delete(name)
      isKnown = true
    }
    const request = { method: 'DELETE', path: `/deletedsecrets/${name}`, isRepeatable: true } as const
    // What is neither deleted nor there may be on its way from the one to the other: 409.
    const answer = await this.#insist(name, request, 'purge', [204, 200, 404])
    if (answer.status === 404 && !isKnown) throw keyNotFound(name)
    await this.#until(name, 'purged', async () => !(await this.#isDeleted(name)))
  }

  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    const absent = () => new KmsError('unreachable', 'Azure Key Vault: there is no vault at this address')
    for await (const { items } of this.#session.items('/secrets', 'list', absent)) {
      for (const { id, managed } of items) {
        const name = typeof id === 'string' ? id.slice(id.lastIndexOf('/') + 1) : ''
        // The secrets of certificates are managed by the vault.
        if (managed !== true && name.startsWith(prefix) && isEntryName(name)) found.add(name)
      }
    }
    yield* [...found].sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(async () => {
      const answer = await this.#session.send({ method: 'GET', path: '/secrets', isSingleAttempt: true })
      if (answer.status !== 200) throw this.#session.refusal(answer, 'list')
    })
  }

  async close(): Promise<void> {
    this.#session.close()
  }

  /** The oldest version, once no other can become it. */
  async #settled(name: string): Promise<AzureVersions | undefined> {
    for (let look = 1; ; look++) {
      const versions = await oldestVersion(this.#session, name)
      if (versions?.mayChange !== true || look === maxSettleLooks) return versions
      await this.#dependencies.sleep(settlePauseMs)
    }
  }

  async #write(name: string, value: string): Promise<void> {
    for (let look = 1; ; look++) {
      const answer = await this.#session.send({
        method: 'PUT',
        path: `/secrets/${name}`,
        body: JSON.stringify({ value }),
        isSecret: true,
      })
      if (answer.status === 200) {
        // It repeats the value.
        answer.answer.body.fill(0)
        return
      }
      const { innerCode } = answer.problem
      if (answer.status !== 409) throw this.#session.refusal(answer, 'set')
      if (innerCode === 'ObjectIsDeletedButRecoverable') throw deleted(name)
      if (innerCode !== 'ObjectIsBeingDeleted') throw this.#session.refusal(answer, 'set')
      // On its way to being recoverable, or to being gone.
      if (look === maxProgressLooks || (await this.#isDeleted(name))) throw deleted(name)
      await this.#dependencies.sleep(progressPauseMs)
    }
  }

  async #delete(name: string): Promise<void> {
    const path = `/secrets/${name}`
    // 404: gone meanwhile, perhaps by the attempt whose answer was lost.
    const answer = await this.#insist(name, { method: 'DELETE', path, isRepeatable: true }, 'delete', [200, 404])
    const isKept = answer.status === 404 || typeof this.#session.json(answer).recoveryId === 'string'
    // Vaults from before 2020 may keep nothing.
    if (isKept) await this.#until(name, 'deleted', () => this.#isDeleted(name))
  }

  /** @throws KmsError `key-not-found` when another secret is there, whose name differs by case alone */
  async #isLiving(name: string): Promise<boolean> {
    const versions = await oldestVersion(this.#session, name)
    if (versions !== undefined && versions.oldest.name !== name) throw keyNotFound(name)
    return versions !== undefined
  }

  /** Whether a secret awaits its recovery or its end. */
  async #isDeleted(name: string): Promise<boolean> {
    return (await this.#deletedName(name)) === name
  }

  /** As `#isDeleted`. @throws KmsError `key-not-found` when another one does, whose name differs by case alone */
  async #isDeletedHere(name: string): Promise<boolean> {
    const found = await this.#deletedName(name)
    if (found !== undefined && found !== name) throw keyNotFound(name)
    return found !== undefined
  }

  async #deletedName(name: string): Promise<string | undefined> {
    const answer = await this.#session.send({ method: 'GET', path: `/deletedsecrets/${name}` })
    if (answer.status === 200) return nameOf(this.#session.json(answer).id)
    if (answer.status === 404) return undefined
    throw this.#session.refusal(answer, 'get')
  }

  /** Sends again while the secret is on its way to another state. */
  async #insist(
    name: string,
    request: { readonly method: 'POST' | 'DELETE'; readonly path: string; readonly isRepeatable: true },
    right: string,
    good: readonly number[],
  ): Promise<AzureAnswer> {
    const deadline = this.#dependencies.now() + longestProgressMs
    for (let look = 1; ; look++) {
      const answer = await this.#session.send(request)
      if (good.includes(answer.status)) return answer
      const { innerCode } = answer.problem
      const isUnderWay = answer.status === 409 && /^ObjectIsBeing(?:Deleted|Recovered)$/.test(innerCode)
      if (!isUnderWay || !this.#mayLookAgain(look, deadline)) throw this.#session.refusal(answer, right)
      await this.#dependencies.sleep(progressPauseMs)
      // Seen before it is touched: it may be another secret, whose name differs by case alone.
      if (innerCode === 'ObjectIsBeingDeleted') await this.#until(name, 'deleted', () => this.#isDeletedHere(name))
    }
  }

  /** @throws KmsError `busy` when it takes longer than a vault should need */
  async #until(name: string, state: string, isDone: () => Promise<boolean>): Promise<void> {
    const deadline = this.#dependencies.now() + longestProgressMs
    for (let look = 1; !(await isDone()); look++) {
      if (!this.#mayLookAgain(look, deadline)) {
        throw new KmsError('busy', `Azure Key Vault: the secret '${name}' is still being ${state}: ask again later`)
      }
      await this.#dependencies.sleep(progressPauseMs)
    }
  }

  #mayLookAgain(look: number, deadline: number): boolean {
    return look < maxProgressLooks && this.#dependencies.now() < deadline
  }
}

/** A vault's names have no `_` (Vaults, keys, secrets: object identifiers). */
function checkSecretName(name: string): void {
  checkEntryName(name)
  if (name.includes('_')) {
    throw new KmsError(
      'invalid-name',
      `Azure Key Vault cannot have '${name}': its names are letters, digits and '-' only`,
    )
  }
}

/** An id is `https://vault/deletedsecrets/NAME` here, or with a version behind it. */
function nameOf(id: unknown): string {
  return typeof id === 'string' ? (/\/(?:deleted)?secrets\/([^/]+)/.exec(id)?.[1] ?? '') : ''
}

const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)

function keyExists(name: string, existing: string): KmsError {
  const why = existing === name ? '' : `: Azure Key Vault takes '${existing}' for the same name`
  return new KmsError('key-exists', `key '${name}' already exists${why}`)
}

function deleted(name: string): KmsError {
  const how = `recover it (az keyvault secret recover --vault-name VAULT --name ${name}) or purge it`
  return new KmsError('key-pending-deletion', `key '${name}' is deleted, but Azure Key Vault keeps its name: ${how}`)
}
