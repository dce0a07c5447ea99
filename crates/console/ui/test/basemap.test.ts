import { describe, expect, test } from 'vitest'
import asset from '../assets/luxembourg-roads.json'
import { middle, roadFeatures, unwrappedRing } from '../src/basemap'

describe('a ring of the sphere on the flat map', () => {
  test('is left alone where it does not cross the date line', () => {
    const ring = [
      [0, 0],
      [10, 0],
      [10, 10],
      [0, 0],
    ]
    expect(unwrappedRing(ring)).toEqual(ring)
  })

  test('goes on beyond 180° where it crosses it, and comes back', () => {
    const ring = [
      [170, 60],
      [-170, 60],
      [-170, 70],
      [170, 70],
      [170, 60],
    ]
    expect(unwrappedRing(ring)).toEqual([
      [170, 60],
      [190, 60],
      [190, 70],
      [170, 70],
      [170, 60],
    ])
  })

  test('is closed along the pole it runs round', () => {
    const ring = [
      [0, -70],
      [120, -70],
      [-120, -70],
      [0, -70],
    ]
    expect(unwrappedRing(ring)).toEqual([
      [0, -70],
      [120, -70],
      [240, -70],
      [360, -70],
      [360, -89.9],
      [0, -89.9],
      [0, -70],
    ])
  })
})

test('a name stands in the middle of its land', () => {
  expect(
    middle([
      [0, 0],
      [4, 0],
      [4, 2],
      [0, 2],
      [0, 0],
    ]),
  ).toEqual([8, 2, 1])
})

test('the bundled roads lie in and around Luxembourg, in every class', () => {
  const { features } = roadFeatures(asset)
  expect(features.map((f) => f.properties!.road)).toEqual([
    'residential',
    'tertiary',
    'secondary',
    'primary',
    'motorway',
  ])
  for (const feature of features) {
    expect(feature.geometry.coordinates.length).toBeGreaterThan(50)
    for (const [lon, lat] of feature.geometry.coordinates.flat()) {
      expect(lon! > 6.02 && lon! < 6.23 && lat! > 49.54 && lat! < 49.66).toBe(true)
    }
  }
})
