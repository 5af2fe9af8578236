/**
 * The versions of a secret, and which of them counts: the oldest, as KES has it (kes-protocol 8.7).
 *
 * @module
 */
import { KmsError } from '../../kms-error.ts'
import type { AzureSession } from './azure-session.ts'

/** One version, as a listing shows it. */
export interface AzureVersion {
  /** Name of the secret as it was first written: names do not differ by case alone. */
  readonly name: string
  readonly version: string
  /** Seconds since 1970. */
  readonly createdAt: number
  readonly isEnabled: boolean
  /** Seconds since 1970. */
  readonly notBefore: number | undefined
  readonly expiresAt: number | undefined
}

/** All versions, and what the vault's clock showed. */
export interface AzureVersions {
  readonly oldest: AzureVersion
  /** Whether another version may still be made that counts as just as old: `created` is in whole seconds. */
  readonly mayChange: boolean
  readonly nowMs: number
}

/** No sane secret has more versions. */
const maxVersions = 1_000

/**
 * The version that counts. Of those made in the same second it is the one with the lowest id, for everybody.
 *
 * @returns `undefined` when there is no such secret
 */
export async function oldestVersion(session: AzureSession, name: string): Promise<AzureVersions | undefined> {
  const versions: AzureVersion[] = []
  let nowMs = Number.NaN
  try {
    for await (const { items, answeredAtMs } of session.items(
      `/secrets/${name}/versions`,
      'list',
      () => new Absent(),
    )) {
      nowMs = answeredAtMs
      versions.push(...items.flatMap((item) => readVersion(item) ?? []))
      if (versions.length > maxVersions) {
        throw new KmsError('invalid-key', `Azure Key Vault: the secret '${name}' has more than ${maxVersions} versions`)
      }
    }
  } catch (error) {
    if (error instanceof Absent) return undefined
    throw error
  }
  const oldest = versions.reduce<AzureVersion | undefined>((best, version) => older(best, version), undefined)
  if (oldest === undefined) return undefined
  return { oldest, nowMs, mayChange: Math.floor(nowMs / 1_000) <= oldest.createdAt }
}

class Absent extends Error {}

function older(one: AzureVersion | undefined, other: AzureVersion): AzureVersion {
  if (one === undefined || other.createdAt < one.createdAt) return other
  return other.createdAt === one.createdAt && other.version < one.version ? other : one
}

/** An item's id is `https://vault/secrets/NAME/VERSION`. */
function readVersion({ id, attributes }: Readonly<Record<string, unknown>>): AzureVersion | undefined {
  const [version = '', name = ''] = typeof id === 'string' ? id.split('/').reverse() : []
  const facts: Readonly<Record<string, unknown>> =
    typeof attributes === 'object' && attributes !== null ? { ...attributes } : {}
  const { created, enabled, nbf, exp } = facts
  if (!/^\w{1,64}$/.test(version) || typeof created !== 'number') return undefined
  return {
    name,
    version,
    createdAt: created,
    isEnabled: enabled !== false,
    notBefore: typeof nbf === 'number' ? nbf : undefined,
    expiresAt: typeof exp === 'number' ? exp : undefined,
  }
}

/** Why a version may not be used, as KES has it; `undefined` when it may. */
export function whyUnusable({ isEnabled, notBefore, expiresAt }: AzureVersion, nowMs: number): string | undefined {
  if (!isEnabled) return 'is disabled there'
  if (notBefore !== undefined && notBefore * 1_000 > nowMs) return 'is not valid yet there'
  return expiresAt !== undefined && expiresAt * 1_000 <= nowMs ? 'has expired there' : undefined
}
