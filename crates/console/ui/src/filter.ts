// Which vehicles are shown, and in what order. Pure.

import type { State } from './api'
import type { Vehicle } from './fleet'

export const SORTS = ['name', 'attention', 'heard', 'speed'] as const
export type Sort = (typeof SORTS)[number]

export interface Filter {
  text: string
  /** Empty: all. */
  states: ReadonlySet<State>
  /** Empty: all. */
  regions: ReadonlySet<string>
}

export const NO_FILTER: Filter = { text: '', states: new Set(), regions: new Set() }

export function isOpen(filter: Filter): boolean {
  return filter.text === '' && filter.states.size === 0 && filter.regions.size === 0
}

/** Every word of the text must occur in the identifier, fleet, region or gateway. */
export function matches(vehicle: Vehicle, filter: Filter): boolean {
  if (filter.states.size > 0 && !filter.states.has(vehicle.state)) return false
  if (filter.regions.size > 0 && !filter.regions.has(vehicle.region ?? '')) return false
  if (filter.text === '') return true
  const words = filter.text.toLowerCase().split(/\s+/)
  return words.every(
    (word) =>
      vehicle.key.includes(word) ||
      (vehicle.region?.toLowerCase().includes(word) ?? false) ||
      (vehicle.fleet?.toLowerCase().includes(word) ?? false),
  )
}

/** What wants an operator's eye comes first, and before it all a vehicle that may be two. */
const CLONED = -1
const ATTENTION: Record<State, number> = {
  unreachable: 0,
  stale: 1,
  unknown: 2,
  offline: 3,
  asleep: 4,
  idle: 5,
  online: 6,
}

function attention(vehicle: Vehicle): number {
  return vehicle.cloned ? CLONED : ATTENTION[vehicle.state]
}

/** The vehicles that match, in the order asked for; `inOrder` comes in the order of the names. */
export function selected(inOrder: readonly Vehicle[], filter: Filter, sort: Sort): Vehicle[] {
  const found = isOpen(filter) ? [...inOrder] : inOrder.filter((v) => matches(v, filter))
  switch (sort) {
    case 'name':
      return found
    case 'attention':
      return found.sort((a, b) => attention(a) - attention(b))
    case 'heard':
      return found.sort((a, b) => (b.heardAt ?? -Infinity) - (a.heardAt ?? -Infinity))
    case 'speed':
      return found.sort((a, b) => (b.position?.speed ?? -1) - (a.position?.speed ?? -1))
  }
}

/** The same set with one member more or less. */
export function toggled<T>(set: ReadonlySet<T>, member: T): Set<T> {
  const next = new Set(set)
  if (!next.delete(member)) next.add(member)
  return next
}
