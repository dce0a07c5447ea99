// Whether a vehicle can be reached, in words. Pure.

import type { Vehicle } from '../fleet'
import { causeWords, listed, longSpan, span, STATE_WORDS } from '../format'
import type { PageJson } from '../presence-api'

const CHANNELS: Record<string, string> = { sms: 'SMS', mqtt: 'MQTT' }

/** What it is now: the state, and what follows from it. */
export function headline(vehicle: Vehicle, now: number): string {
  const { word } = STATE_WORDS[vehicle.state]
  switch (vehicle.state) {
    case 'online':
      return vehicle.gateway === null ? word : `${word}, connected to ${vehicle.gateway}`
    case 'idle':
      return [word, due(vehicle, now, 'reports'), wakeable(vehicle)].filter((part) => part !== null).join(', ')
    case 'asleep':
      return [word, due(vehicle, now, 'next update'), wakeable(vehicle)].filter((part) => part !== null).join(', ')
    case 'unreachable':
      return `${word}: it did not report in time`
    case 'offline':
      return vehicle.cause === null ? word : `${word}: ${causeWords(vehicle.cause)}`
    case 'stale':
      return `${word}: was ${STATE_WORDS[vehicle.lastKnown ?? 'unknown'].word.toLowerCase()}, ${staleWords(vehicle, now)}`
    case 'unknown':
      return `${word}: no gateway that is heard has a record of it`
  }
}

/** What that rests on: when it was heard, through whom, what waits for it. */
export function evidence(vehicle: Vehicle, now: number, waiting: number): string {
  const parts: string[] = []
  if (vehicle.heardAt !== null) {
    const age = span(now - vehicle.heardAt)
    parts.push(vehicle.heardIsBound ? `heard at most ${age} ago` : `heard ${age} ago`)
  }
  if (vehicle.gateway !== null && vehicle.state !== 'online') parts.push(`via ${vehicle.gateway}`)
  if (waiting > 0) parts.push(waiting === 1 ? '1 command waits for it' : `${waiting} commands wait for it`)
  const words = parts.join(' · ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function due(vehicle: Vehicle, now: number, what: string): string | null {
  if (vehicle.expectedAt === null) return null
  const left = vehicle.expectedAt - now
  return left > 0 ? `${what} in ${longSpan(left)}` : `${what} ${longSpan(-left)} overdue`
}

function wakeable(vehicle: Vehicle): string {
  const names = vehicle.wake.map((channel) => CHANNELS[channel] ?? channel)
  return names.length === 0 ? 'cannot be woken' : `can be woken by ${listed(names, 'or')}`
}

function staleWords(vehicle: Vehicle, now: number): string {
  switch (vehicle.staleWhy) {
    case 'owner_left':
      return 'its gateway has stopped'
    case 'owner_restarted':
      return 'its gateway restarted and has not heard it since'
    case 'view_cut_off':
      return 'this gateway is cut off from its region'
    default:
      return vehicle.viewHeardAt === null
        ? 'its gateway is not heard'
        : `its gateway has not been heard for ${longSpan(now - vehicle.viewHeardAt)}`
  }
}

/** The answer to a page in words. */
export function outcomeWords(page: PageJson): { word: string; rest: string } {
  const took = span(page.took_s)
  const via = page.gateway === undefined ? '' : ` via ${page.gateway}`
  switch (page.outcome) {
    case 'reachable':
      return { word: 'Reachable', rest: `it answered${via} after ${took}` }
    case 'woken':
      return { word: 'Woken', rest: `it attached${via} after ${took}` }
    case 'unreachable':
      return { word: 'Not reached', rest: page.detail === '' ? `no answer within ${took}` : `${page.detail} (${took})` }
  }
}
