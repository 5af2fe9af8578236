/**
 * Whether a store can be used, for people and for readiness probes.
 *
 * @module
 */
import { KmsError } from '../kms-error.ts'

/** Runs a probe; what it throws says why not. */
export async function statusOf(
  probe: () => Promise<unknown>,
): Promise<{ readonly reachable: boolean; readonly detail?: string }> {
  try {
    await probe()
    return { reachable: true }
  } catch (error) {
    if (error instanceof KmsError) return { reachable: false, detail: error.message }
    throw error
  }
}
