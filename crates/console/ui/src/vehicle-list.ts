// The list of vehicles: only the rows in sight exist, so that tens of thousands cost what twenty do.

import type { Vehicle } from './fleet'
import { coarseSpan, speed_kmh, STATE_WORDS } from './format'
import { el, setText } from './dom'
import { setSign, sign, twins } from './looks'

const ROW_PX = 46
/** Rows kept ready above and below those in sight. */
const SPARE = 4

interface RowParts {
  root: HTMLElement
  sign: SVGSVGElement
  name: HTMLElement
  label: HTMLElement
  twins: SVGSVGElement
  place: HTMLElement
  speed: HTMLElement
  age: HTMLElement
  vehicle: Vehicle | null
}

export interface ListEvents {
  chosen(vehicle: Vehicle): void
  pointed(vehicle: Vehicle | null): void
}

export class VehicleList {
  private vehicles: readonly Vehicle[] = []
  private rows: RowParts[] = []
  private readonly track = el('div', 'track')
  private readonly empty = el('p', 'empty')
  private selectedId: string | null = null
  /** The row the arrows stand on. */
  private cursor = -1

  constructor(
    private readonly root: HTMLElement,
    private readonly clock: () => number,
    private readonly events: ListEvents,
  ) {
    root.append(this.track, this.empty)
    root.addEventListener('scroll', () => this.draw(), { passive: true })
    root.addEventListener('mouseleave', () => this.events.pointed(null))
    new ResizeObserver(() => this.draw()).observe(root)
  }

  /** Shows these vehicles; `whenEmpty` says why there are none. */
  show(vehicles: readonly Vehicle[], whenEmpty: string): void {
    this.vehicles = vehicles
    if (this.cursor >= vehicles.length) this.cursor = vehicles.length - 1
    this.track.style.height = `${vehicles.length * ROW_PX}px`
    this.empty.hidden = vehicles.length > 0
    setText(this.empty, whenEmpty)
    this.draw()
  }

  select(id: string | null): void {
    this.selectedId = id
    const at = id === null ? -1 : this.vehicles.findIndex((v) => v.id === id)
    if (at >= 0) {
      this.cursor = at
      this.reveal(at)
    }
    this.draw()
  }

  /** Moves the cursor and chooses the vehicle it comes to. */
  step(by: number): void {
    if (this.vehicles.length === 0) return
    const next = Math.max(0, Math.min(this.vehicles.length - 1, this.cursor + by))
    this.cursor = next
    this.reveal(next)
    this.events.chosen(this.vehicles[next]!)
  }

  first(): Vehicle | null {
    return this.vehicles[0] ?? null
  }

  /** Writes what is in sight. */
  draw(): void {
    const height = this.root.clientHeight
    const from = Math.max(0, Math.floor(this.root.scrollTop / ROW_PX) - SPARE)
    const to = Math.min(this.vehicles.length, Math.ceil((this.root.scrollTop + height) / ROW_PX) + SPARE)
    const now = this.clock()
    while (this.rows.length < to - from) this.rows.push(this.row())
    this.rows.forEach((row, i) => {
      const vehicle = this.vehicles[from + i]
      const shown = vehicle !== undefined && from + i < to
      row.root.hidden = !shown
      row.vehicle = shown ? vehicle : null
      if (shown) this.write(row, vehicle, from + i, now)
    })
  }

  private write(row: RowParts, vehicle: Vehicle, index: number, now: number): void {
    const selected = vehicle.id === this.selectedId
    const id = `row-${index}`
    row.root.style.transform = `translateY(${index * ROW_PX}px)`
    row.root.dataset.state = vehicle.state
    if (row.root.id !== id) row.root.id = id
    row.root.setAttribute('aria-selected', String(selected))
    row.root.setAttribute('aria-posinset', String(index + 1))
    row.root.setAttribute('aria-setsize', String(this.vehicles.length))
    if (selected) this.root.setAttribute('aria-activedescendant', id)
    setSign(row.sign, vehicle.state)
    const { word } = STATE_WORDS[vehicle.state]
    row.root.title = vehicle.cloned ? `${word}; two units seem to use this identity` : word
    setText(row.name, vehicle.id)
    row.twins.toggleAttribute('hidden', !vehicle.cloned)
    setText(row.place, vehicle.region ?? '')
    const moving = vehicle.state === 'online' && vehicle.position !== null
    setText(
      row.speed,
      moving ? `${speed_kmh(vehicle.position?.speed)} km/h` : STATE_WORDS[vehicle.state].word.toLowerCase(),
    )
    const bound = vehicle.heardIsBound ? '≤ ' : ''
    setText(row.age, vehicle.heardAt === null ? '' : `${bound}${coarseSpan(now - vehicle.heardAt)}`)
  }

  private row(): RowParts {
    const name = el('span', 'name')
    const mark = twins()
    const parts = {
      sign: sign('unknown'),
      name,
      twins: mark,
      label: el('span', 'label', name, mark),
      place: el('span', 'place'),
      speed: el('span', 'speed'),
      age: el('span', 'age'),
    }
    const root = el(
      'div',
      { class: 'row', attributes: { role: 'option' } },
      parts.sign,
      parts.label,
      parts.speed,
      parts.place,
      parts.age,
    )
    const row: RowParts = { root, vehicle: null, ...parts }
    root.addEventListener('click', () => row.vehicle && this.events.chosen(row.vehicle))
    root.addEventListener('mouseenter', () => this.events.pointed(row.vehicle))
    this.track.append(root)
    return row
  }

  private reveal(index: number): void {
    const top = index * ROW_PX
    const { scrollTop, clientHeight } = this.root
    if (top < scrollTop) this.root.scrollTop = top
    else if (top + ROW_PX > scrollTop + clientHeight) this.root.scrollTop = top + ROW_PX - clientHeight
  }
}
