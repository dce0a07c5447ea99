import { describe, expect, test } from 'vitest'
import { band, BAND_MS, segmentWords, shareWords, WIDTH_MIN } from '../src/drawer/band'
import { episodeLine, episodeTitle } from '../src/drawer/episode-words'
import { appended, episodes, joined } from '../src/drawer/episodes'
import { momentWords } from '../src/drawer/moment'
import type { TransitionJson } from '../src/presence-api'

const T0 = Date.parse('2026-11-21T10:00:00.000Z')
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString()

function told(
  seconds: number,
  state: TransitionJson['state'],
  gateway: string,
  epoch: number,
  more = {},
): TransitionJson {
  return {
    at: at(seconds),
    state,
    region: gateway,
    gateway,
    incarnation: '1',
    epoch: `${epoch}`,
    session: `${epoch}`,
    ...more,
  }
}

/** From transitions written oldest first. */
const read = (...oldestFirst: TransitionJson[]) => episodes([...oldestFirst].reverse())
const titles = (...oldestFirst: TransitionJson[]) =>
  read(...oldestFirst)
    .map(episodeTitle)
    .reverse()

describe('the timeline', () => {
  test('makes one episode of a move, whichever gateway spoke first', () => {
    const west = told(0, 'online', 'west', 1)
    const welcome = told(60, 'online', 'east', 2)
    for (const farewell of [told(61, 'unknown', 'west', 1), told(59, 'offline', 'west', 1, { cause: 'handover' })]) {
      const order = [west, welcome, farewell].sort((a, b) => (a.at < b.at ? -1 : 1))
      expect(titles(...order)).toEqual(['Online', 'Moved to east'])
    }
    expect(episodeLine(read(west, welcome)[0]!, T0 + 90_000)).toBe('from west · since then, 30 s')
    expect(episodeLine(read(west, welcome)[1]!, T0 + 90_000)).toBe('west · for 1 min')
  })

  test('reads a chain of moves as a chain', () => {
    const moves = [
      told(0, 'online', 'a', 1),
      told(10, 'online', 'b', 2),
      told(11, 'unknown', 'a', 1),
      told(20, 'online', 'c', 3),
      told(21, 'unknown', 'b', 2),
      told(30, 'online', 'a', 4),
      told(31, 'unknown', 'c', 3),
    ]
    expect(titles(...moves)).toEqual(['Online', 'Moved to b', 'Moved to c', 'Moved to a'])
  })

  test('keeps a goodbye that nobody answered', () => {
    expect(titles(told(0, 'online', 'a', 1), told(10, 'unknown', 'a', 1))).toEqual(['Online', 'Let go by a'])
    expect(titles(told(0, 'online', 'a', 1), told(10, 'offline', 'a', 1, { cause: 'ignition_off' }))).toEqual([
      'Online',
      'Offline: ignition off',
    ])
  })

  test('sets apart what an attach said after it had been replaced', () => {
    const [late, shown] = read(told(0, 'online', 'a', 5), told(10, 'idle', 'b', 4))
    expect([late!.late, shown!.late, shown!.until_ms]).toEqual([true, false, null])
    expect(episodeLine(late!, T0)).toContain('never shown')
  })

  test('compares epochs beyond what a double holds', () => {
    const [, later] = ['117652371024248832', '117652371024248833']
    const move = [
      told(0, 'online', 'a', 0, { epoch: '117652371024248832' }),
      told(1, 'online', 'b', 0, { epoch: later }),
    ]
    expect(titles(...move)).toEqual(['Online', 'Moved to b'])
  })

  test('leaves out a report of another cell, and names a new attach', () => {
    const all = [
      told(0, 'online', 'a', 1, { cell: 'x' }),
      told(5, 'online', 'a', 1, { cell: 'y' }),
      told(9, 'online', 'a', 2),
    ]
    expect(titles(...all)).toEqual(['Online', 'Attached again'])
  })

  test('takes a fresh first page before the older ones that were loaded', () => {
    const all = [6, 5, 4, 3, 2, 1].map((n) => told(n * 10, 'online', 'a', n))
    const ids = (list: { transitions: TransitionJson[] }) => list.transitions.map((t) => Number(t.epoch))
    const overlap = joined(all.slice(2), 'older', all.slice(0, 4), 'p2')
    expect([ids(overlap), overlap.next]).toEqual([[6, 5, 4, 3, 2, 1], 'older'])
    const gap = joined(all.slice(4), 'older', all.slice(0, 2), 'p2')
    expect([ids(gap), gap.next]).toEqual([[6, 5], 'p2'])
    const whole = joined([], null, all, null)
    expect([ids(whole), whole.next]).toEqual([[6, 5, 4, 3, 2, 1], null])
    expect(appended(all.slice(0, 3), all.slice(2)).map((t) => Number(t.epoch))).toEqual([6, 5, 4, 3, 2, 1])
  })

  test('says the day only of another day', () => {
    const noon = new Date(2026, 10, 21, 12, 0, 0).getTime()
    expect(momentWords(noon - 1000, noon)).toBe('11:59:59')
    expect(momentWords(noon - BAND_MS, noon)).toBe('20 Nov 12:00')
  })
})

describe('the strip of the last day', () => {
  const hours = (h: number) => h * 3600

  test('covers the time since the first transition, without gaps', () => {
    const drawn = band(read(told(0, 'online', 'a', 1), told(600, 'idle', 'a', 1)), T0 + 1000_000, null)!
    expect(drawn.segments.map(({ state, x, width }) => [state, x, width])).toEqual([
      ['online', 0, 0.6],
      ['idle', 0.6, 0.4],
    ])
    expect(shareWords(drawn)).toBe('Online 60 % · idle 40 %')
    expect(shareWords(drawn, 1)).toBe('Online 60 %')
    expect(segmentWords(drawn.segments[0]!)).toBe('Online for 10 min')
  })

  test('begins a day ago with the state of then', () => {
    const now = T0 + hours(48) * 1000
    const drawn = band(read(told(0, 'online', 'a', 1), told(hours(36), 'offline', 'a', 1)), now, null)!
    expect(drawn.to_ms - drawn.from_ms).toBe(BAND_MS)
    expect(drawn.segments.map((s) => [s.state, s.x, s.width])).toEqual([
      ['online', 0, 0.5],
      ['offline', 0.5, 0.5],
    ])
  })

  test('keeps a blip visible, inside the strip and on top', () => {
    const now = T0 + hours(24) * 1000
    const all = read(told(0, 'online', 'a', 1), told(hours(24) - 2, 'unreachable', 'a', 1))
    const last = band(all, now, null)!.segments.at(-1)!
    expect(last.state).toBe('unreachable')
    expect(last.width).toBe(WIDTH_MIN)
    expect(last.x + last.width).toBeCloseTo(1)
    expect(shareWords(band(all, now, null)!)).toBe('Online > 99 % · unreachable < 1 %')
  })

  test('ends in what is shown now, where that is decided at reading', () => {
    const tail = { state: 'stale' as const, since_ms: T0 + 750_000 }
    const drawn = band(read(told(0, 'online', 'a', 1)), T0 + 1000_000, tail)!
    expect(drawn.segments.map((s) => [s.state, s.x, s.width])).toEqual([
      ['online', 0, 0.75],
      ['stale', 0.75, 0.25],
    ])
  })

  test('does not draw what an older attach said late, and is nothing without transitions', () => {
    const all = read(told(0, 'online', 'a', 5), told(10, 'idle', 'b', 4))
    expect(band(all, T0 + 20_000, null)!.segments.map((s) => s.state)).toEqual(['online'])
    expect(band([], T0, null)).toBeNull()
  })
})
