/**
 * What goes wrong with a `kes` command, in the words that are printed.
 *
 * @module
 */

/** What went wrong, in the words that are printed. */
export class KesCommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KesCommandError'
  }
}

/** Puts words before those of a failure: `failed to create key "a": key already exists`. */
export async function failing<T>(words: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new KesCommandError(`${words}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
