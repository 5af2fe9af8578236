/**
 * Which objects a data directory is filled with, and what they are called.
 *
 * @module
 */
import type { EncryptionMode } from './client.ts'

export interface FillPlan {
  readonly data: string
  /** Objects are spread over so many. */
  readonly buckets: number
  readonly mode: EncryptionMode
  /** Objects by number: those from `from`, which is there next, to `to` exclusive. */
  readonly from: number
  readonly to: number
}

/** A line of what the filling process says. */
export interface FillProgress {
  readonly done: number
  readonly seconds: number
}

/** So many objects next to each other go to one bucket, the next ones to the next: buckets grow together. */
const run = 10

export function bucketOfObject(index: number, { buckets }: Pick<FillPlan, 'buckets'>): string {
  return bucketName(Math.floor(index / run) % buckets)
}

export const bucketName = (index: number): string => `growth-${String(index).padStart(4, '0')}`

export const nameOfObject = (index: number): string => `growth/${String(index).padStart(8, '0')}`
