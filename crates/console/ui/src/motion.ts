// Where every vehicle is drawn between its fixes.
//
// Owns one row of numbers a vehicle, laid out as the map's shader reads it. A fix does not move a vehicle at
// once: it glides there along a cubic curve over the usual time between its fixes, arrives with the speed and
// heading it reported, and runs on for at most about a second of that speed when the next fix is late. A
// vehicle that is no longer heard stops at its last fix: nothing is drawn where nobody said it was.

import { mercatorX, mercatorY, unitsPerMetre } from './mercator'

/** Numbers a row: p0 high (2), p0 low (2), delta (2), start speed (2), end speed (2), start, duration, heading, turn, look, flags. */
export const ROW = 16
export const P0_HIGH = 0
export const P0_LOW = 2
export const DELTA = 4
export const M0 = 6
export const M1 = 8
export const START = 10
export const DURATION = 11
export const HEADING = 12
export const TURN = 13
export const LOOK = 14
export const FLAGS = 15

export const FLAG_MUTED = 1
export const FLAG_HEADING = 2
export const FLAG_CLONED = 4

/** How the run beyond a fix dies away, seconds; also its length in seconds of the reported speed. */
export const OVERRUN_S = 1
const GLIDE_MIN_S = 0.25
const GLIDE_MAX_S = 3
/** Beyond this a fix is a jump, drawn at once, metres. */
const JUMP_M = 3000
/** A row's start is kept as a 32-bit number: it is moved to a new base before it loses its milliseconds. */
const REBASE_S = 1800

export interface Place {
  x: number
  y: number
  heading: number
}

export class Motion {
  rows = new Float32Array(1024 * ROW)
  /** One past the highest row in use. */
  count = 0
  /** Rows changed since the last `taken`, as a half-open range. */
  dirtyFrom = 0
  dirtyTo = 0
  /** What the rows' `START` is counted from, seconds. */
  base = 0

  private targets = new Float64Array(1024 * 2)
  private fixTimes = new Float64Array(1024)
  private arrivals = new Float64Array(1024)
  private intervals = new Float32Array(1024)
  private placed = new Uint8Array(1024)
  private free: number[] = []

  /** Takes a row. It is not drawn until its first fix. */
  add(): number {
    const row = this.free.pop() ?? this.count++
    if (this.count > this.placed.length) this.grow()
    this.rows.fill(0, row * ROW, (row + 1) * ROW)
    this.placed[row] = 0
    this.fixTimes[row] = -Infinity
    this.intervals[row] = 1
    this.touch(row)
    return row
  }

  remove(row: number): void {
    this.placed[row] = 0
    this.rows.fill(0, row * ROW, (row + 1) * ROW)
    this.free.push(row)
    this.touch(row)
  }

  /** Whether the row has had a fix. */
  isPlaced(row: number): boolean {
    return this.placed[row] === 1
  }

  /**
   * Takes a fix: `time_ms` by the vehicle's clock, `now` of this page in seconds. An older or repeated fix is
   * ignored and answers false.
   */
  fix(
    row: number,
    lon: number,
    lat: number,
    time_ms: number,
    speed: number | null,
    heading: number | null,
    now: number,
  ): boolean {
    if (time_ms <= this.fixTimes[row]!) return false
    this.fixTimes[row] = time_ms
    const x = mercatorX(lon)
    const y = mercatorY(lat)
    const scale = unitsPerMetre(y)
    const first = this.placed[row] === 0
    const from = first ? { x, y, heading: heading ?? 0 } : this.at(row, now)
    const far = Math.hypot(x - from.x, y - from.y)
    const jump = first || far > JUMP_M * scale
    const duration = this.pace(row, now)
    const { rows } = this
    const at = row * ROW
    const before = first || jump ? { x: 0, y: 0 } : this.speedAt(row, now)
    const faced = heading ?? (far > 2 * scale && !jump ? bearing(from, x, y) : null)
    const hadHeading = (rows[at + FLAGS]! & FLAG_HEADING) !== 0
    const start = jump ? { x, y, heading: from.heading } : from

    this.placed[row] = 1
    this.targets[row * 2] = x
    this.targets[row * 2 + 1] = y
    this.setStart(row, start.x, start.y, x, y)
    // The curve may not swing out: neither end may be faster than twice the mean of the glide.
    const mean = (jump ? 0 : far) / duration
    const limit = Math.hypot(before.x, before.y) > 2 * mean ? (2 * mean) / Math.hypot(before.x, before.y) : 1
    rows[at + M0] = before.x * limit
    rows[at + M0 + 1] = before.y * limit
    const moving = speed === null ? far > 2 * scale : speed > 0.3
    const arrive = !moving || faced === null ? 0 : first ? (speed ?? 0) * scale : mean
    const turned = ((faced ?? 0) * Math.PI) / 180
    rows[at + M1] = Math.sin(turned) * arrive
    rows[at + M1 + 1] = -Math.cos(turned) * arrive
    rows[at + START] = now - this.base
    rows[at + DURATION] = duration
    rows[at + HEADING] = hadHeading ? start.heading : (faced ?? 0)
    rows[at + TURN] = faced === null || !hadHeading ? 0 : shortestTurn(start.heading, faced)
    if (faced !== null) rows[at + FLAGS] = rows[at + FLAGS]! | FLAG_HEADING
    this.touch(row)
    return true
  }

  /** Lets a vehicle that is no longer heard come to rest at its last fix. */
  settle(row: number, now: number): void {
    if (this.placed[row] === 0) return
    const here = this.at(row, now)
    const at = row * ROW
    this.setStart(row, here.x, here.y, this.targets[row * 2]!, this.targets[row * 2 + 1]!)
    this.rows.fill(0, at + M0, at + M1 + 2)
    this.rows[at + START] = now - this.base
    this.rows[at + DURATION] = 0.6
    this.rows[at + HEADING] = here.heading
    this.rows[at + TURN] = 0
    this.touch(row)
  }

  /** Sets how the row is drawn: its look's number, whether it steps back behind the others, whether it is marked as cloned. */
  dress(row: number, look: number, muted: boolean, cloned: boolean): void {
    const at = row * ROW
    const flags = (this.rows[at + FLAGS]! & FLAG_HEADING) | (muted ? FLAG_MUTED : 0) | (cloned ? FLAG_CLONED : 0)
    if (this.rows[at + LOOK] === look && this.rows[at + FLAGS] === flags) return
    this.rows[at + LOOK] = look
    this.rows[at + FLAGS] = flags
    this.touch(row)
  }

  isMuted(row: number): boolean {
    return (this.rows[row * ROW + FLAGS]! & FLAG_MUTED) !== 0
  }

  /** Where the row is drawn: the same curve as in the shader. */
  at(row: number, now: number): Place {
    const { rows } = this
    const at = row * ROW
    const duration = rows[at + DURATION]!
    const elapsed = Math.max(0, now - this.base - rows[at + START]!)
    const s = Math.min(1, elapsed / duration)
    const a = duration * s * (1 - s) ** 2
    const b = s * s * (3 - 2 * s)
    const c = duration * s * s * (s - 1) + OVERRUN_S * (1 - Math.exp(-Math.max(0, elapsed - duration) / OVERRUN_S))
    const axis = (i: number) =>
      rows[at + P0_HIGH + i]! +
      rows[at + P0_LOW + i]! +
      rows[at + M0 + i]! * a +
      rows[at + DELTA + i]! * b +
      rows[at + M1 + i]! * c
    return { x: axis(0), y: axis(1), heading: (rows[at + HEADING]! + rows[at + TURN]! * b + 360) % 360 }
  }

  /** The last fix itself, as a point of the unit square. */
  target(row: number): { x: number; y: number } {
    return { x: this.targets[row * 2]!, y: this.targets[row * 2 + 1]! }
  }

  /** Moves the base of time when it is old; answers whether every row changed. */
  rebase(now: number): boolean {
    const ahead = now - this.base
    if (ahead < REBASE_S) return false
    for (let row = 0; row < this.count; row++) this.rows[row * ROW + START] = this.rows[row * ROW + START]! - ahead
    this.base = now
    this.dirtyFrom = 0
    this.dirtyTo = this.count
    return true
  }

  /** Says that the changed rows were read. */
  taken(): void {
    this.dirtyFrom = this.dirtyTo = 0
  }

  /** The usual time between two fixes of a row as they arrive, which the next glide is to take. */
  private pace(row: number, now: number): number {
    const since = now - this.arrivals[row]!
    if (this.placed[row] === 1 && since > 0.05 && since < 10) {
      this.intervals[row] = this.intervals[row]! * 0.7 + since * 0.3
    }
    this.arrivals[row] = now
    return Math.max(GLIDE_MIN_S, Math.min(GLIDE_MAX_S, this.intervals[row]!))
  }

  private speedAt(row: number, now: number): { x: number; y: number } {
    const step = 0.02
    const a = this.at(row, now)
    const b = this.at(row, now + step)
    return { x: (b.x - a.x) / step, y: (b.y - a.y) / step }
  }

  private setStart(row: number, x: number, y: number, toX: number, toY: number): void {
    const { rows } = this
    const at = row * ROW
    const highX = Math.fround(x)
    const highY = Math.fround(y)
    rows[at + P0_HIGH] = highX
    rows[at + P0_HIGH + 1] = highY
    rows[at + P0_LOW] = x - highX
    rows[at + P0_LOW + 1] = y - highY
    rows[at + DELTA] = toX - x
    rows[at + DELTA + 1] = toY - y
  }

  private touch(row: number): void {
    if (this.dirtyTo === this.dirtyFrom) {
      this.dirtyFrom = row
      this.dirtyTo = row + 1
      return
    }
    this.dirtyFrom = Math.min(this.dirtyFrom, row)
    this.dirtyTo = Math.max(this.dirtyTo, row + 1)
  }

  private grow(): void {
    const capacity = this.placed.length * 2
    this.rows = extended(new Float32Array(capacity * ROW), this.rows)
    this.targets = extended(new Float64Array(capacity * 2), this.targets)
    this.fixTimes = extended(new Float64Array(capacity), this.fixTimes)
    this.arrivals = extended(new Float64Array(capacity), this.arrivals)
    this.intervals = extended(new Float32Array(capacity), this.intervals)
    this.placed = extended(new Uint8Array(capacity), this.placed)
  }
}

function extended<A extends { set(from: A): void }>(to: A, from: A): A {
  to.set(from)
  return to
}

/** Degrees clockwise from north, from one point of the unit square to another. */
function bearing(from: { x: number; y: number }, x: number, y: number): number {
  return ((Math.atan2(x - from.x, from.y - y) * 180) / Math.PI + 360) % 360
}

/** The turn from one heading to another by the shorter way, degrees. */
export function shortestTurn(from: number, to: number): number {
  return ((((to - from) % 360) + 540) % 360) - 180
}
