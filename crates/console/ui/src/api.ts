// The operator API as the console reads it: shapes, and one function a request.
//
// Never retries and never keeps state; who asks decides what a failure means.

export const STATES = ['online', 'idle', 'asleep', 'unreachable', 'offline', 'stale', 'unknown'] as const
export type State = (typeof STATES)[number]

export interface PositionJson {
  lat: number
  lon: number
  t: string
  speed: number | null
  heading: number | null
}

export interface VehicleJson {
  id: string
  fleet?: string | null
  state: State
  last_known?: State
  stale_why?: 'owner_lost' | 'owner_left' | 'owner_restarted' | 'view_cut_off'
  cause?: string | null
  region?: string | null
  gateway?: string | null
  epoch?: string | null
  session?: string | null
  age_s?: number | null
  age_kind?: 'measured' | 'bound'
  view_age_s?: number | null
  cell?: string | null
  position?: PositionJson | null
  update_expected_in_s?: number | null
  /** How it can be woken when it has no socket. */
  wake?: string[]
  /** Whether two units seem to use its identity. */
  cloned?: boolean
}

export interface ViewJson {
  complete: boolean
  missing_regions: string[]
}

export interface VehicleDetailJson extends VehicleJson {
  signals?: Record<string, { value: unknown; t: string }>
  view?: ViewJson
  waiting_commands?: number
}

export interface FixJson {
  id: string
  lat: number
  lon: number
  t: number
  speed: number | null
  heading: number | null
}

export interface RecordJson {
  t: string
  lat: number | null
  lon: number | null
  speed: number | null
  heading: number | null
}

export interface GatewayJson {
  id: string
  self: boolean
  status: 'alive' | 'relayed' | 'lost' | 'unknown'
  operators_url?: string | null
  vehicles_url?: string | null
  heard_ago_s?: number | null
  lag_entries?: number | null
  lag_s?: number | null
  stale_for_s?: number | null
  vehicles: Partial<Record<State, number>>
  draining?: boolean
  link?: LinkJson | null
  /** What it last said of itself. */
  said?: { sessions: number; load: number; log_head: string } | null
}

/** What passes between the gateway that answers and another. */
export interface LinkJson {
  up: boolean
  ahead_entries: number | null
  ahead_s: number | null
  bytes_sent: number
  bytes_received: number
  audit: { mismatches: number; equal_ago_s: number | null }
}

/** What one gateway sees. */
export interface GatewayViewJson {
  seen_by: string
  region: string
  gateways: (GatewayJson & { region: string })[]
}

/** What every gateway sees, as far as it says so. */
export interface ViewsJson {
  gateway: string
  time: string
  views: GatewayViewJson[]
  silent: { gateway: string | null; region: string | null; operators_url: string; why: string }[]
  logs: { owner: string; incarnation: string; agreement: string; head: string; behind: string[] }[]
}

export interface RegionsJson {
  gateway: string
  region: string
  time: string
  regions: { region: string; gateways: GatewayJson[] }[]
  totals: Partial<Record<State, number>>
  acked_records_total?: number
}

/** A request that was answered with an error, or not at all. */
export class ApiError extends Error {
  /** `parameter` names what the gateway found fault with, if it said so. */
  constructor(
    readonly status: number,
    message: string,
    readonly parameter: string | null = null,
  ) {
    super(message)
  }
}

/** What went wrong, in words. */
export function faultText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether what was asked for may have been done all the same: only a refusal says that it was not. */
export function mayHaveHappened(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status === 0 || error.status >= 500
}

/** Most rows in one answer; the API's own upper bounds. */
const VEHICLES_PAGE = 1000
const RECORDS_PAGE = 10_000
/** Pages of one listing, so that a server repeating its cursor cannot hold the page for ever. */
const PAGES_MAX = 1000

export interface Asking {
  method?: 'GET' | 'POST' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** Asks this gateway; anything but an answer of 2xx is an `ApiError`. */
export async function request<T>(path: string, { method = 'GET', body, headers, signal }: Asking = {}): Promise<T> {
  let answer: Response
  const sent: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
  try {
    answer = await fetch(path, {
      method,
      headers: { accept: 'application/json', ...sent, ...headers },
      body: body === undefined ? null : JSON.stringify(body),
      cache: 'no-store',
      signal,
    })
  } catch (error) {
    throw unanswered(error, signal)
  }
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string; parameter?: string }
    const detail = problem.detail ?? problem.title ?? `answered ${answer.status}`
    throw new ApiError(answer.status, detail, problem.parameter ?? null)
  }
  try {
    return (await answer.json()) as T
  } catch (error) {
    if (error instanceof SyntaxError) throw error
    throw unanswered(error, signal)
  }
}

/** What the asker is told when no whole answer came: its own abort as it is; its patience at an end is no answer. */
function unanswered(error: unknown, signal: AbortSignal | undefined): unknown {
  const patienceEnded = signal?.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
  return signal?.aborted && !patienceEnded ? error : new ApiError(0, 'this gateway does not answer')
}

/** Reads every vehicle, page by page. */
export async function listVehicles(onPage: (vehicles: VehicleJson[]) => void, signal?: AbortSignal): Promise<void> {
  let cursor: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = new URLSearchParams({ limit: String(VEHICLES_PAGE) })
    if (cursor !== null) query.set('cursor', cursor)
    const body: { vehicles: VehicleJson[]; next: string | null } = await request(`v1/vehicles?${query}`, { signal })
    onPage(body.vehicles)
    if (body.next === null || body.next === cursor) return
    cursor = body.next
  }
}

/** The path of a vehicle. */
export function pathOf(id: string): string {
  return `v1/vehicles/${encodeURIComponent(id)}`
}

export function readVehicle(id: string, signal?: AbortSignal): Promise<VehicleDetailJson> {
  return request(pathOf(id), { signal })
}

export function readRegions(signal?: AbortSignal): Promise<RegionsJson> {
  return request('v1/regions', { signal })
}

export function readViews(signal?: AbortSignal): Promise<ViewsJson> {
  return request('v1/views', { signal })
}

/** Reads a vehicle's records of a time span, in the order of their time, with the regions that did not answer. */
export async function readTelemetry(
  id: string,
  from: Date,
  to: Date,
  signal?: AbortSignal,
): Promise<{ records: RecordJson[]; missing: string[] }> {
  const records: RecordJson[] = []
  const missing = new Set<string>()
  let cursor: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = new URLSearchParams({
      from: from.toISOString(),
      to: to.toISOString(),
      limit: String(RECORDS_PAGE),
    })
    if (cursor !== null) query.set('cursor', cursor)
    const body: { records: RecordJson[]; next: string | null; missing_regions?: string[] } = await request(
      `${pathOf(id)}/telemetry?${query}`,
      { signal },
    )
    records.push(...body.records)
    for (const region of body.missing_regions ?? []) missing.add(region)
    if (body.next === null || body.next === cursor) break
    cursor = body.next
  }
  records.sort((a, b) => Date.parse(a.t) - Date.parse(b.t))
  return { records, missing: [...missing] }
}
