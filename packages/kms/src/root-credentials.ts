/**
 * The root access key pair of a deployment, derived from the keyring, so that it is stored nowhere. DESIGN 2, 7.
 *
 * @module
 */
import { hmacSha256 } from '@strongroom/crypto'
import type { Keyring } from './keyring.ts'

/** An access key pair. */
export interface RootCredentials {
  /** 20 of `A-Z 0-9`. */
  readonly accessKeyId: string
  /** 40 of `A-Z a-z 0-9`. */
  readonly secretAccessKey: string
}

const upperAndDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const lettersAndDigits = `${upperAndDigits}abcdefghijklmnopqrstuvwxyz`

/** The pair of the keyring's seed and generation: always the same for the same two. */
export function deriveRootCredentials({ content }: Keyring): RootCredentials {
  const { credentialsSeed, credentialsGeneration } = content
  return {
    accessKeyId: deriveText(credentialsSeed, `root access key ${credentialsGeneration}`, upperAndDigits, 20),
    secretAccessKey: deriveText(credentialsSeed, `root secret key ${credentialsGeneration}`, lettersAndDigits, 40),
  }
}

/** Evenly distributed characters from `HMAC(seed, label ‖ 00 ‖ counter)`, bytes that would favour some being skipped. Frozen. */
function deriveText(seed: Uint8Array, label: string, alphabet: string, length: number): string {
  const fairBelow = 256 - (256 % alphabet.length)
  let text = ''
  for (let counter = 0; text.length < length; counter++) {
    const block = hmacSha256(seed, label, '\0', String(counter))
    for (const byte of block) {
      if (byte < fairBelow && text.length < length) text += alphabet.charAt(byte % alphabet.length)
    }
    block.fill(0)
  }
  return text
}
