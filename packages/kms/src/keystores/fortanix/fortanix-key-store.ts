/**
 * A key store in Fortanix Data Security Manager (SDKMS): one opaque security object per entry (kes-protocol 8.8).
 * API: support.fortanix.com/apidocs (Keys, Authentication).
 *
 * @module
 */
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { createOnce } from '../create-once.ts'
import type { FortanixKeyStoreSettings } from '../key-store-settings.ts'
import { isObject, readJsonObject, type StoreAnswer, StoreClient, type StoreRequest } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import type { StoreError } from '../store-error.ts'
import { statusOf } from '../store-status.ts'
import { loadStoreTls, type StoreTls } from '../store-tls.ts'
import { base64OfValue, valueOfBase64 } from '../stored-base64.ts'

const pageSize = 100

/** A page of whole security objects, with all that is said of each. */
const maxPageBytes = 8 << 20

/** Opens without asking the service anything. @throws KmsError `unreachable` when the settings can never work */
export async function openFortanixKeyStore(
  settings: FortanixKeyStoreSettings,
  dependencies: StoreDependencies,
): Promise<FortanixKeyStore> {
  return new FortanixKeyStore(settings, await loadStoreTls('Fortanix SDKMS', settings.tls), dependencies)
}

/** See the module. */
export class FortanixKeyStore implements KeyStore {
  readonly #client: StoreClient
  readonly #groupId: string | undefined
  readonly #headers: Readonly<Record<string, string>>

  constructor(settings: FortanixKeyStoreSettings, tls: StoreTls, dependencies: StoreDependencies) {
    const { apiKey } = settings.credentials
    this.#groupId = settings.groupId === '' ? undefined : settings.groupId
    this.#headers = { authorization: `Basic ${apiKey}`, 'content-type': 'application/json' }
    this.#client = new StoreClient(
      {
        store: 'Fortanix SDKMS',
        endpoint: settings.endpoint,
        tls,
        proxy: settings.proxy,
        callTimeoutMs: settings.callTimeoutMs,
        totalTimeoutMs: settings.totalTimeoutMs,
        secrets: () => [apiKey],
      },
      dependencies,
    )
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const request: StoreRequest = {
      method: 'PUT',
      path: '/crypto/v1/keys',
      headers: this.#headers,
      body: JSON.stringify({
        obj_type: 'OPAQUE',
        name,
        ...(this.#groupId === undefined ? {} : { group_id: this.#groupId }),
        key_ops: ['EXPORT', 'APPMANAGEABLE'],
        value: base64OfValue(value),
        enabled: true,
      }),
      isSecret: true,
      about: name,
    }
    await createOnce(
      value,
      async () => {
        const answer = await this.#client.send(request)
        if (answer.status === 201 || answer.status === 200) return
        if (answer.status !== 409) throw this.#refusal(request, answer, 'the right to create keys in the group')
        const said = words(answer)
        if (said?.includes('sobject already exists')) throw new KmsError('key-exists', `key '${name}' already exists`)
        throw this.#client.refusal(request, answer, { said })
      },
      () => this.get(name),
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const { object } = await this.#find('export', name, 'the EXPORT permission for the app in the group')
    if (object.enabled === false) {
      throw new KmsError('key-disabled', `Fortanix SDKMS: the security object '${name}' is disabled there`)
    }
    return valueOfBase64(name, object.value)
  }

  /** Looks for the object's id first, without its value. */
  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const { object, request } = await this.#find('info', name, 'the right to see keys of the group')
    const { kid } = object
    if (typeof kid !== 'string' || kid === '') throw this.#client.nonsense(request, 'without a kid')
    const removal: StoreRequest = {
      method: 'DELETE',
      path: `/crypto/v1/keys/${encodeURIComponent(kid)}`,
      headers: this.#headers,
      isRepeatable: true,
      about: name,
    }
    const answer = await this.#client.send(removal)
    // 404: gone meanwhile, perhaps by the attempt whose answer was lost.
    if (answer.status !== 204 && answer.status !== 200 && answer.status !== 404) {
      throw this.#refusal(removal, answer, 'the right to delete keys (APPMANAGEABLE objects, MANAGE permission)')
    }
  }

  /** Pages begin after the last name of the one before; KES never moves on (kes-protocol 8.8). */
  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    for (let last: string | undefined; ; ) {
      const page = await this.#page(last)
      const before = found.size
      for (const name of page) found.add(name)
      last = page.at(-1)
      // A page may begin with the name that was given as its start.
      if (last === undefined || found.size === before) break
    }
    yield* [...found].filter((name) => name.startsWith(prefix) && isEntryName(name)).sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(async () => {
      const path = '/crypto/v1/keys?limit=1'
      const request: StoreRequest = {
        method: 'GET',
        path,
        headers: this.#headers,
        isSingleAttempt: true,
        maxAnswerBytes: maxPageBytes,
      }
      const answer = await this.#client.send(request)
      answer.body.fill(0)
      if (answer.status !== 200) throw this.#refusal(request, answer, 'a valid API key')
    })
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  async #page(start: string | undefined): Promise<readonly string[]> {
    const from = start === undefined ? '' : `&start=${encodeURIComponent(start)}`
    const request: StoreRequest = {
      method: 'GET',
      path: `/crypto/v1/keys?sort=name:asc&limit=${pageSize}${from}`,
      headers: this.#headers,
      maxAnswerBytes: maxPageBytes,
    }
    const answer = await this.#client.send(request)
    if (answer.status !== 200) throw this.#refusal(request, answer, 'the right to list keys')
    const objects = parseArray(answer)
    if (objects === undefined) throw this.#client.nonsense(request, 'something that is not a JSON array')
    return objects.flatMap((object) => (isObject(object) && typeof object.name === 'string' ? [object.name] : []))
  }

  async #find(what: 'export' | 'info', name: string, needs: string) {
    const request: StoreRequest = {
      method: 'POST',
      path: `/crypto/v1/keys/${what}`,
      headers: this.#headers,
      body: JSON.stringify({ name }),
      isRepeatable: true,
      about: name,
    }
    const answer = await this.#client.send(request)
    if (answer.status === 200) return { object: this.#client.json(request, answer), request }
    if (answer.status !== 404) throw this.#refusal(request, answer, needs)
    const said = words(answer)
    if (said?.includes('sobject does not exist')) throw new KmsError('key-not-found', `key '${name}' does not exist`)
    throw this.#client.refusal(request, answer, { said })
  }

  #refusal(request: StoreRequest, answer: StoreAnswer, needs: string): StoreError {
    return this.#client.refusal(request, answer, { needs, said: words(answer) })
  }
}

/** An error is `{"message"}`, or text. */
function words(answer: StoreAnswer): string | undefined {
  if (!answer.headers['content-type']?.startsWith('application/json')) return answer.body.toString('latin1', 0, 200)
  const message = readJsonObject(answer)?.message
  return typeof message === 'string' ? message : undefined
}

function parseArray({ body }: StoreAnswer): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return Array.isArray(parsed) ? parsed : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
