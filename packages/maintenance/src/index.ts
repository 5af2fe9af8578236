/**
 * Checking, mending and sweeping a deployment.
 *
 * @module
 */

export {
  type Finding,
  type FindingKind,
  type FsckPhase,
  type FsckProgress,
  type FsckReport,
  findingKinds,
  formatPlace,
  type Place,
  type Skipped,
  type SkipReason,
} from './findings.ts'
export { fsck } from './fsck.ts'
export type { AccountsCheck, AccountsProblem, FsckOptions } from './inspection.ts'
export {
  type Capacity,
  defaultMinFreeBytes,
  type Medium,
  type SpaceFigures,
  SpaceWatch,
  type SpaceWatchOptions,
} from './space-watch.ts'
export { Sweeper, type SweeperFigures, type SweeperOptions, type SweepTarget } from './sweeper.ts'
export { entriesOf, freshPagesOf, type KeyRange, keyAfter, pagesOf, turnOfOthers } from './walk.ts'
