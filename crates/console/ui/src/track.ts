// The way a vehicle came, as its records tell. Pure.

export interface TrackPoint {
  /** By the vehicle's clock, milliseconds since 1970. */
  t_ms: number
  lon: number
  lat: number
  /** Metres a second. */
  speed: number | null
}

/** A silence shorter than this is never a break, milliseconds. */
const BREAK_MIN_MS = 20_000
/** A silence of as many usual intervals is a break. */
const BREAK_INTERVALS = 5

/**
 * Cuts the way where the vehicle was silent for far longer than usual: nobody knows how it came from one side to
 * the other, and a straight line between them would say so. Every run has a point.
 */
export function runs<P extends TrackPoint>(points: readonly P[]): P[][] {
  const steps = points.slice(1).map((p, i) => p.t_ms - points[i]!.t_ms)
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0
  const longest = Math.max(BREAK_MIN_MS, BREAK_INTERVALS * usual)
  const out: P[][] = []
  points.forEach((point, i) => {
    if (i === 0 || steps[i - 1]! > longest) out.push([])
    out.at(-1)!.push(point)
  })
  return out
}
