/**
 * A key store in AWS Secrets Manager: one secret per entry, its value as text where it is text (kes-protocol 8.5). Deleted
 * secrets keep their window of recovery. API: docs.aws.amazon.com/secretsmanager/latest/apireference.
 *
 * @module
 */
import type {
  CreateSecretCommand,
  DescribeSecretCommandOutput,
  GetSecretValueCommandOutput,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import type { KeyStore } from '../../contract.ts'
import { checkEntryName, isEntryName } from '../../entry-name.ts'
import { KmsError } from '../../kms-error.ts'
import { maxStoredKeyBytes } from '../../stored-key.ts'
import { createOnce } from '../create-once.ts'
import type { AwsKeyStoreSettings } from '../key-store-settings.ts'
import { isObject } from '../store-client.ts'
import type { StoreDependencies } from '../store-dependencies.ts'
import { statusOf } from '../store-status.ts'
import { valueOfText } from '../stored-text.ts'
import { awsExceptionName, awsFault, awsMessage, awsNonsense, isClockCorrected } from './aws-fault.ts'
import type { AwsSdk } from './open-aws.ts'

const pageSize = 100

/** A listing that the service makes longer and longer ends here. */
const maxPages = 20_000

/** A purge is carried out in the background; whoever creates the name again at once should not fail. */
const purgePauseMs = 500
const maxPurgeLooks = 20

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Settings = AwsKeyStoreSettings & { readonly recoveryWindowDays: number }

/** See the module. */
export class AwsKeyStore implements KeyStore {
  readonly #sdk: AwsSdk
  readonly #client: SecretsManagerClient
  readonly #settings: Settings
  readonly #clean: (text: string) => string
  readonly #dependencies: StoreDependencies

  /** Owns the client, which must not retry by itself. `clean` makes text from outside fit for a message. */
  constructor(
    sdk: AwsSdk,
    client: SecretsManagerClient,
    settings: Settings,
    clean: (text: string) => string,
    dependencies: StoreDependencies,
  ) {
    this.#sdk = sdk
    this.#client = client
    this.#settings = settings
    this.#clean = clean
    this.#dependencies = dependencies
  }

  async create(name: string, value: Uint8Array): Promise<void> {
    checkEntryName(name)
    const { kmsKeyId } = this.#settings
    const text = textOf(value)
    const input = {
      Name: name,
      ...(text === undefined ? { SecretBinary: Uint8Array.from(value) } : { SecretString: text }),
      ...(kmsKeyId === undefined || kmsKeyId === '' ? {} : { KmsKeyId: kmsKeyId }),
    }
    await createOnce(
      value,
      () => this.#create(new this.#sdk.CreateSecretCommand(input), name),
      () => this.get(name),
    )
  }

  async get(name: string): Promise<Uint8Array> {
    checkEntryName(name)
    const command = new this.#sdk.GetSecretValueCommand({ SecretId: name })
    try {
      const answer = await this.#call('GetSecretValue', name, () => this.#client.send(command))
      return this.#valueOf(name, answer)
    } catch (error) {
      if (error instanceof AwsException && error.isAbout('ResourceNotFoundException')) throw keyNotFound(name)
      // "You can't perform this operation on the secret because it was marked for deletion."
      if (error instanceof AwsException && error.isAbout('InvalidRequestException', /deletion|deleted/i)) {
        throw deleted(name, 'key-not-found')
      }
      throw faultOf(error)
    }
  }

  async delete(name: string): Promise<void> {
    checkEntryName(name)
    const found = await this.#describe(name)
    if (found === undefined || found.DeletedDate !== undefined) throw keyNotFound(name)
    await this.#delete(name, { RecoveryWindowInDays: this.#settings.recoveryWindowDays })
  }

  async recover(name: string): Promise<void> {
    checkEntryName(name)
    const found = await this.#describe(name)
    if (found === undefined) throw keyNotFound(name)
    if (found.DeletedDate === undefined) return
    const command = new this.#sdk.RestoreSecretCommand({ SecretId: name })
    try {
      await this.#call('RestoreSecret', name, () => this.#client.send(command))
    } catch (error) {
      if (error instanceof AwsException && error.isAbout('ResourceNotFoundException')) throw keyNotFound(name)
      throw faultOf(error)
    }
  }

  async purge(name: string): Promise<void> {
    checkEntryName(name)
    if ((await this.#describe(name)) === undefined) throw keyNotFound(name)
    await this.#delete(name, { ForceDeleteWithoutRecovery: true })
    for (let look = 0; look < maxPurgeLooks; look++) {
      if ((await this.#describe(name)) === undefined) return
      await this.#dependencies.sleep(purgePauseMs)
    }
  }

  /** Deleted secrets are not listed. What was created a moment ago may be missing: the service's lists lag behind. */
  async *list(prefix: string): AsyncIterable<string> {
    const found = new Set<string>()
    let token: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const { names, next } = await this.#page(pageSize, token)
      for (const name of names) if (name.startsWith(prefix) && isEntryName(name)) found.add(name)
      if (next === undefined || next === token) break
      token = next
    }
    yield* [...found].sort()
  }

  status(): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
    return statusOf(() => this.#page(1, undefined))
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  #valueOf(name: string, answer: GetSecretValueCommandOutput): Uint8Array {
    const { SecretString: text, SecretBinary: bytes } = answer
    if (typeof text === 'string') return valueOfText(name, text)
    if (!(bytes instanceof Uint8Array)) throw awsNonsense({ operation: 'GetSecretValue', name })
    if (bytes.length > maxStoredKeyBytes) throw new KmsError('invalid-key', `the value of key '${name}' is too long`)
    return Uint8Array.from(bytes)
  }

  async #create(command: CreateSecretCommand, name: string): Promise<void> {
    for (let look = 1; ; look++) {
      try {
        await this.#call('CreateSecret', name, () => this.#client.send(command))
        return
      } catch (error) {
        if (!(error instanceof AwsException)) throw error
        const isTaken = error.isAbout('ResourceExistsException')
        // "You can't create this secret because a secret with this name is already scheduled for deletion."
        const isScheduled = error.isAbout('InvalidRequestException', /scheduled for deletion/i)
        if (!isTaken && !isScheduled) throw error.fault
        const state = await this.#stateOf(name)
        // Services that imitate AWS say of a deleted secret, too, that it exists.
        if (state === 'deleted' || (isScheduled && state === 'unknown')) throw deleted(name, 'key-pending-deletion')
        if (isTaken) throw keyExists(name)
        // A purge goes on in the background: its secret is in the way for a moment when nobody sees it any more.
        if (look === maxPurgeLooks) throw error.fault
        await this.#dependencies.sleep(purgePauseMs)
      }
    }
  }

  /** `unknown` to those who may not look. */
  async #stateOf(name: string): Promise<'absent' | 'living' | 'deleted' | 'unknown'> {
    try {
      const found = await this.#describe(name)
      return found === undefined ? 'absent' : found.DeletedDate === undefined ? 'living' : 'deleted'
    } catch (error) {
      if (error instanceof KmsError && error.code === 'permission-denied') return 'unknown'
      throw error
    }
  }

  async #describe(name: string): Promise<DescribeSecretCommandOutput | undefined> {
    const command = new this.#sdk.DescribeSecretCommand({ SecretId: name })
    try {
      return await this.#call('DescribeSecret', name, () => this.#client.send(command))
    } catch (error) {
      if (error instanceof AwsException && error.isAbout('ResourceNotFoundException')) return undefined
      throw faultOf(error)
    }
  }

  async #delete(
    name: string,
    how: { readonly RecoveryWindowInDays: number } | { readonly ForceDeleteWithoutRecovery: true },
  ): Promise<void> {
    const command = new this.#sdk.DeleteSecretCommand({ SecretId: name, ...how })
    try {
      await this.#call('DeleteSecret', name, () => this.#client.send(command))
    } catch (error) {
      // Gone or deleted meanwhile, perhaps by the attempt whose answer was lost.
      if (error instanceof AwsException && error.isAbout('ResourceNotFoundException')) return
      const wasDeleted = error instanceof AwsException && error.isAbout('InvalidRequestException', /deletion|deleted/i)
      if (!wasDeleted || !('RecoveryWindowInDays' in how)) throw faultOf(error)
    }
  }

  async #page(
    size: number,
    token: string | undefined,
  ): Promise<{ readonly names: readonly string[]; readonly next: string | undefined }> {
    const command = new this.#sdk.ListSecretsCommand({
      MaxResults: size,
      ...(token === undefined ? {} : { NextToken: token }),
    })
    try {
      const answer = await this.#call('ListSecrets', undefined, () => this.#client.send(command))
      // The SDK's types promise what nobody has checked.
      const secrets: unknown = answer.SecretList ?? []
      const next: unknown = answer.NextToken ?? ''
      if (!Array.isArray(secrets) || typeof next !== 'string') {
        throw awsNonsense({ operation: 'ListSecrets', name: undefined })
      }
      const names = secrets.map((secret: unknown) => (isObject(secret) ? String(secret.Name) : ''))
      return { names, next: next === '' ? undefined : next }
    } catch (error) {
      throw faultOf(error)
    }
  }

  /** Calls, and once more when the SDK found out by the failure how far this machine's clock is off. */
  async #call<T>(operation: string, name: string | undefined, call: () => Promise<T>): Promise<T> {
    try {
      return await call().catch((error: unknown) => {
        if (isClockCorrected(error)) return call()
        throw error
      })
    } catch (error) {
      const isSecret = operation === 'CreateSecret'
      const fault = awsFault(error, { operation, name, isSecret, clean: this.#clean })
      const exception = awsExceptionName(error)
      if (exception === '') throw fault
      throw new AwsException(exception, awsMessage(error), fault)
    }
  }
}

/** What the service answered, until it is known what that means for the caller. */
class AwsException extends Error {
  readonly exception: string
  readonly fault: KmsError

  constructor(exception: string, message: string, fault: KmsError) {
    super(message)
    this.exception = exception
    this.fault = fault
  }

  isAbout(exception: string, message?: RegExp): boolean {
    return this.exception === exception && (message?.test(this.message) ?? true)
  }
}

const faultOf = (error: unknown): unknown => (error instanceof AwsException ? error.fault : error)

const keyExists = (name: string): KmsError => new KmsError('key-exists', `key '${name}' already exists`)
const keyNotFound = (name: string): KmsError => new KmsError('key-not-found', `key '${name}' does not exist`)

function deleted(name: string, code: 'key-not-found' | 'key-pending-deletion'): KmsError {
  const how = `recover it (aws secretsmanager restore-secret --secret-id ${name}) or purge it`
  return new KmsError(
    code,
    `key '${name}' is deleted, but AWS keeps its name until the window of recovery ends: ${how}`,
  )
}

/** A value as text, where it is text. */
function textOf(value: Uint8Array): string | undefined {
  try {
    return decoder.decode(value)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
