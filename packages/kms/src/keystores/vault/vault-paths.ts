/**
 * Paths of Vault's HTTP API from mount, directory and name (kes-protocol 8.4).
 *
 * @module
 */
import { KmsError } from '../../kms-error.ts'

/**
 * Joins parts like path segments: empty ones and `.` vanish, everything else is percent-encoded.
 *
 * @throws KmsError `unreachable` for `..`, which could leave the mount
 */
export function joinVaultPath(...parts: readonly string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '' && segment !== '.')
  if (segments.includes('..')) throw new KmsError('unreachable', "Vault: a path of the settings has '..' in it")
  return segments.map(encodeURIComponent).join('/')
}
