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

/** One sentence on the shape, from the first point to the last, and the reason if that is not flat. */
export function describeCurve({ points, whyRising, whyFalling }: Curve): string {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined) return ''
  const values = points.map(({ value }) => value)
  const between = `between ${figure(Math.min(...values))} and ${figure(Math.max(...values))}`
  const share = last.value / first.value
  if (share > 1 + flatness) return `${figure(share)} times as high at ${last.label} as at ${first.label}. ${whyRising}`
  if (share < 1 / (1 + flatness)) {
    return `Down to ${percent(share)} at ${last.label} of what it is at ${first.label}. ${whyFalling}`
  }
  const isEven = values.every((value) => value / first.value < 1 + flatness && first.value / value < 1 + flatness)
  if (isEven) return `Flat: ${between}.`
  return `As high at ${last.label} as at ${first.label}, ${between} on the way: it goes up and down, and not with what grows.`
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
