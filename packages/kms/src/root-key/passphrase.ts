/**
 * A root key made of a passphrase by Argon2id (RFC 9106). The parameters stand in the keyring in the usual
 * `$argon2id$v=19$m=…,t=…,p=…$salt` form.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { argon2id, type RandomSource } from '@strongroom/crypto'
import { KmsError } from '../kms-error.ts'
import type { RootKey } from './root-key.ts'

/** Cost of Argon2id for new keyrings; existing ones keep theirs. */
export interface PassphraseCost {
  /** Default 65,536. */
  readonly memoryKib?: number
  /** Default 3. */
  readonly passes?: number
  /** Default 4. */
  readonly parallelism?: number
}

interface Parameters {
  readonly memoryKib: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Uint8Array
}

const saltLength = 16

/** The file is not secret and may be changed: nobody may make us take more than this. */
const limits = { memoryKib: 1_048_576, passes: 64, parallelism: 64 } as const

const pattern =
  /^\$argon2id\$v=19\$m=(?<memoryKib>\d{1,7}),t=(?<passes>\d{1,3}),p=(?<parallelism>\d{1,3})\$(?<salt>[A-Za-z0-9+/]{22})$/

/** A root key from a passphrase, whose bytes stay the caller's and must live as long as the root key is used. */
export function passphraseRootKey(
  passphrase: Uint8Array,
  { memoryKib = 65_536, passes = 3, parallelism = 4 }: PassphraseCost = {},
  random: RandomSource = randomBytes,
): RootKey {
  return {
    kind: 'passphrase',
    async prepare(work) {
      if (passphrase.length === 0) throw new KmsError('invalid-key', 'the passphrase is empty')
      const parameters = { memoryKib, passes, parallelism, salt: random(saltLength) }
      await withKey(passphrase, parameters, (key) => work(key, formatParameters(parameters)))
    },
    unlock: (text, work) => withKey(passphrase, parseParameters(text), work),
  }
}

async function withKey<T>(
  passphrase: Uint8Array,
  parameters: Parameters,
  work: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const key = await argon2id(passphrase, parameters)
  try {
    return await work(key)
  } finally {
    key.fill(0)
  }
}

function formatParameters({ memoryKib, passes, parallelism, salt }: Parameters): string {
  const saltText = Buffer.from(salt).toString('base64').replace(/=+$/, '')
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${parallelism}$${saltText}`
}

function parseParameters(text: string): Parameters {
  const groups = pattern.exec(text)?.groups
  const memoryKib = Number(groups?.memoryKib)
  const passes = Number(groups?.passes)
  const parallelism = Number(groups?.parallelism)
  const isWithinLimits =
    memoryKib >= 8 * parallelism &&
    memoryKib <= limits.memoryKib &&
    passes >= 1 &&
    passes <= limits.passes &&
    parallelism >= 1 &&
    parallelism <= limits.parallelism
  if (!isWithinLimits) throw new KmsError('invalid-key', 'the keyring has no sensible Argon2id parameters')
  return { memoryKib, passes, parallelism, salt: Buffer.from(groups?.salt ?? '', 'base64') }
}
