// A vehicle's transitions as an operator reads them. Pure.
//
// Every gateway tells of its own: when a vehicle moves, one says that it came and another that it left. Here that
// is one episode, "moved". A higher epoch is a later attach, so what an older attach still says is kept apart:
// it was never shown.

import type { State } from '../api'
import type { TransitionJson } from '../presence-api'

export interface Episode {
  key: string
  at_ms: number
  state: State
  cause: string | null
  gateway: string
  region: string
  /** The gateway it came from, when it moved. */
  from: string | null
  /** Attached again though the state is the same. */
  again: boolean
  /** Of an attach that a later one had replaced already. */
  late: boolean
  cloned: boolean
  cell: string | null
  epoch: string
  session: string
  /** Until the next one that counts; null while it lasts. */
  until_ms: number | null
}

/** A goodbye this close to the other gateway's welcome is part of the same move; gateways' clocks differ a little. */
const MOVE_MS = 120_000

/** Transitions newest first become episodes newest first. */
export function episodes(transitions: readonly TransitionJson[]): Episode[] {
  const known = transitions.filter((t) => Number.isFinite(Date.parse(t.at)))
  const told = [...known].reverse().filter((t, i, all) => !isFarewellOfMove(t, i, all))
  const out: Episode[] = []
  let shown: Episode | null = null
  let epoch = -1n
  for (const t of told) {
    const own = epochOf(t)
    const late = own < epoch
    if (!late && shown !== null && isRepeat(shown, t)) continue
    const episode = made(t, late, late ? null : shown, own > epoch)
    out.push(episode)
    if (late) continue
    if (shown !== null) shown.until_ms = episode.at_ms
    shown = episode
    epoch = own
  }
  return out.reverse()
}

/** Puts a fresh first page before what was loaded; `next` is the cursor to go on with, null at the end. */
export function joined(
  loaded: readonly TransitionJson[],
  loadedNext: string | null,
  fresh: readonly TransitionJson[],
  freshNext: string | null,
): { transitions: TransitionJson[]; next: string | null } {
  const newest = loaded[0]
  const oldest = fresh.at(-1)
  if (newest === undefined || oldest === undefined || freshNext === null) {
    return { transitions: [...fresh], next: freshNext }
  }
  // More happened than one page holds: the gap between is read again page by page.
  if (Date.parse(oldest.at) > Date.parse(newest.at)) return { transitions: [...fresh], next: freshNext }
  return {
    transitions: appended(
      fresh,
      loaded.filter((t) => Date.parse(t.at) <= Date.parse(oldest.at)),
    ),
    next: loadedNext,
  }
}

/** Older transitions after those loaded, none twice. */
export function appended(loaded: readonly TransitionJson[], older: readonly TransitionJson[]): TransitionJson[] {
  const keys = new Set(loaded.map(keyOf))
  return [...loaded, ...older.filter((t) => !keys.has(keyOf(t)))]
}

function made(t: TransitionJson, late: boolean, before: Episode | null, attached: boolean): Episode {
  const moved = before !== null && attached && before.gateway !== t.gateway
  return {
    key: keyOf(t),
    at_ms: Date.parse(t.at),
    state: t.state,
    cause: t.cause ?? null,
    gateway: t.gateway,
    region: t.region,
    from: moved ? before.gateway : null,
    again: before !== null && attached && !moved && before.state === t.state,
    late,
    cloned: t.cloned ?? false,
    cell: t.cell ?? null,
    epoch: t.epoch,
    session: t.session,
    until_ms: null,
  }
}

/** Whether nothing an operator cares about changed: the same attach in another cell. */
function isRepeat(shown: Episode, t: TransitionJson): boolean {
  return (
    shown.state === t.state &&
    shown.gateway === t.gateway &&
    shown.epoch === t.epoch &&
    shown.session === t.session &&
    shown.cause === (t.cause ?? null) &&
    shown.cloned === (t.cloned ?? false)
  )
}

/** Whether a gateway says here only that the vehicle has gone to another, which says so itself. */
function isFarewellOfMove(t: TransitionJson, index: number, oldestFirst: readonly TransitionJson[]): boolean {
  if (t.state !== 'unknown' && !(t.state === 'offline' && t.cause === 'handover')) return false
  const at = Date.parse(t.at)
  const welcomes = (other: TransitionJson) =>
    other.gateway !== t.gateway && epochOf(other) > epochOf(t) && other.state !== 'unknown'
  for (let i = index - 1; i >= 0; i--) if (welcomes(oldestFirst[i]!)) return true
  for (let i = index + 1; i < oldestFirst.length && Date.parse(oldestFirst[i]!.at) - at <= MOVE_MS; i++) {
    if (welcomes(oldestFirst[i]!)) return true
  }
  return false
}

function keyOf(t: TransitionJson): string {
  return [
    t.at,
    t.gateway,
    t.incarnation,
    t.epoch,
    t.session,
    t.state,
    t.cause ?? '',
    t.cell ?? '',
    t.cloned ?? false,
  ].join(' ')
}

function epochOf(t: TransitionJson): bigint {
  return /^\d+$/.test(t.epoch) ? BigInt(t.epoch) : 0n
}
