import { expect, test } from 'vitest'
import { runs } from '../src/track'

const at = (...seconds: number[]) => seconds.map((s) => ({ t_ms: s * 1000, lon: s, lat: 0, speed: null }))
const times = (...seconds: number[]) => runs(at(...seconds)).map((run) => run.map((p) => p.t_ms / 1000))

test('a way without silences is one run, none is none', () => {
  expect(times(0, 1, 2, 3)).toEqual([[0, 1, 2, 3]])
  expect(times(5)).toEqual([[5]])
  expect(times()).toEqual([])
})

test('a way is cut at a silence far longer than usual', () => {
  expect(times(0, 1, 2, 60, 61, 62)).toEqual([
    [0, 1, 2],
    [60, 61, 62],
  ])
})

test('a short silence, and the usual one of a vehicle that speaks seldom, cut nothing', () => {
  expect(times(0, 1, 2, 20, 21)).toEqual([[0, 1, 2, 20, 21]])
  expect(times(0, 30, 60, 90, 150)).toEqual([[0, 30, 60, 90, 150]])
})
