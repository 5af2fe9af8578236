/**
 * Sees to it that the default key is there, also when the key service could not be reached at the start: asks again every
 * few seconds until it is.
 *
 * @module
 */
import type { MaintainedEngine } from '@strongroom/engine'
import type { Kms } from '@strongroom/kms'
import type { Logger } from './log.ts'

export interface DefaultKeyOptions {
  readonly engine: Pick<MaintainedEngine, 'ensureDefaultKey'>
  readonly kms: Pick<Kms, 'status'>
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Default 5,000. */
  readonly everyMs?: number
}

/** See the module. The result stops the asking, and resolves when none is under way. */
export function watchDefaultKey({ engine, kms, log, everyMs = 5_000 }: DefaultKeyOptions): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let hasFailed = false
  const ask = async (): Promise<void> => {
    if (await engine.ensureDefaultKey()) {
      if (hasFailed) log.info('the default key can be used now')
      return
    }
    if (!hasFailed) {
      hasFailed = true
      const detail = await kms.status().then(
        (status) => status.detail,
        (error: unknown) => String(error),
      )
      log.warn({ detail }, 'the default key cannot be used yet: it is tried again')
    }
    again()
  }
  const again = (): void => {
    if (isStopped) return
    timer = setTimeout(start, everyMs).unref()
  }
  const start = (): void => {
    work = ask().catch((error: unknown) => {
      log.error({ error }, 'the default key could not be looked for')
      again()
    })
  }
  let work: Promise<void> = Promise.resolve()
  start()
  return async () => {
    isStopped = true
    clearTimeout(timer)
    await work
  }
}
