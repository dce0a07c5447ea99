import { describe, expect, test } from 'vitest'
import type { GatewayJson, RegionsJson } from '../src/api'
import { splitPath } from '../src/drawer/facts'
import { evidence, headline, outcomeWords } from '../src/drawer/reach-words'
import { Fleet } from '../src/fleet'
import { coarseSpan, coordinates, count, heading, listed, longSpan, signalValue, span, speed_kmh } from '../src/format'
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

test('long spans keep the second unit', () => {
  expect([8.4, 59.6, 60, 41 * 60, 3 * 3600 + 12 * 60, 7200, 47.99 * 3600, 52 * 3600, 72 * 3600].map(longSpan)).toEqual([
    '8 s',
    '1 min',
    '1 min',
    '41 min',
    '3 h 12 min',
    '2 h',
    '47 h 59 min',
    '2 d 4 h',
    '3 d',
  ])
  expect([listed([], 'or'), listed(['a'], 'or'), listed(['a', 'b', 'c'], 'or')]).toEqual(['', 'a', 'a, b or c'])
})

describe('whether a vehicle can be reached', () => {
  const heard = (json: object) => {
    const fleet = new Fleet()
    fleet.takePresence(
      { id: 'a', state: 'online', region: 'lux-west', gateway: 'lux-west', age_s: 1.2, age_kind: 'measured', ...json },
      10,
    )
    return fleet.vehicles.get('a')!
  }

  test('is said with its gateway and age while it is connected', () => {
    expect(headline(heard({}), 10)).toBe('Online, connected to lux-west')
    expect(evidence(heard({}), 10, 0)).toBe('Heard 1.2 s ago')
    expect(evidence(heard({}), 20, 0)).toBe('Heard 11 s ago')
    expect(evidence(heard({ age_kind: 'bound' }), 10, 0)).toBe('Heard at most 1.2 s ago')
  })

  test('is said with when a sleeping or idle one is back and how it can be woken', () => {
    const asleep = heard({ state: 'asleep', update_expected_in_s: 11_520, wake: ['mqtt'] })
    expect(headline(asleep, 10)).toBe('Asleep, next update in 3 h 12 min, can be woken by MQTT')
    expect(evidence(asleep, 10, 2)).toBe('Heard 1.2 s ago · via lux-west · 2 commands wait for it')
    const idle = heard({ state: 'idle', update_expected_in_s: 2460 })
    expect(headline(idle, 10)).toBe('Idle, reports in 41 min, cannot be woken')
    expect(headline(idle, 2480)).toBe('Idle, reports 10 s overdue, cannot be woken')
    expect(headline(heard({ state: 'idle', wake: ['sms', 'mqtt', 'lora'] }), 10)).toBe(
      'Idle, can be woken by SMS, MQTT or lora',
    )
  })

  test('says of a stale one what it was and why nobody knows more, and for how long', () => {
    const stale = { state: 'stale', last_known: 'online', stale_why: 'owner_lost', view_age_s: 12 }
    expect(headline(heard(stale), 10)).toBe('Stale: was online, its gateway has not been heard for 12 s')
    expect(headline(heard(stale), 40)).toContain('for 42 s')
    expect(headline(heard({ ...stale, stale_why: 'view_cut_off' }), 10)).toContain('this gateway is cut off')
    expect(headline(heard({ ...stale, stale_why: 'owner_left' }), 10)).toContain('its gateway has stopped')
  })

  test('says why one is offline or unreachable', () => {
    expect(headline(heard({ state: 'offline', cause: 'ignition_off' }), 10)).toBe('Offline: ignition off')
    expect(headline(heard({ state: 'unreachable' }), 10)).toBe('Unreachable: it did not report in time')
  })

  test('is told by a page in words', () => {
    const page = { vehicle: 'a', took_s: 4.2, gateway: 'lux-east', detail: 'woken by sms twice' }
    expect(outcomeWords({ ...page, outcome: 'reachable' })).toEqual({
      word: 'Reachable',
      rest: 'it answered via lux-east after 4.2 s',
    })
    expect(outcomeWords({ ...page, outcome: 'woken' }).rest).toBe('it attached via lux-east after 4.2 s')
    expect(outcomeWords({ ...page, outcome: 'unreachable' })).toEqual({
      word: 'Not reached',
      rest: 'woken by sms twice (4.2 s)',
    })
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
