// The console's conversation with its gateway: the stream, the listing, the regions.
//
// Owns the fleet and what is known of the regions and of the link. Lists every vehicle when the stream opens and
// whenever events were missed; applies stream events as they come.

import {
  faultText,
  type FixJson,
  listVehicles,
  readRegions,
  readViews,
  type RegionsJson,
  type VehicleJson,
  type ViewsJson,
} from './api'
import { Fleet } from './fleet'
import type { CommandJson } from './presence-api'
import { Stream, type StreamEvent } from './sse'

export type Link =
  { kind: 'connecting' } | { kind: 'live' } | { kind: 'lost'; since: number; retryAt: number; why: string }

/** The page's clock, seconds; steady, unlike the wall clock. */
export const pageClock = (): number => performance.now() / 1000

const RELIST_RETRY_MS = 3000
/** The stream tells of regions only when something changed; an older reading than this is asked for anew. */
const REGIONS_AGE_S = 3
const REGIONS_TIMEOUT_MS = 10_000

export interface SessionEvents {
  /** Anything but positions. */
  changed(): void
  /** Positions, with the vehicles concerned. */
  fixed(fixes: FixJson[]): void
  /** What is shown of a vehicle changed. */
  presence(id: string): void
  command(command: CommandJson): void
  /** The stream begins, or left something out: what was read before may be old. */
  missed(): void
}

export class Session {
  readonly fleet = new Fleet()
  link: Link = { kind: 'connecting' }
  gateway = ''
  region = ''
  regions: RegionsJson | null = null
  /** When the regions were read, seconds of the page's clock. */
  regionsAt = 0
  /** What every gateway sees; asked for only while it is looked at. */
  views: ViewsJson | null = null
  /** When the views were read, seconds of the page's clock. */
  viewsAt = 0
  /** When the stream last carried an event. */
  heardAt = 0
  /** How far the gateway's clock is ahead of this page's wall clock, milliseconds. */
  clockAhead_ms = 0
  /** Whether a first listing has ended. */
  listed = false
  /** Why the last listing failed, if it did. */
  listingFault: string | null = null

  private readonly stream: Stream
  private listing: AbortController | null = null
  private readingRegions = false
  private readingViews = false
  private relistTimer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly events: SessionEvents) {
    this.stream = new Stream('v1/stream?kind=presence,positions,commands', {
      opened: () => this.opened(),
      received: (event) => this.received(event),
      lost: (retryIn_ms, why) => this.lost(retryIn_ms, why),
    })
  }

  start(): void {
    this.stream.start()
  }

  retryNow(): void {
    this.stream.retryNow()
  }

  /** Asks for the regions when the stream has not told of them for a while: their ages must not grow by themselves. */
  keepRegionsFresh(): void {
    if (this.link.kind !== 'live' || this.readingRegions || pageClock() - this.regionsAt < REGIONS_AGE_S) return
    void this.loadRegions()
  }

  /** Asks what every gateway sees, if the last reading is old; for as long as someone looks. */
  keepViewsFresh(): void {
    if (this.link.kind !== 'live' || this.readingViews || pageClock() - this.viewsAt < REGIONS_AGE_S) return
    void this.loadViews()
  }

  /** The gateway's time as this page knows it. */
  gatewayTime(): Date {
    return new Date(Date.now() + this.clockAhead_ms)
  }

  private opened(): void {
    this.link = { kind: 'live' }
    this.heardAt = pageClock()
    void this.list()
    void this.loadRegions()
    this.events.missed()
    this.events.changed()
  }

  private lost(retryIn_ms: number, why: string): void {
    const now = pageClock()
    const since = this.link.kind === 'lost' ? this.link.since : this.heardAt || now
    this.link = { kind: 'lost', since, retryAt: now + retryIn_ms / 1000, why }
    this.events.changed()
  }

  private received({ event, data }: StreamEvent): void {
    const now = pageClock()
    this.heardAt = now
    let body: unknown
    try {
      body = JSON.parse(data)
    } catch {
      console.warn(`a ${event} event is not JSON and was left out`)
      return
    }
    switch (event) {
      case 'hello': {
        const hello = body as { gateway: string; region: string; time: string }
        this.gateway = hello.gateway
        this.region = hello.region
        this.setClock(hello.time)
        break
      }
      case 'presence':
        this.fleet.takePresence(body as VehicleJson, now)
        this.events.presence((body as VehicleJson).id)
        break
      case 'command':
        this.events.command(body as CommandJson)
        break
      case 'positions': {
        const { positions } = body as { positions: FixJson[] }
        this.fleet.takeFixes(positions, now)
        this.events.fixed(positions)
        return
      }
      case 'regions':
        this.takeRegions(body as RegionsJson, now)
        break
      case 'missed':
        void this.list()
        this.events.missed()
        break
      default:
        // A later gateway may speak of more than this console knows.
        return
    }
    this.events.changed()
  }

  private async list(): Promise<void> {
    clearTimeout(this.relistTimer)
    this.listing?.abort()
    const listing = (this.listing = new AbortController())
    this.fleet.beginListing()
    let askedAt = pageClock()
    try {
      await listVehicles((page) => {
        this.fleet.takeListed(page, askedAt)
        askedAt = pageClock()
        this.events.changed()
      }, listing.signal)
      this.fleet.endListing()
      this.listed = true
      this.listingFault = null
    } catch (error) {
      if (listing.signal.aborted) return
      this.fleet.abandonListing()
      this.listingFault = faultText(error)
      this.relistTimer = setTimeout(() => void this.list(), RELIST_RETRY_MS)
    }
    this.listing = null
    this.events.changed()
  }

  private async loadRegions(): Promise<void> {
    const askedAt = pageClock()
    this.readingRegions = true
    try {
      const regions = await readRegions(AbortSignal.timeout(REGIONS_TIMEOUT_MS))
      if (askedAt >= this.regionsAt) this.takeRegions(regions, askedAt)
      this.events.changed()
    } catch {
      // Asked for again soon; a gateway that does not answer loses its stream too, and that is shown.
    }
    this.readingRegions = false
  }

  private async loadViews(): Promise<void> {
    const askedAt = pageClock()
    this.readingViews = true
    try {
      this.views = await readViews(AbortSignal.timeout(REGIONS_TIMEOUT_MS))
      this.viewsAt = askedAt
      this.events.changed()
    } catch {
      // As with the regions.
    }
    this.readingViews = false
  }

  private takeRegions(regions: RegionsJson, at: number): void {
    this.regions = regions
    this.regionsAt = at
    this.gateway = regions.gateway
    this.region = regions.region
    this.setClock(regions.time)
  }

  private setClock(time: string): void {
    const ahead = Date.parse(time) - Date.now()
    if (Number.isFinite(ahead)) this.clockAhead_ms = ahead
  }
}
