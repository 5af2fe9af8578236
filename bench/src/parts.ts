/**
 * What the bench consists of. Every part runs by itself, on a server of its own, and is a section of the page.
 *
 * @module
 */

export const partNames = [
  'cells',
  'large',
  'connections',
  'growth',
  'buckets',
  'single-writer',
  'churn',
  'kes',
] as const

export type PartName = (typeof partNames)[number]

/** What is said of a part in the help and as its heading. */
export const partTitles: Readonly<Record<PartName, string>> = {
  cells: 'Small objects and listings',
  large: 'Larger objects',
  connections: 'From 1 to 512 connections',
  growth: 'More and more objects in one bucket',
  buckets: 'More and more objects in 1,000 buckets',
  'single-writer': 'One writer after a bulk load',
  churn: 'Ten turnovers of the store',
  kes: 'The key service by itself',
}

/** What a part has found. */
export interface PartReport {
  readonly part: PartName
  /** Markdown that reads well in a terminal, too. */
  readonly body: string
  /** For programs. */
  readonly results: unknown
}
