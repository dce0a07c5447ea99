// What can be asked of one vehicle beyond its state: its timeline, a page, its commands. Shapes, and one function
// a request, as in api.ts.

import { pathOf, request, type State } from './api'

export interface TransitionJson {
  at: string
  /** From then on; `unknown` where that gateway let the vehicle go. */
  state: State
  cause?: string
  region: string
  gateway: string
  incarnation: string
  epoch: string
  session: string
  cell?: string
  cloned?: boolean
}

export interface TimelineJson {
  /** Newest first. */
  transitions: TransitionJson[]
  next: string | null
  missing_regions: string[]
}

export interface PageJson {
  vehicle: string
  outcome: 'reachable' | 'woken' | 'unreachable'
  took_s: number
  gateway?: string
  detail: string
}

export const COMMAND_STATES = [
  'queued',
  'paging',
  'sent',
  'accepted',
  'running',
  'succeeded',
  'failed',
  'rejected',
  'expired',
  'cancelled',
  'unknown',
] as const
export type CommandState = (typeof COMMAND_STATES)[number]

export const POLICIES = ['now', 'queue', 'latest_wins'] as const
export type Policy = (typeof POLICIES)[number]

export interface StepJson {
  state: CommandState
  age_s: number
  gateway: string
  text?: string
}

export interface CommandJson {
  id: string
  vehicle: string
  name: string
  arguments?: unknown
  policy: Policy
  key?: string
  state: CommandState
  /** Nothing more will become of it. */
  ended: boolean
  durability?: 'safe' | 'local'
  age_s: number
  ttl_s: number
  expires_in_s: number
  percent?: number
  code?: string
  text?: string
  result?: unknown
  origin: string
  /** Oldest first. */
  steps: StepJson[]
  missing_regions?: string[]
}

export interface CommandsJson {
  /** Newest first. */
  commands: CommandJson[]
  missing_regions: string[]
}

export interface NewCommandJson {
  name: string
  arguments?: unknown
  ttl_s: number
  policy: Policy
  key?: string
  wake: boolean
}

/** Transitions of one answer: enough for a day of a vehicle that moves about. */
const TRANSITIONS_PAGE = 100

/** How long a gateway may take to say that it took a command or a cancel; it waits a second for another region. */
const ORDER_TIMEOUT_MS = 15_000

/** How long a page may take, seconds. */
export const PAGE_WAIT_S = 30

export function readTimeline(id: string, cursor: string | null, signal: AbortSignal): Promise<TimelineJson> {
  const query = new URLSearchParams({ limit: String(TRANSITIONS_PAGE) })
  if (cursor !== null) query.set('cursor', cursor)
  return request(`${pathOf(id)}/timeline?${query}`, { signal })
}

/** Asks whether the vehicle can be reached now, waking it if it has no socket. */
export function page(id: string, signal: AbortSignal): Promise<PageJson> {
  return request(`${pathOf(id)}/page`, { method: 'POST', body: { wait_s: PAGE_WAIT_S, wake: true }, signal })
}

/** Asks a connected vehicle for its signals now. */
export function askSnapshot(id: string, signal: AbortSignal): Promise<{ gateway: string }> {
  return request(`${pathOf(id)}/snapshot`, { method: 'POST', signal })
}

export function readCommands(id: string, signal: AbortSignal): Promise<CommandsJson> {
  return request(`${pathOf(id)}/commands`, { signal })
}

/** Sends a command; the same `requestKey` again is answered with the command that was taken the first time. */
export function sendCommand(id: string, body: NewCommandJson, requestKey: string): Promise<CommandJson> {
  const headers = { 'idempotency-key': requestKey }
  const signal = AbortSignal.timeout(ORDER_TIMEOUT_MS)
  return request(`${pathOf(id)}/commands`, { method: 'POST', body, headers, signal })
}

export function cancelCommand(id: string): Promise<CommandJson> {
  const signal = AbortSignal.timeout(ORDER_TIMEOUT_MS)
  return request(`v1/commands/${encodeURIComponent(id)}`, { method: 'DELETE', signal })
}
