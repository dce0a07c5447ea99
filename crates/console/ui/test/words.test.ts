import { describe, expect, test } from 'vitest'
import type { GatewayJson, RegionsJson } from '../src/api'
import { sentence, splitPath } from '../src/drawer'
import { Fleet } from '../src/fleet'
import { coarseSpan, coordinates, count, heading, signalValue, span, speed_kmh } from '../src/format'
import { cuts, cutSentence, isCut } from '../src/outlook'

test('spans are said in the unit that fits, without jumps between them', () => {
  expect([0, 1.23, 9.94, 9.96, 119, 120, 7169, 7200, 172_799, 172_800].map(span)).toEqual([
    '0.0 s',
    '1.2 s',
    '9.9 s',
    '10 s',
    '119 s',
    '2 min',
    '119 min',
    '2 h',
    '48 h',
    '2 d',
  ])
  expect(span(-3)).toBe('0.0 s')
  expect(coarseSpan(1.9)).toBe('1 s')
})

test('numbers read as an operator writes them', () => {
  expect(count(12345)).toBe('12\u202f345')
  expect(speed_kmh(13.9)).toBe('50')
  expect(speed_kmh(null)).toBe('–')
  expect(heading(354)).toBe('354° N')
  expect(heading(359.9)).toBe('0° N')
  expect(heading(null)).toBe('–')
  expect(coordinates(49.61, -6.13)).toBe('49.61000° N, 6.13000° W')
  expect([71.5, 21, 0.123456, 12345.6, true, null, 'on'].map(signalValue)).toEqual([
    '71.5',
    '21',
    '0.1235',
    '12346',
    'yes',
    '–',
    'on',
  ])
  expect(splitPath('Vehicle.Cabin.HVAC.Temperature')).toEqual(['Cabin HVAC ', 'Temperature'])
  expect(splitPath('Vehicle.Speed')).toEqual(['', 'Speed'])
})

describe('the sentence of a vehicle', () => {
  const say = (json: object, now = 10) => {
    const fleet = new Fleet()
    fleet.takePresence(
      { id: 'a', state: 'online', region: 'lux-west', gateway: 'lux-west', age_s: 1.2, age_kind: 'measured', ...json },
      10,
    )
    return sentence(fleet.vehicles.get('a')!, now)
  }

  test('says state, age and gateway', () => {
    expect(say({})).toBe('Online · heard 1.2 s ago · via lux-west')
    expect(say({}, 20)).toBe('Online · heard 11 s ago · via lux-west')
  })

  test('says that an age is only a bound', () => {
    expect(say({ age_kind: 'bound' })).toBe('Online · heard at most 1.2 s ago · via lux-west')
  })

  test('says when an idle one is due, and when it is overdue', () => {
    const idle = { state: 'idle', update_expected_in_s: 120 }
    expect(say(idle)).toContain('next update expected in 2 min')
    expect(say(idle, 140)).toContain('its update is 10 s overdue')
  })

  test('says why one is stale, and what was last known', () => {
    expect(say({ state: 'stale', last_known: 'online', stale_why: 'owner_lost' })).toBe(
      'Last known online · its gateway is lost · heard 1.2 s ago · via lux-west',
    )
  })

  test('says why one is offline', () => {
    expect(say({ state: 'offline', cause: 'ignition_off' })).toBe(
      'Offline · ignition off · heard 1.2 s ago · via lux-west',
    )
  })
})

describe('what the view lacks', () => {
  const gateway = (id: string, more: Partial<GatewayJson> = {}): GatewayJson => ({
    id,
    self: false,
    status: 'alive',
    heard_ago_s: 0.2,
    stale_for_s: null,
    vehicles: { online: 3 },
    ...more,
  })
  const regions = (...gateways: GatewayJson[]): RegionsJson => ({
    gateway: 'west',
    region: 'west',
    time: '',
    totals: {},
    regions: gateways.map((g) => ({ region: g.id, gateways: [g] })),
  })

  test('is nothing while all are heard', () => {
    const cut = cuts(regions(gateway('west', { self: true }), gateway('east')), 0)
    expect(cut).toEqual([])
    expect(cutSentence(cut)).toBe('')
  })

  test('names who is not heard, and for how long by now', () => {
    const cut = cuts(regions(gateway('west', { self: true }), gateway('east', { status: 'lost', heard_ago_s: 20 })), 3)
    expect(cutSentence(cut)).toBe('Nothing heard from east for 23 s')
    expect(cut[0]!.vehicles).toBe(3)
  })

  test('names several', () => {
    const cut = cuts(regions(gateway('a', { stale_for_s: 5, heard_ago_s: null }), gateway('b', { status: 'lost' })), 0)
    expect(cutSentence(cut)).toBe('Nothing heard from a and b for 5.0 s')
  })

  test('is never itself', () => {
    expect(isCut(gateway('west', { self: true, status: 'lost' }))).toBe(false)
  })
})
