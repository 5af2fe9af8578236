/**
 * A key service that fails in the ways in which one over a network can: composed behind the bounds and caches that the server
 * puts in front of every key service (issue 4 section 1).
 *
 * @module
 */

import {
  DelegatingKms,
  type KeyDescription,
  type KeyName,
  type Kms,
  type KmsCallOptions,
  KmsError,
} from '@strongroom/kms'

/** The faults, with what they are in words. */
export const faults = {
  down: 'every call is refused at once',
  slow: 'no call is ever answered',
  flapping: 'every second call is refused',
  malformed: 'data keys come with half of their bytes',
  'wrong key': 'other data keys come than were sealed',
  missing: 'the service does not know the key',
  locked: 'the key is locked',
  'pending deletion': 'the key is going to be deleted',
  denied: 'the service does not let this server use the key',
} as const

export type Fault = keyof typeof faults

const refusals = {
  down: 'unreachable',
  missing: 'key-not-found',
  'pending deletion': 'key-pending-deletion',
  locked: 'key-disabled',
  denied: 'permission-denied',
} as const

const states: Partial<Readonly<Record<Fault, KeyDescription['state']>>> = {
  locked: 'locked',
  'pending deletion': 'pending-deletion',
}

/** Calls that use a key; a locked one can still be described. */
const uses: ReadonlySet<string> = new Set(['generateDataKey', 'encrypt', 'decrypt', 'hmac'])

/** See the module. Owns and closes `inner`, which works. */
export class FaultyKms extends DelegatingKms {
  fault: Fault | undefined
  #calls = 0

  constructor(inner: Kms) {
    super(inner)
  }

  /** Begins to fail, or stops doing so. */
  begin(fault: Fault | undefined): void {
    this.fault = fault
    this.#calls = 0
  }

  protected override async call<T, O extends KmsCallOptions>(
    operation: string,
    _name: KeyName,
    options: O | undefined,
    run: (options: O | undefined) => Promise<T>,
  ): Promise<T> {
    const { fault } = this
    if (fault === undefined) return run(options)
    this.#calls += 1
    if (fault === 'slow') return hang(options?.signal)
    if (fault === 'flapping') {
      if (this.#calls % 2 === 1) throw new KmsError('unreachable', 'refused by a test')
      return run(options)
    }
    const state = states[fault]
    if (operation === 'describeKey' && state !== undefined) {
      return { ...((await run(options)) as KeyDescription), state } as T
    }
    if (fault in refusals && (state === undefined || uses.has(operation))) {
      throw new KmsError(refusals[fault as keyof typeof refusals], 'refused by a test')
    }
    return spoilt(await run(options), operation, fault)
  }
}

/** Ends only when the caller has waited for long enough. */
function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new KmsError('unreachable', 'given up by the caller')), {
      once: true,
    })
  })
}

function spoilt<T>(answer: T, operation: string, fault: Fault): T {
  if (fault !== 'malformed' && fault !== 'wrong key') return answer
  const change = (bytes: Uint8Array): Uint8Array =>
    fault === 'malformed' ? bytes.slice(0, 16) : bytes.map((byte) => byte ^ 0x55)
  if (operation === 'decrypt' && answer instanceof Uint8Array) return change(answer) as T
  if (operation === 'generateDataKey' && fault === 'malformed') {
    const made = answer as T & { readonly plaintext: Uint8Array }
    return { ...made, plaintext: change(made.plaintext) }
  }
  return answer
}
