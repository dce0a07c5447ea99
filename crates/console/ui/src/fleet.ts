// Every vehicle this gateway speaks of, as last heard.
//
// Owns the vehicles and their counts by state and region; tells nobody by itself: who shows something looks at
// `revision` when it draws. Takes listings and stream events in any order: what the stream said during a
// listing is newer than the listing's row.

import { type FixJson, type State, STATES, type VehicleJson } from './api'
import { Motion } from './motion'

export interface Fix {
  lat: number
  lon: number
  /** By the vehicle's clock, milliseconds since 1970. */
  t: number
  speed: number | null
  heading: number | null
}

export interface Vehicle {
  id: string
  /** Lower-case identifier, for the search. */
  key: string
  row: number
  fleet: string | null
  state: State
  lastKnown: State | null
  staleWhy: string | null
  cause: string | null
  region: string | null
  gateway: string | null
  epoch: string | null
  session: string | null
  cell: string | null
  /** When it was last heard, in seconds of this page's clock; never later than it truly was. */
  heardAt: number | null
  /** Whether `heardAt` is only a bound: it may have been heard later. */
  heardIsBound: boolean
  /** When the serving gateway was last heard, as far as this one knows, seconds of this page's clock. */
  viewHeardAt: number | null
  /** How it can be woken when it has no socket. */
  wake: readonly string[]
  /** Two units seem to use its identity. */
  cloned: boolean
  /** When the next update of an idle or sleeping one is due, seconds of this page's clock. */
  expectedAt: number | null
  position: Fix | null
}

/** How long positions may wait in the gateway before the stream carries them, seconds. */
const STREAM_LAG_S = 0.5

const order = new Intl.Collator('en', { numeric: true })

export class Fleet {
  readonly vehicles = new Map<string, Vehicle>()
  readonly byState = Object.fromEntries(STATES.map((s) => [s, 0])) as Record<State, number>
  readonly motion = new Motion()
  /** Rises with every change of a vehicle's state, region or existence. */
  revision = 0
  /** Rises with every change of the set of vehicles. */
  membership = 0

  private rowOwners: (Vehicle | undefined)[] = []
  private sorted: Vehicle[] = []
  private sortedAt = -1
  /** Vehicles the stream spoke of since the listing began; null when none runs. */
  private spokenOf: Set<string> | null = null
  private listed: Set<string> | null = null

  /** A listing begins: what it does not name is gone when it ends. */
  beginListing(): void {
    this.spokenOf = new Set()
    this.listed = new Set()
  }

  /** A page of the listing; `askedAt` is when it was asked for, so that no age is shown too young. */
  takeListed(page: VehicleJson[], askedAt: number): void {
    for (const json of page) {
      this.listed?.add(json.id)
      if (this.spokenOf?.has(json.id)) continue
      this.take(json, askedAt)
      this.takePosition(json, askedAt)
    }
  }

  endListing(): void {
    if (this.listed !== null && this.spokenOf !== null) {
      for (const id of [...this.vehicles.keys()]) {
        if (!this.listed.has(id) && !this.spokenOf.has(id)) this.remove(id)
      }
    }
    this.spokenOf = this.listed = null
  }

  /** The listing broke off: nothing is concluded from what it did not name. */
  abandonListing(): void {
    this.spokenOf = this.listed = null
  }

  /** A transition from the stream. */
  takePresence(json: VehicleJson, now: number): void {
    this.spokenOf?.add(json.id)
    this.take(json, now)
  }

  /** One vehicle read by itself. */
  takeRead(json: VehicleJson, askedAt: number): void {
    this.take(json, askedAt)
    this.takePosition(json, askedAt)
  }

  /** Positions from the stream: each was heard at most a flush of the stream ago. */
  takeFixes(fixes: FixJson[], now: number): void {
    for (const fix of fixes) {
      const vehicle = this.vehicles.get(fix.id)
      if (vehicle === undefined || !this.place(vehicle, fix, now)) continue
      const heardAt = now - STREAM_LAG_S
      if (vehicle.heardAt === null || heardAt > vehicle.heardAt) {
        vehicle.heardAt = heardAt
        vehicle.heardIsBound = false
      }
    }
  }

  /** All vehicles in the natural order of their identifiers. */
  inOrder(): readonly Vehicle[] {
    if (this.sortedAt !== this.membership) {
      this.sorted = [...this.vehicles.values()].sort((a, b) => order.compare(a.id, b.id))
      this.sortedAt = this.membership
    }
    return this.sorted
  }

  /** Whose row of the motion it is. */
  ownerOf(row: number): Vehicle | undefined {
    return this.rowOwners[row]
  }

  private take(json: VehicleJson, at: number): void {
    let vehicle = this.vehicles.get(json.id)
    if (vehicle === undefined) vehicle = this.add(json.id)
    const state = (STATES as readonly string[]).includes(json.state) ? json.state : 'unknown'
    if (vehicle.state !== state) {
      this.byState[vehicle.state]--
      this.byState[state]++
      vehicle.state = state
      if (state !== 'online') this.motion.settle(vehicle.row, at)
    }
    vehicle.fleet = json.fleet ?? null
    vehicle.lastKnown = json.last_known ?? null
    vehicle.staleWhy = json.stale_why ?? null
    vehicle.cause = json.cause ?? null
    vehicle.region = json.region ?? null
    vehicle.gateway = json.gateway ?? null
    vehicle.epoch = json.epoch ?? null
    vehicle.session = json.session ?? null
    vehicle.cell = json.cell ?? null
    if (json.age_s !== null && json.age_s !== undefined) {
      const heardAt = at - json.age_s
      // A position of the stream may have told of a later moment than this row knows.
      if (vehicle.heardAt === null || heardAt > vehicle.heardAt || state !== 'online') {
        vehicle.heardAt = heardAt
        vehicle.heardIsBound = json.age_kind === 'bound'
      }
    }
    const view = json.view_age_s ?? null
    vehicle.viewHeardAt = view === null ? null : at - view
    vehicle.wake = json.wake ?? []
    vehicle.cloned = json.cloned ?? false
    const due = json.update_expected_in_s
    vehicle.expectedAt = due === null || due === undefined ? null : at + due
    this.revision++
  }

  private takePosition(json: VehicleJson, at: number): void {
    const vehicle = this.vehicles.get(json.id)
    if (vehicle === undefined || !json.position) return
    this.place(vehicle, { id: json.id, ...json.position, t: Date.parse(json.position.t) }, at)
  }

  private place(vehicle: Vehicle, fix: FixJson, at: number): boolean {
    if (!Number.isFinite(fix.lat) || !Number.isFinite(fix.lon) || !Number.isFinite(fix.t)) return false
    if (!this.motion.fix(vehicle.row, fix.lon, fix.lat, fix.t, fix.speed, fix.heading, at)) return false
    vehicle.position = { lat: fix.lat, lon: fix.lon, t: fix.t, speed: fix.speed, heading: fix.heading }
    if (vehicle.state !== 'online') this.motion.settle(vehicle.row, at)
    return true
  }

  private add(id: string): Vehicle {
    const vehicle: Vehicle = {
      id,
      key: id.toLowerCase(),
      row: this.motion.add(),
      fleet: null,
      state: 'unknown',
      lastKnown: null,
      staleWhy: null,
      cause: null,
      region: null,
      gateway: null,
      epoch: null,
      session: null,
      cell: null,
      heardAt: null,
      heardIsBound: false,
      viewHeardAt: null,
      wake: [],
      cloned: false,
      expectedAt: null,
      position: null,
    }
    this.vehicles.set(id, vehicle)
    this.rowOwners[vehicle.row] = vehicle
    this.byState.unknown++
    this.membership++
    return vehicle
  }

  private remove(id: string): void {
    const vehicle = this.vehicles.get(id)
    if (vehicle === undefined) return
    this.vehicles.delete(id)
    this.rowOwners[vehicle.row] = undefined
    this.motion.remove(vehicle.row)
    this.byState[vehicle.state]--
    this.membership++
    this.revision++
  }
}
