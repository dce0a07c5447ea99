// One vehicle: its state in words, where it is, its last quarter of an hour, its signals.
//
// Owns what it read of that vehicle and drops it when another is chosen. Asks for the detail every few seconds
// while open; the track and chart grow from the live stream.

import { ApiError, type FixJson, readTelemetry, readVehicle, type VehicleDetailJson } from './api'
import { el, icon, setText } from './dom'
import type { Vehicle } from './fleet'
import {
  causeWords,
  coarseSpan,
  coordinates,
  heading,
  signalValue,
  span,
  speed_kmh,
  staleWords,
  STATE_WORDS,
} from './format'
import { setSign, sign, type Theme } from './looks'
import { type Sample, SpeedChart } from './speed-chart'
import { runs, type TrackPoint } from './track'

export type Line = [lon: number, lat: number][]

const SPAN_MS = 15 * 60 * 1000
const READ_EVERY_S = 2
/** Points of the track and chart kept at once; a quarter of an hour at ten a second. */
const POINTS_MAX = 9000

export interface DrawerEvents {
  closed(): void
  followToggled(): void
  /** The way it came: the run up to now and those before; `toVehicle` when the first goes on to where it is. */
  trackChanged(now: Line, before: Line[], toVehicle: boolean): void
  marked(at: [number, number] | null): void
  /** The vehicle was read by itself, asked for at that second of the page's clock. */
  read(detail: VehicleDetailJson, askedAt: number): void
}

export class Drawer {
  private vehicle: Vehicle | null = null
  private detail: VehicleDetailJson | null = null
  private points: TrackPoint[] = []
  private historyWords = ''
  private abort = new AbortController()
  private readAt = 0
  private reading = false
  /** Whether the chart's pointer tells of a moment. */
  private marking = false
  private chart: SpeedChart | null = null
  private readonly facts = new Map<string, HTMLElement>()

  private readonly sign = sign('unknown')
  private readonly name = el('h2', { attributes: { tabindex: '-1' } })
  private readonly sentence = el('p', 'sentence')
  private readonly note = el('p', { class: 'note', attributes: { hidden: '' } })
  private readonly followButton: HTMLButtonElement
  private readonly speedHead = el('h3', {}, 'Speed')
  private readonly speedNow = el('b', 'figure')
  private readonly chartRoot = el('div', 'chart')
  private readonly chartNote = el('p', 'chart-note')
  private readonly signals = el('dl', 'signals')
  private readonly signalsHead = el('h3', {}, 'Latest signals')

  constructor(
    private readonly root: HTMLElement,
    private readonly clock: () => number,
    private readonly gatewayTime: () => Date,
    private readonly events: DrawerEvents,
    private theme: Theme,
  ) {
    this.followButton = el(
      'button',
      {
        class: 'follow',
        title: 'Keep it in the middle of the map (f)',
        attributes: { type: 'button', 'aria-pressed': 'false' },
        on: { click: () => events.followToggled() },
      },
      'Follow',
    )
    const close = el(
      'button',
      {
        class: 'icon',
        title: 'Close (Esc)',
        attributes: { type: 'button', 'aria-label': 'Close' },
        on: { click: () => events.closed() },
      },
      icon('M4 4l8 8M12 4l-8 8'),
    )
    const facts = el(
      'dl',
      'facts',
      ...['Position', 'Heading', 'Gateway', 'Cell', 'Epoch', 'Session'].flatMap((label) => this.fact(label)),
    )
    root.append(
      el('header', {}, this.sign, this.name, this.followButton, close),
      el(
        'div',
        'body',
        this.sentence,
        this.note,
        el('div', 'speed', this.speedHead, el('p', {}, this.speedNow, ' km/h')),
        this.chartRoot,
        this.chartNote,
        facts,
        this.signalsHead,
        this.signals,
      ),
    )
  }

  shown(): Vehicle | null {
    return this.vehicle
  }

  open(vehicle: Vehicle): void {
    if (this.vehicle?.id === vehicle.id) return
    this.forget()
    this.vehicle = vehicle
    this.root.hidden = false
    this.root.querySelector('.body')!.scrollTop = 0
    this.chart = new SpeedChart(this.chartRoot, this.theme, (sample) => this.mark(sample))
    void this.loadHistory(vehicle)
    this.draw()
  }

  close(): void {
    this.forget()
    this.root.hidden = true
  }

  setTheme(theme: Theme): void {
    this.theme = theme
    this.chart?.setTheme(theme)
  }

  setFollowing(following: boolean): void {
    this.followButton.setAttribute('aria-pressed', String(following))
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

  /** Writes what ages, and reads the vehicle again when it is time. */
  draw(): void {
    const { vehicle } = this
    if (vehicle === null) return
    const now = this.clock()
    this.root.dataset.state = vehicle.state
    setSign(this.sign, vehicle.state)
    setText(this.name, vehicle.id)
    setText(this.sentence, sentence(vehicle, now))
    setText(this.speedNow, speed_kmh(vehicle.position?.speed))
    this.writeFacts(vehicle)
    if (!this.marking) setText(this.chartNote, this.historyWords)
    if (!this.reading && now - this.readAt >= READ_EVERY_S) void this.read(vehicle)
  }

  private forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.vehicle = this.detail = null
    this.points = []
    this.historyWords = ''
    setText(this.speedHead, 'Speed')
    this.readAt = 0
    this.reading = false
    this.chart?.destroy()
    this.chart = null
    this.signals.replaceChildren()
    this.signalsHead.hidden = true
    this.note.hidden = true
    this.events.trackChanged([], [], false)
    this.events.marked(null)
  }

  private async read(vehicle: Vehicle): Promise<void> {
    const { signal } = this.abort
    const askedAt = this.clock()
    this.reading = true
    try {
      const detail = await readVehicle(vehicle.id, signal)
      this.detail = detail
      this.events.read(detail, askedAt)
      this.writeSignals()
      const missing = detail.view?.missing_regions ?? []
      this.note.hidden = missing.length === 0
      setText(this.note, `${missing.join(', ')} did not answer: a newer state may be known there.`)
    } catch (error) {
      if (signal.aborted) return
      this.note.hidden = false
      setText(this.note, `Shown as last heard: ${error instanceof Error ? error.message : String(error)}.`)
    }
    this.reading = false
    this.readAt = this.clock()
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
    this.draw()
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
    setText(this.speedHead, covered_s < 1 ? 'Speed' : `Speed, last ${coarseSpan(Math.ceil(covered_s))}`)
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
      setText(this.chartNote, this.historyWords)
      return
    }
    const at = new Date(point.t_ms).toLocaleTimeString('en-GB')
    this.chartNote.textContent = `${at} · ${point.speed === null ? '–' : speed_kmh(point.speed)} km/h`
  }

  private fact(label: string): [HTMLElement, HTMLElement] {
    const value = el('dd')
    this.facts.set(label, value)
    return [el('dt', {}, label), value]
  }

  private writeFacts(vehicle: Vehicle): void {
    const { position } = vehicle
    const write = (label: string, text: string | null) => setText(this.facts.get(label)!, text ?? '–')
    write('Position', position === null ? null : coordinates(position.lat, position.lon))
    write('Heading', heading(position?.heading))
    const elsewhere = vehicle.gateway !== null && vehicle.region !== null && vehicle.gateway !== vehicle.region
    write('Gateway', elsewhere ? `${vehicle.gateway} in ${vehicle.region}` : (vehicle.gateway ?? vehicle.region))
    write('Cell', vehicle.cell)
    write('Epoch', vehicle.epoch)
    write('Session', vehicle.session)
  }

  private writeSignals(): void {
    const entries = Object.entries(this.detail?.signals ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    this.signalsHead.hidden = entries.length === 0
    const now_ms = this.gatewayTime().getTime()
    this.signals.replaceChildren(
      ...entries.map(([path, { value, t }]) => {
        const age_s = (now_ms - Date.parse(t)) / 1000
        const [branch, leaf] = splitPath(path)
        return el(
          'div',
          { title: `${path}, ${span(age_s)} ago` },
          el('dt', {}, branch === '' ? null : el('span', {}, branch), leaf),
          el('dd', {}, signalValue(value)),
        )
      }),
    )
  }
}

/** "Vehicle.Powertrain.Battery.Level" as its branch and its leaf, without the root that all share. */
export function splitPath(path: string): [branch: string, leaf: string] {
  const parts = path.replace(/^Vehicle\./, '').split('.')
  return [
    parts
      .slice(0, -1)
      .map((p) => `${p} `)
      .join(''),
    parts.at(-1)!,
  ]
}

/** The state in words, with its age: what is known, since when, through whom. */
export function sentence(vehicle: Vehicle, now: number): string {
  const parts: string[] = []
  if (vehicle.state === 'stale') {
    parts.push(
      `Last known ${STATE_WORDS[vehicle.lastKnown ?? 'unknown'].word.toLowerCase()}`,
      staleWords(vehicle.staleWhy),
    )
  } else {
    parts.push(STATE_WORDS[vehicle.state].word)
    if (vehicle.cause !== null) parts.push(causeWords(vehicle.cause))
  }
  if (vehicle.heardAt !== null) {
    const age = span(now - vehicle.heardAt)
    parts.push(vehicle.heardIsBound ? `heard at most ${age} ago` : `heard ${age} ago`)
  }
  if (vehicle.state === 'idle' && vehicle.expectedAt !== null) {
    const due = vehicle.expectedAt - now
    parts.push(due > 0 ? `next update expected in ${span(due)}` : `its update is ${span(-due)} overdue`)
  }
  if (vehicle.gateway !== null) parts.push(`via ${vehicle.gateway}`)
  return parts.join(' · ')
}
