import { describe, expect, it } from 'vitest'
import type { ViewsJson } from '../src/api'
import { bytes } from '../src/format'
import { sightNotes, sightRows } from '../src/sights'

const gateway = (id: string, changes: object = {}) => ({
  id,
  region: id,
  self: false,
  status: 'alive' as const,
  heard_ago_s: 0.2,
  lag_entries: 0,
  lag_s: 0,
  vehicles: {},
  ...changes,
})

const views = (changes: Partial<ViewsJson> = {}): ViewsJson => ({
  gateway: 'west',
  time: '2026-11-21T02:00:00.000Z',
  views: [
    { seen_by: 'west', region: 'west', gateways: [gateway('east'), gateway('west', { self: true })] },
    { seen_by: 'east', region: 'east', gateways: [gateway('east', { self: true }), gateway('west')] },
  ],
  silent: [],
  logs: [],
  ...changes,
})

const sights = (v: ViewsJson) => sightRows(v, 1).map((row) => [row.gateway, ...row.cells.map((cell) => cell.sight)])

describe('who hears whom', () => {
  it('is a row for each that looks and a cell for each that is seen', () => {
    expect(sights(views())).toEqual([
      ['east', 'self', 'heard'],
      ['west', 'heard', 'self'],
    ])
    expect(sightNotes(views(), 1)).toEqual([])
  })

  it('tells one way from the other', () => {
    const west = { seen_by: 'west', region: 'west', gateways: [gateway('east', { status: 'lost', heard_ago_s: 18 })] }
    const cut = views({ views: [west, views().views[1]!] })
    expect(sights(cut)).toEqual([
      ['east', 'self', 'heard'],
      ['west', 'lost', 'self'],
    ])
    expect(sightNotes(cut, 1)).toEqual(['west has not heard east for 19 s'])
  })

  it('tells of a gateway that is heard through others alone', () => {
    const west = { seen_by: 'west', region: 'west', gateways: [gateway('east', { status: 'relayed' })] }
    const relayed = views({ views: [west, views().views[1]!] })
    expect(sights(relayed)[1]).toEqual(['west', 'relayed', 'self'])
    expect(sightNotes(relayed, 1)).toEqual(['west does not hear east, and knows what it says through others'])
  })

  it('says how far behind, and never too little', () => {
    const west = { seen_by: 'west', region: 'west', gateways: [gateway('east', { lag_entries: 12, lag_s: 3 })] }
    const late = views({ views: [west, views().views[1]!] })
    expect(sights(late)[1]).toEqual(['west', 'behind', 'self'])
    expect(sightNotes(late, 2)).toEqual(['west is 12 entries behind east, 5 s'])
  })

  it('does not take for lag what is on its way', () => {
    const west = { seen_by: 'west', region: 'west', gateways: [gateway('east', { lag_entries: 1, lag_s: 0.1 })] }
    expect(sights(views({ views: [west, views().views[1]!] }))[1]).toEqual(['west', 'heard', 'self'])
  })

  it('shows how full each said it was, its own word first, and tells who is nearly full', () => {
    const said = (sessions: number, load: number) => ({ said: { sessions, load, log_head: '7' } })
    const west = {
      seen_by: 'west',
      region: 'west',
      gateways: [gateway('east', said(90, 0.9)), gateway('west', { self: true, ...said(1, 0.009) })],
    }
    const east = { seen_by: 'east', region: 'east', gateways: [gateway('east', { self: true, ...said(96, 0.9699) })] }
    const full = (v: ViewsJson) => sightRows(v, 1).map((row) => row.full)
    expect(full(views({ views: [west, east] }))).toEqual([
      { figure: '96 %', words: 'east last said: 96 sessions, 96 % full' },
      { figure: '0 %', words: 'west last said: 1 session, 0 % full' },
    ])
    expect(sightNotes(views({ views: [west, east] }), 1)).toContain('east last said: 96 sessions, 96 % full')
    expect(full(views({ views: [west] }))[0]?.figure).toBe('90 %')
    expect(full(views())).toEqual([null, null])
  })

  it('names who does not say what it sees', () => {
    const silent = [{ gateway: 'east', region: 'east', operators_url: 'http://east', why: 'no answer within 1 s' }]
    const alone = views({ views: [views().views[0]!], silent })
    expect(sights(alone)).toEqual([
      ['east', 'self', 'silent'],
      ['west', 'heard', 'self'],
    ])
    expect(sightNotes(alone, 1)).toEqual(['east does not say what it sees: no answer within 1 s'])
  })

  it('names whose copies differ, once', () => {
    const log = { owner: 'east', incarnation: '1', agreement: 'differs', head: '7', behind: [] }
    const notes = sightNotes(views({ logs: [log, { ...log, incarnation: '2' }] }), 1)
    expect(notes).toEqual(['Copies of what east said differ; what differs is asked for again'])
  })
})

describe('sizes', () => {
  it('use the largest unit that fits', () => {
    const words = [0, 999, 1000, 48_213, 999_960, 1_204_553, 1_500_000_000].map(bytes)
    expect(words).toEqual(['0 B', '999 B', '1 kB', '48 kB', '1.0 MB', '1.2 MB', '1.5 GB'])
  })
})
