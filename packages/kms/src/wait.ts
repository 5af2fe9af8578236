/**
 * Waiting that a signal ends.
 *
 * @module
 */
import { KmsError } from './kms-error.ts'

/**
 * Settles as `promise` does, or with `unreachable` when `signal` is aborted before. What is under way goes on unwatched.
 *
 * @throws KmsError `unreachable`
 */
export function endWaitingAt<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new KmsError('unreachable', 'the wait for the key service was ended'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
