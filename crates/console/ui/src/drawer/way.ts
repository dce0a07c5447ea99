// The way one vehicle came in the last quarter of an hour: its speed, and its track on the map.
//
// Owns the points it read and drops them when another vehicle is chosen; they grow from the live stream.

import { ApiError, type FixJson, readTelemetry } from '../api'
import { el, setText } from '../dom'
import type { Vehicle } from '../fleet'
import { coarseSpan, speed_kmh } from '../format'
import type { Theme } from '../looks'
import { type Sample, SpeedChart } from '../speed-chart'
import { runs, type TrackPoint } from '../track'

export type Line = [lon: number, lat: number][]

const SPAN_MS = 15 * 60 * 1000
/** Points of the track and chart kept at once; a quarter of an hour at ten a second. */
const POINTS_MAX = 9000

export interface WayEvents {
  /** The way it came: the run up to now and those before; `toVehicle` when the first goes on to where it is. */
  trackChanged(now: Line, before: Line[], toVehicle: boolean): void
  marked(at: [number, number] | null): void
}

export class Way {
  private vehicle: Vehicle | null = null
  private points: TrackPoint[] = []
  private historyWords = ''
  private abort = new AbortController()
  /** Whether the chart's pointer tells of a moment. */
  private marking = false
  private chart: SpeedChart | null = null

  private readonly head = el('h3', {}, 'Speed')
  private readonly speedNow = el('b', 'figure')
  private readonly chartRoot = el('div', 'chart')
  private readonly note = el('p', 'chart-note')
  readonly root = el(
    'section',
    'way',
    el('div', 'speed', this.head, el('p', {}, this.speedNow, ' km/h')),
    this.chartRoot,
    this.note,
  )

  constructor(
    private readonly gatewayTime: () => Date,
    private readonly events: WayEvents,
    private theme: Theme,
  ) {}

  open(vehicle: Vehicle): void {
    this.vehicle = vehicle
    this.chart = new SpeedChart(this.chartRoot, this.theme, (sample) => this.mark(sample))
    void this.loadHistory(vehicle)
  }

  forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.vehicle = null
    this.points = []
    this.historyWords = ''
    setText(this.head, 'Speed')
    this.chart?.destroy()
    this.chart = null
    this.events.trackChanged([], [], false)
    this.events.marked(null)
  }

  setTheme(theme: Theme): void {
    this.theme = theme
    this.chart?.setTheme(theme)
  }

  /** Positions from the stream: those of this vehicle lengthen its track. */
  takeFixes(fixes: FixJson[]): void {
    const fix = this.vehicle === null ? undefined : fixes.find((f) => f.id === this.vehicle!.id)
    if (fix === undefined) return
    const last = this.points.at(-1)
    if (last !== undefined && fix.t <= last.t_ms) return
    this.points.push({ t_ms: fix.t, lon: fix.lon, lat: fix.lat, speed: fix.speed })
    this.showHistory()
  }

  draw(vehicle: Vehicle): void {
    // Of one that is not connected nobody knows how fast it is by now.
    setText(this.speedNow, speed_kmh(vehicle.state === 'online' ? vehicle.position?.speed : null))
    if (!this.marking) setText(this.note, this.historyWords)
  }

  private async loadHistory(vehicle: Vehicle): Promise<void> {
    const { signal } = this.abort
    const to = this.gatewayTime()
    this.historyWords = 'Reading its history …'
    try {
      const { records, missing } = await readTelemetry(
        vehicle.id,
        new Date(to.getTime() - SPAN_MS),
        new Date(to.getTime() + 60_000),
        signal,
      )
      const stored = records.flatMap((r) =>
        r.lat === null || r.lon === null ? [] : [{ t_ms: Date.parse(r.t), lon: r.lon, lat: r.lat, speed: r.speed }],
      )
      const newest = stored.at(-1)?.t_ms ?? 0
      this.points = [...stored, ...this.points.filter((p) => p.t_ms > newest)]
      this.historyWords =
        missing.length > 0
          ? `Incomplete: ${missing.join(', ')} did not answer.`
          : stored.length === 0
            ? 'No records in the last 15 minutes.'
            : ''
    } catch (error) {
      if (signal.aborted) return
      this.historyWords =
        error instanceof ApiError ? `Its history cannot be read: ${error.message}.` : 'Its history cannot be read.'
    }
    this.showHistory()
    this.draw(vehicle)
  }

  private showHistory(): void {
    const oldest = this.gatewayTime().getTime() - SPAN_MS
    const from = Math.max(
      this.points.findIndex((p) => p.t_ms >= oldest),
      this.points.length - POINTS_MAX,
      0,
    )
    this.points = this.points.slice(from)
    this.chart?.show(this.points.map((p) => ({ t: p.t_ms / 1000, speed: p.speed === null ? null : p.speed * 3.6 })))
    const covered_s = ((this.points.at(-1)?.t_ms ?? 0) - (this.points[0]?.t_ms ?? 0)) / 1000
    setText(this.head, covered_s < 1 ? 'Speed' : `Speed, last ${coarseSpan(Math.ceil(covered_s))}`)
    // An online vehicle is drawn on its way to the last fix, so its track ends at the one before.
    const moving = this.vehicle?.state === 'online'
    const lines = runs(this.points).map((run) => run.map((p): [number, number] => [p.lon, p.lat]))
    const now = lines.pop() ?? []
    this.events.trackChanged(moving ? now.slice(0, -1) : now, lines, moving)
  }

  private mark(sample: Sample | null): void {
    const point = sample === null ? undefined : this.points.find((p) => p.t_ms / 1000 >= sample.t - 0.001)
    this.marking = point !== undefined
    this.events.marked(point === undefined ? null : [point.lon, point.lat])
    if (point === undefined || sample === null) {
      setText(this.note, this.historyWords)
      return
    }
    const at = new Date(point.t_ms).toLocaleTimeString('en-GB')
    this.note.textContent = `${at} · ${point.speed === null ? '–' : speed_kmh(point.speed)} km/h`
  }
}
