// Who hears whom, from what every gateway says it sees. Pure.

import type { GatewayJson, ViewsJson } from './api'
import { coarseSpan, count, listed } from './format'

/** What is on its way for less than this is not told as lag: entries travel in batches. */
const UNDER_WAY_S = 2

/** Whether so many entries are missing, for so long, that it should be told. */
export function isLate(entries: number | null | undefined, seconds: number | null | undefined): boolean {
  return (entries ?? 0) > 0 && ((seconds ?? null) === null || seconds! >= UNDER_WAY_S)
}

export type Sight = 'self' | 'heard' | 'behind' | 'relayed' | 'lost' | 'never' | 'silent'

export interface SightCell {
  sight: Sight
  /** The whole of it in words. */
  words: string
}

export interface SightRow {
  gateway: string
  cells: SightCell[]
  /** How full it is; none if it has not said so. */
  full: { figure: string; words: string } | null
}

/** Fuller than this is told: it soon turns vehicles away. */
const FULL = 0.9

/** One row a gateway that looks, one cell for each that is seen, both in the order of their names. */
export function sightRows(views: ViewsJson, elapsed_s: number): SightRow[] {
  const names = new Set(views.views.flatMap((view) => [view.seen_by, ...view.gateways.map((g) => g.id)]))
  const ordered = [...names].sort()
  return ordered.map((gateway) => {
    const view = views.views.find((v) => v.seen_by === gateway)
    const cells = ordered.map((other): SightCell => {
      if (gateway === other) return { sight: 'self', words: gateway }
      if (view === undefined) return { sight: 'silent', words: `${gateway} does not say whether it hears ${other}` }
      const seen = view.gateways.find((g) => g.id === other)
      return seen === undefined
        ? { sight: 'never', words: `${gateway} does not know ${other}` }
        : sightOf(gateway, seen, elapsed_s)
    })
    const said = saidOf(views, gateway)
    const words = said && `${gateway} last said: ${sessions(said.sessions)}, ${percent(said.load)} full`
    return { gateway, cells, full: words ? { figure: percent(said!.load), words } : null }
  })
}

/** What a gateway last said of itself: to its own face, or else what the one that answers heard last. */
function saidOf(views: ViewsJson, gateway: string) {
  const seenBy = (by: string) =>
    views.views.find((view) => view.seen_by === by)?.gateways.find((seen) => seen.id === gateway)?.said
  return seenBy(gateway) ?? seenBy(views.gateway) ?? null
}

/** Never rounded up to full. */
function percent(load: number): string {
  return `${Math.floor(load * 100)} %`
}

function sessions(n: number): string {
  return `${count(n)} ${n === 1 ? 'session' : 'sessions'}`
}

function sightOf(by: string, seen: GatewayJson, elapsed_s: number): SightCell {
  const ago = seen.heard_ago_s ?? null
  if (seen.status === 'lost') {
    const since = ago === null ? '' : ` for ${coarseSpan(ago + elapsed_s)}`
    return { sight: 'lost', words: `${by} has not heard ${seen.id}${since}` }
  }
  if (seen.status === 'relayed') {
    return { sight: 'relayed', words: `${by} does not hear ${seen.id}, and knows what it says through others` }
  }
  if (seen.status !== 'alive') return { sight: 'never', words: `${by} has never heard ${seen.id}` }
  const behind = seen.lag_entries ?? 0
  if (!isLate(behind, seen.lag_s)) return { sight: 'heard', words: `${by} hears ${seen.id} and keeps up with it` }
  const late = (seen.lag_s ?? null) === null ? '' : `, ${coarseSpan(seen.lag_s! + elapsed_s)}`
  return { sight: 'behind', words: `${by} is ${entries(behind)} behind ${seen.id}${late}` }
}

/** What is not as it should be, a sentence each; empty if all is well. */
export function sightNotes(views: ViewsJson, elapsed_s: number): string[] {
  const silent = views.silent.map((s) => `${s.gateway ?? s.operators_url} does not say what it sees: ${s.why}`)
  const rows = sightRows(views, elapsed_s)
  const cells = rows.flatMap((row) => row.cells)
  const full = rows.filter((row) => (saidOf(views, row.gateway)?.load ?? 0) >= FULL)
  const told: Sight[] = ['lost', 'never', 'behind', 'relayed']
  const lost = cells.filter(({ sight }) => told.includes(sight))
  const differing = views.logs.filter((log) => log.agreement === 'differs')
  const owners = [...new Set(differing.map((log) => log.owner))]
  const differ =
    owners.length === 0 ? [] : [`Copies of what ${listed(owners, 'and')} said differ; what differs is asked for again`]
  return [...silent, ...lost.map(({ words }) => words), ...differ, ...full.map((row) => row.full!.words)]
}

function entries(n: number): string {
  return `${count(n)} ${n === 1 ? 'entry' : 'entries'}`
}
