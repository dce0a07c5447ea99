import { describe, expect, test } from 'vitest'
import { latitude, longitude, mercatorX, mercatorY, unitsPerMetre } from '../src/mercator'
import {
  FLAG_CLONED,
  FLAG_HEADING,
  FLAG_MUTED,
  FLAGS,
  Motion,
  OVERRUN_S,
  ROW,
  shortestTurn,
  START,
} from '../src/motion'

const LAT = 49.61
const LON = 6.13
const metre = unitsPerMetre(mercatorY(LAT))

/** A longitude so many metres further east. */
const east = (metres: number) => longitude(mercatorX(LON) + metres * metre)

/** Metres east of the start. */
const metresEast = (motion: Motion, row: number, now: number) => (motion.at(row, now).x - mercatorX(LON)) / metre

/** A vehicle driving east at 10 m/s with a fix each second, until `seconds`. */
function driven(seconds: number): { motion: Motion; row: number } {
  const motion = new Motion()
  const row = motion.add()
  for (let s = 0; s <= seconds; s++) motion.fix(row, east(10 * s), LAT, 1000 * s, 10, 90, s)
  return { motion, row }
}

test('mercator and its inverse agree to a millimetre', () => {
  expect(latitude(mercatorY(LAT))).toBeCloseTo(LAT, 8)
  expect(longitude(mercatorX(LON))).toBeCloseTo(LON, 8)
})

describe('a vehicle between its fixes', () => {
  test('stands at its first fix at once', () => {
    const { motion, row } = driven(0)
    expect(metresEast(motion, row, 0)).toBeCloseTo(0, 3)
  })

  test('moves steadily: no frame goes back or leaps', () => {
    const { motion, row } = driven(4)
    const now = 4
    let before = metresEast(motion, row, now)
    for (let t = now + 0.02; t <= now + 1; t += 0.02) {
      const at = metresEast(motion, row, t)
      expect(at - before).toBeGreaterThan(0)
      expect(at - before).toBeLessThan(0.5)
      before = at
    }
  })

  test('does not jump when a fix comes', () => {
    const { motion, row } = driven(4)
    const before = metresEast(motion, row, 4.999)
    motion.fix(row, east(50), LAT, 5000, 10, 90, 5)
    expect(metresEast(motion, row, 5) - before).toBeCloseTo(0, 1)
  })

  test('runs on for a bounded way when the next fix does not come, then rests', () => {
    const { motion, row } = driven(4)
    const late = metresEast(motion, row, 60)
    expect(late).toBeGreaterThan(40)
    expect(late).toBeLessThan(40 + 12 * OVERRUN_S)
    expect(metresEast(motion, row, 600)).toBeCloseTo(late, 2)
  })

  test('comes to rest exactly where it stopped when it reports no speed', () => {
    const { motion, row } = driven(4)
    motion.fix(row, east(45), LAT, 5000, 0, 90, 5)
    expect(metresEast(motion, row, 9)).toBeCloseTo(45, 2)
  })

  test('goes back to its last fix when it is no longer heard', () => {
    const { motion, row } = driven(4)
    motion.settle(row, 6)
    expect(metresEast(motion, row, 8)).toBeCloseTo(40, 2)
  })

  test('ignores a fix that is older or the same', () => {
    const { motion, row } = driven(4)
    expect(motion.fix(row, east(0), LAT, 3000, 10, 90, 4.5)).toBe(false)
    expect(motion.fix(row, east(0), LAT, 4000, 10, 90, 4.5)).toBe(false)
    expect(motion.target(row).x).toBeCloseTo(mercatorX(east(40)), 12)
  })

  test('is drawn at once where it is when it was somewhere else entirely', () => {
    const { motion, row } = driven(2)
    motion.fix(row, 2.35, 48.85, 3000, 0, 0, 3)
    expect(longitude(motion.at(row, 3).x)).toBeCloseTo(2.35, 6)
  })

  test('turns by the shorter way', () => {
    expect(shortestTurn(350, 10)).toBe(20)
    expect(shortestTurn(10, 350)).toBe(-20)
    expect(shortestTurn(0, 180)).toBe(-180)
    expect(shortestTurn(90, 90)).toBe(0)
    const { motion, row } = driven(1)
    motion.fix(row, east(10), LAT, 2000, 5, 350, 2)
    motion.fix(row, east(10), LAT, 9000, 5, 10, 9)
    const halfway = motion.at(row, 9.5).heading
    expect(Math.min(halfway, 360 - halfway)).toBeLessThan(11)
  })
})

test('rows are used again, and growing keeps what was there', () => {
  const motion = new Motion()
  const rows = Array.from({ length: 5000 }, () => motion.add())
  motion.fix(rows[1]!, LON, LAT, 1, 0, 0, 0)
  motion.fix(rows[4999]!, LON, LAT, 1, 0, 0, 0)
  expect(motion.at(rows[1]!, 5).x).toBeCloseTo(mercatorX(LON), 12)
  motion.remove(rows[7]!)
  expect(motion.isPlaced(rows[7]!)).toBe(false)
  expect(motion.add()).toBe(rows[7])
  expect(motion.count).toBe(5000)
})

test('moving the base of time moves nothing on the map and keeps starts small', () => {
  const { motion, row } = driven(3)
  const later = 5000
  motion.fix(row, east(100), LAT, later * 1000, 10, 90, later)
  const before = metresEast(motion, row, later + 0.4)
  expect(motion.rebase(later + 0.4)).toBe(true)
  expect(metresEast(motion, row, later + 0.4)).toBeCloseTo(before, 2)
  expect(Math.abs(motion.rows[row * ROW + START]!)).toBeLessThan(1)
  expect(motion.rebase(later + 1)).toBe(false)
})

test('only changed rows are marked for the graphics memory', () => {
  const motion = new Motion()
  const rows = Array.from({ length: 10 }, () => motion.add())
  motion.taken()
  motion.dress(rows[4]!, 3, false, false)
  motion.dress(rows[6]!, 0, false, false)
  expect([motion.dirtyFrom, motion.dirtyTo]).toEqual([4, 5])
})

test('how a row is drawn never touches its heading', () => {
  const motion = new Motion()
  const row = motion.add()
  motion.fix(row, 6.1, 49.6, 1000, 10, 90, 0)
  motion.dress(row, 0, true, true)
  expect(motion.rows[row * ROW + FLAGS]).toBe(FLAG_HEADING | FLAG_MUTED | FLAG_CLONED)
  expect(motion.isMuted(row)).toBe(true)
  motion.dress(row, 0, false, false)
  expect(motion.rows[row * ROW + FLAGS]).toBe(FLAG_HEADING)
})
