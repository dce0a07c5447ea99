// Numbers and states as words. Pure; the words are the operator's.

import type { State } from './api'

/** An age or a span: "0.4 s", "12 s", "3 min", "2 h", "5 d". */
export function span(seconds: number): string {
  const s = Math.max(0, seconds)
  if (s < 9.95) return `${s.toFixed(1)} s`
  if (s < 119.5) return `${Math.round(s)} s`
  if (s < 7170) return `${Math.round(s / 60)} min`
  if (s < 172_800) return `${Math.round(s / 3600)} h`
  return `${Math.round(s / 86_400)} d`
}

/** The same in whole seconds, for what is always in sight and should not flicker. */
export function coarseSpan(seconds: number): string {
  return seconds < 9.95 ? `${Math.max(0, Math.floor(seconds))} s` : span(seconds)
}

/** A longer span in the two units that matter: "3 h 12 min", "2 d 4 h", "41 min", "8 s". */
export function longSpan(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  const minutes = Math.round(s / 60)
  if (minutes < 60) return `${minutes} min`
  const joined = (big: number, bigUnit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`
  if (minutes < 48 * 60) return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(minutes / 60)
  return joined(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** Names in one phrase: "a", "a or b", "a, b or c". */
export function listed(names: readonly string[], word: 'and' | 'or'): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`
}

const grouped = new Intl.NumberFormat('en', { useGrouping: true })

/** A count with thin groups: "12 345". */
export function count(n: number): string {
  return grouped.format(n).replace(/,/g, '\u202f')
}

/** A size in the largest decimal unit that fits: "999 B", "48 kB", "1.2 MB". */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, at] = [n, 0]
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000
    at += 1
  }
  return `${at > 1 && value < 99.95 ? value.toFixed(1) : value.toFixed(0)} ${units[at]}`
}

export function speed_kmh(metresPerSecond: number | null | undefined): string {
  return metresPerSecond === null || metresPerSecond === undefined ? '–' : `${Math.round(metresPerSecond * 3.6)}`
}

const POINTS = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'] as const

/** A heading with the point of the compass nearest to it: "354° N". */
export function heading(degrees: number | null | undefined): string {
  if (degrees === null || degrees === undefined) return '–'
  const whole = Math.round(((degrees % 360) + 360) % 360) % 360
  return `${whole}° ${POINTS[Math.round(whole / 45) % 8]}`
}

export function coordinates(lat: number, lon: number): string {
  const part = (value: number, positive: string, negative: string) =>
    `${Math.abs(value).toFixed(5)}° ${value < 0 ? negative : positive}`
  return `${part(lat, 'N', 'S')}, ${part(lon, 'E', 'W')}`
}

export const STATE_WORDS: Record<State, { word: string; meaning: string }> = {
  online: { word: 'Online', meaning: 'connected, and its gateway was heard' },
  idle: { word: 'Idle', meaning: 'no connection, reachable within its timer' },
  asleep: { word: 'Asleep', meaning: 'sleeping on purpose, can be paged' },
  unreachable: { word: 'Unreachable', meaning: 'not heard for longer than its timer allows' },
  offline: { word: 'Offline', meaning: 'left, on purpose or after a long silence' },
  stale: { word: 'Stale', meaning: 'its gateway is not heard from here: last known state' },
  unknown: { word: 'Unknown', meaning: 'no record in this view' },
}

const CAUSES: Record<string, string> = {
  ignition_off: 'ignition off',
  service: 'in service',
  shutdown: 'unit shut down',
  handover: 'moved to another gateway',
  unspecified: 'no reason given',
  implicit: 'silent for too long',
}

export function causeWords(cause: string): string {
  return CAUSES[cause] ?? cause.replaceAll('_', ' ')
}

/** A signal's value for a table. */
export function signalValue(value: unknown): string {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return count(value)
    return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(4).replace(/\.?0+$/, '')
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (value === null || value === undefined) return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
