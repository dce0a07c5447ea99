// Where one vehicle is, who serves it, and the latest value of each of its signals.

import { faultText, readVehicle, type VehicleDetailJson } from '../api'
import { el, setText } from '../dom'
import type { Vehicle } from '../fleet'
import { coordinates, heading, signalValue, span } from '../format'
import { askSnapshot } from '../presence-api'

const READ_EVERY_S = 2

export interface FactsEvents {
  /** The vehicle was read by itself, asked for at that second of the page's clock. */
  read(detail: VehicleDetailJson, askedAt: number): void
}

export class Facts {
  private detail: VehicleDetailJson | null = null
  private abort = new AbortController()
  private readAt = 0
  private reading = false
  private asking = false

  private readonly values = new Map<string, HTMLElement>()
  readonly note = el('p', { class: 'note', attributes: { hidden: '' } })
  private readonly signals = el('dl', 'signals')
  private readonly ask = el(
    'button',
    {
      class: 'quiet',
      title: 'Ask the vehicle for all its signals now',
      attributes: { type: 'button' },
      on: { click: () => void this.askNow() },
    },
    'Ask now',
  )
  private readonly asked = el('p', { class: 'hint', attributes: { role: 'status' } })
  private readonly signalsRoot = el(
    'section',
    'signals-part',
    el('div', 'part-head', el('h3', {}, 'Latest signals'), this.ask),
    this.asked,
    this.signals,
  )
  readonly root = el(
    'div',
    {},
    el(
      'dl',
      'facts',
      ...['Position', 'Heading', 'Gateway', 'Cell', 'Epoch', 'Session'].flatMap((label) => this.fact(label)),
    ),
    this.signalsRoot,
  )

  constructor(
    private readonly clock: () => number,
    private readonly gatewayTime: () => Date,
    private readonly events: FactsEvents,
  ) {}

  /** Commands that wait for it, as far as this gateway knows. */
  waiting(): number {
    return this.detail?.waiting_commands ?? 0
  }

  forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.detail = null
    this.readAt = 0
    this.reading = this.asking = false
    this.signals.replaceChildren()
    this.signalsRoot.hidden = true
    this.note.hidden = true
    setText(this.asked, '')
  }

  /** Writes what ages, and reads the vehicle again when it is time. */
  draw(vehicle: Vehicle): void {
    this.writeFacts(vehicle)
    this.ask.hidden = vehicle.state !== 'online'
    this.signalsRoot.hidden = vehicle.state !== 'online' && Object.keys(this.detail?.signals ?? {}).length === 0
    if (!this.reading && this.clock() - this.readAt >= READ_EVERY_S) void this.read(vehicle)
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
      setText(this.note, `Shown as last heard: ${faultText(error)}.`)
    }
    this.reading = false
    this.readAt = this.clock()
  }

  private async askNow(): Promise<void> {
    const id = this.detail?.id
    if (id === undefined || this.asking) return
    const { signal } = this.abort
    this.asking = true
    setText(this.asked, 'Asking …')
    try {
      const { gateway } = await askSnapshot(id, signal)
      setText(this.asked, `Asked through ${gateway}; what it answers appears here.`)
    } catch (error) {
      if (signal.aborted) return
      setText(this.asked, `Not asked: ${faultText(error)}.`)
    }
    this.asking = false
  }

  private fact(label: string): [HTMLElement, HTMLElement] {
    const value = el('dd')
    this.values.set(label, value)
    return [el('dt', {}, label), value]
  }

  private writeFacts(vehicle: Vehicle): void {
    const { position } = vehicle
    const write = (label: string, text: string | null) => setText(this.values.get(label)!, text ?? '–')
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
