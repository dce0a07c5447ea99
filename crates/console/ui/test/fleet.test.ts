import { describe, expect, test } from 'vitest'
import type { VehicleJson } from '../src/api'
import { NO_FILTER, matches, selected, toggled } from '../src/filter'
import { Fleet } from '../src/fleet'

const vehicle = (id: string, more: Partial<VehicleJson> = {}): VehicleJson => ({
  id,
  state: 'online',
  region: 'lux-west',
  gateway: 'lux-west',
  age_s: 1,
  age_kind: 'measured',
  position: { lat: 49.6, lon: 6.1, t: '2026-11-21T02:00:00.000Z', speed: 10, heading: 90 },
  ...more,
})

const ids = (fleet: Fleet) => fleet.inOrder().map((v) => v.id)

describe('the fleet', () => {
  test('counts its vehicles by state through every transition', () => {
    const fleet = new Fleet()
    fleet.takePresence(vehicle('a'), 0)
    fleet.takePresence(vehicle('b'), 0)
    fleet.takePresence(vehicle('a', { state: 'stale', last_known: 'online', stale_why: 'owner_lost' }), 1)
    expect(fleet.byState).toMatchObject({ online: 1, stale: 1, unknown: 0 })
    expect(fleet.vehicles.get('a')).toMatchObject({ lastKnown: 'online', staleWhy: 'owner_lost' })
  })

  test('keeps what the stream said during a listing over the older row of the listing', () => {
    const fleet = new Fleet()
    fleet.beginListing()
    fleet.takePresence(vehicle('a', { state: 'offline' }), 5)
    fleet.takeListed([vehicle('a'), vehicle('b')], 4)
    fleet.endListing()
    expect(fleet.vehicles.get('a')!.state).toBe('offline')
    expect(fleet.vehicles.get('b')!.state).toBe('online')
  })

  test('forgets what a whole listing does not name, but not what the stream named meanwhile', () => {
    const fleet = new Fleet()
    for (const id of ['a', 'b', 'c']) fleet.takePresence(vehicle(id), 0)
    fleet.beginListing()
    fleet.takeListed([vehicle('a')], 1)
    fleet.takePresence(vehicle('c'), 1)
    fleet.endListing()
    expect(ids(fleet)).toEqual(['a', 'c'])
    expect(fleet.byState.online).toBe(2)
  })

  test('concludes nothing from a listing that broke off', () => {
    const fleet = new Fleet()
    fleet.takePresence(vehicle('a'), 0)
    fleet.beginListing()
    fleet.abandonListing()
    expect(ids(fleet)).toEqual(['a'])
  })

  test('lists identifiers in their natural order', () => {
    const fleet = new Fleet()
    for (const id of ['LUX-10', 'LUX-9', 'LUX-100']) fleet.takePresence(vehicle(id), 0)
    expect(ids(fleet)).toEqual(['LUX-9', 'LUX-10', 'LUX-100'])
  })

  test('never shows an age too young: from the asking of a listing, and half a second behind the stream', () => {
    const fleet = new Fleet()
    fleet.takeListed([vehicle('a', { age_s: 2 })], 10)
    expect(fleet.vehicles.get('a')!.heardAt).toBe(8)
    const t = Date.parse('2026-11-21T02:00:05.000Z')
    fleet.takeFixes([{ id: 'a', lat: 49.6, lon: 6.1, t, speed: 0, heading: 0 }], 20)
    expect(fleet.vehicles.get('a')!.heardAt).toBe(19.5)
  })

  test('takes a position without a record of the vehicle for nothing', () => {
    const fleet = new Fleet()
    fleet.takeFixes([{ id: 'x', lat: 49.6, lon: 6.1, t: 1, speed: 0, heading: 0 }], 0)
    expect(fleet.vehicles.size).toBe(0)
  })

  test('shows a state it does not know as unknown', () => {
    const fleet = new Fleet()
    fleet.takePresence(vehicle('a', { state: 'parked' as never }), 0)
    expect(fleet.vehicles.get('a')!.state).toBe('unknown')
  })
})

describe('the filter', () => {
  const fleet = new Fleet()
  fleet.takeListed(
    [
      vehicle('LUX-0001'),
      vehicle('LUX-0002', { state: 'idle', region: 'lux-east' }),
      vehicle('BUS-7', { state: 'unreachable', region: 'lux-east', fleet: 'city' }),
    ],
    0,
  )
  const found = (more: object) => selected(fleet.inOrder(), { ...NO_FILTER, ...more }, 'name').map((v) => v.id)

  test('shows all when nothing is asked for', () => {
    expect(found({})).toEqual(['BUS-7', 'LUX-0001', 'LUX-0002'])
  })

  test('finds every word in identifier, region or fleet, whatever its case', () => {
    expect(found({ text: 'lux-00' })).toEqual(['LUX-0001', 'LUX-0002'])
    expect(found({ text: '000 EAST' })).toEqual(['LUX-0002'])
    expect(found({ text: 'city' })).toEqual(['BUS-7'])
    expect(found({ text: 'nowhere' })).toEqual([])
  })

  test('joins states and regions', () => {
    expect(found({ states: new Set(['idle', 'unreachable']) })).toEqual(['BUS-7', 'LUX-0002'])
    expect(found({ states: new Set(['online']), regions: new Set(['lux-east']) })).toEqual([])
  })

  test('puts first what wants attention', () => {
    expect(selected(fleet.inOrder(), NO_FILTER, 'attention').map((v) => v.state)).toEqual([
      'unreachable',
      'idle',
      'online',
    ])
  })

  test('a vehicle that may be two wants attention first, and asleep is a state to filter by', () => {
    const some = new Fleet()
    some.takePresence(vehicle('a', { state: 'unreachable' }), 0)
    some.takePresence(vehicle('b', { cloned: true }), 0)
    some.takePresence(vehicle('c', { state: 'asleep', wake: ['mqtt'] }), 0)
    expect(selected(some.inOrder(), NO_FILTER, 'attention').map((v) => v.id)).toEqual(['b', 'a', 'c'])
    expect(selected(some.inOrder(), { ...NO_FILTER, states: new Set(['asleep']) }, 'name').map((v) => v.id)).toEqual([
      'c',
    ])
    some.takePresence(vehicle('b'), 1)
    expect(some.vehicles.get('b')!.cloned).toBe(false)
  })

  test('a member is toggled in and out without changing the set before', () => {
    const one = toggled(new Set(['a']), 'b')
    expect([...one]).toEqual(['a', 'b'])
    expect([...toggled(one, 'a')]).toEqual(['b'])
    expect([...one]).toEqual(['a', 'b'])
    expect(matches(fleet.vehicles.get('BUS-7')!, { ...NO_FILTER, states: new Set(['idle']) })).toBe(false)
  })
})
