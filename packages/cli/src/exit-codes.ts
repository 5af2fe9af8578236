/**
 * Exit codes of `strongroom`: scripts depend on them. Documented in docs/reference/command-line.md.
 *
 * @module
 */
import type { AdminErrorCode } from './admin.ts'

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unavailable: 5,
  problemsFound: 6,
} as const

const codesByError: Readonly<Record<AdminErrorCode, number>> = {
  invalid: exitCodes.usage,
  'not-found': exitCodes.notFound,
  conflict: exitCodes.refused,
  refused: exitCodes.refused,
  unavailable: exitCodes.unavailable,
  internal: exitCodes.failed,
}

export const exitCodeOf = (code: AdminErrorCode): number => codesByError[code]
