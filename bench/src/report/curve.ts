/**
 * Curves: a plot in plain text, and beside it what its figures say. A curve that is not flat is explained; the explanation
 * is chosen by the direction in which the curve goes, so that it is never printed beside one that does not.
 *
 * @module
 */
import { figure, plot } from '../table.ts'

export interface CurvePoint {
  readonly label: string
  readonly value: number
}

export interface Curve {
  readonly title: string
  readonly unit: string
  readonly points: readonly CurvePoint[]
  /** Why it rises, if it does. A sentence. */
  readonly whyRising: string
  /** Why it falls, if it does. */
  readonly whyFalling: string
}

/** Up to this share away from the first point a curve is flat: runs differ by as much. */
const flatness = 0.15

/** A plot and its text. */
export function formatCurve(curve: Curve): string {
  return `${plot(`${curve.title}, ${curve.unit}`, curve.points, curve.unit)}\n\n${describeCurve(curve)}`
}

/** One sentence on the shape, and the reason for what is not flat. */
export function describeCurve({ points, whyRising, whyFalling }: Curve): string {
  const [first] = points
  if (first === undefined) return ''
  const ratio = (point: CurvePoint): number => point.value / first.value
  const highest = points.reduce((best, point) => (ratio(point) > ratio(best) ? point : best))
  const lowest = points.reduce((best, point) => (ratio(point) < ratio(best) ? point : best))
  const rises = ratio(highest) > 1 + flatness
  const falls = ratio(lowest) < 1 / (1 + flatness)
  if (!rises && !falls) return `Flat: between ${figure(lowest.value)} and ${figure(highest.value)}.`
  return [
    ...(rises
      ? [`${figure(ratio(highest))} times as high at ${highest.label} as at ${first.label}. ${whyRising}`]
      : []),
    ...(falls
      ? [`Down to ${percent(ratio(lowest))} at ${lowest.label} of what it is at ${first.label}. ${whyFalling}`]
      : []),
  ].join('\n')
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
