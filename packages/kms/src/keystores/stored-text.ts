/**
 * Values on their way into and out of services that keep text.
 *
 * @module
 */
import { KmsError } from '../kms-error.ts'
import { maxStoredKeyBytes } from '../stored-key.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A value as text. @throws KmsError `invalid-key` when it is none */
export function textOfValue(name: string, value: Uint8Array): string {
  try {
    return decoder.decode(value)
  } catch (error) {
    throw new KmsError('invalid-key', `the value of key '${name}' is not text, and this key store keeps nothing else`, {
      cause: error,
    })
  }
}

/** The bytes of a stored text. @throws KmsError `invalid-key` when it is too long for a key */
export function valueOfText(name: string, text: string): Uint8Array {
  if (text.length > maxStoredKeyBytes) throw new KmsError('invalid-key', `the value of key '${name}' is too long`)
  return Buffer.from(text, 'utf8')
}
