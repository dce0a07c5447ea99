// The regions: for each gateway whether it is heard, how far this view is behind it, and its vehicles by state.

import { type GatewayJson, type RegionsJson, STATES } from './api'
import { el } from './dom'
import { count, span, STATE_WORDS } from './format'
import { sign } from './looks'
import { isCut } from './outlook'

export interface RegionsEvents {
  filtered(region: string): void
}

export class RegionsPanel {
  private drawn = ''

  constructor(
    private readonly root: HTMLElement,
    private readonly events: RegionsEvents,
  ) {}

  /** Draws a reading that is `elapsed_s` old; `chosen` are the regions the list is filtered by. */
  draw(regions: RegionsJson | null, elapsed_s: number, chosen: ReadonlySet<string>): void {
    if (regions === null) {
      this.root.replaceChildren(el('p', 'empty', 'The regions have not been read yet.'))
      return
    }
    const ages = regions.regions.flatMap((r) => r.gateways.map((g) => this.heard(g, elapsed_s)))
    const next = JSON.stringify([regions.regions, ages, [...chosen], regions.acked_records_total])
    if (next === this.drawn) return
    this.drawn = next
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.focus : undefined
    this.root.replaceChildren(
      el('p', 'lead', 'What ', el('b', {}, regions.gateway), ' knows of every region, and how fresh that is.'),
      ...regions.regions.map((region) => this.region(region.region, region.gateways, elapsed_s, chosen)),
      ...(regions.acked_records_total === undefined
        ? []
        : [el('p', 'foot', `${count(regions.acked_records_total)} records acknowledged by ${regions.gateway}, each on its disk first.`)]),
    )
    if (focused !== undefined) this.root.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus()
  }

  private region(name: string, gateways: GatewayJson[], elapsed_s: number, chosen: ReadonlySet<string>): HTMLElement {
    const total = gateways.reduce((sum, g) => sum + vehiclesOf(g), 0)
    const filter = el(
      'button',
      {
        class: 'filter',
        title: `Show only the vehicles of ${name}`,
        attributes: { type: 'button', 'aria-pressed': String(chosen.has(name)) },
        data: { focus: `filter-${name}` },
        on: { click: () => this.events.filtered(name) },
      },
      `${count(total)} vehicles`,
    )
    const many = gateways.length > 1
    return el('section', 'region', el('header', {}, el('h2', {}, name), filter), ...gateways.map((g) => this.gateway(g, elapsed_s, many || g.id !== name)))
  }

  private gateway(gateway: GatewayJson, elapsed_s: number, named: boolean): HTMLElement {
    const cut = isCut(gateway)
    const condition = gateway.self ? 'self' : cut ? 'cut' : gateway.status === 'alive' ? 'alive' : 'unknown'
    const word = { self: 'this gateway', cut: 'cut off', alive: 'heard', unknown: 'never heard' }[condition]
    const line = el(
      'p',
      'condition',
      el('span', { class: 'lamp', data: { condition } }),
      named && el('b', {}, gateway.id),
      el('span', 'word', word),
      el('span', 'heard', this.heard(gateway, elapsed_s)),
    )
    return el('div', { class: 'gateway', data: { condition } }, line, this.behind(gateway, cut), bar(gateway), legend(gateway), address(gateway))
  }

  private heard(gateway: GatewayJson, elapsed_s: number): string {
    if (gateway.self || gateway.heard_ago_s === null || gateway.heard_ago_s === undefined) return ''
    const ago = gateway.heard_ago_s + elapsed_s
    return ago < 2 ? 'just now' : `${span(Math.floor(ago)).replace('.0', '')} ago`
  }

  private behind(gateway: GatewayJson, cut: boolean): HTMLElement | null {
    if (gateway.self) return null
    if (cut) return el('p', 'behind', 'Its vehicles are shown with their last known state.')
    const entries = gateway.lag_entries ?? 0
    if (entries === 0) return el('p', 'behind', 'View up to date')
    const seconds = gateway.lag_s === null || gateway.lag_s === undefined ? '' : `, ${span(gateway.lag_s)}`
    return el('p', 'behind', `View behind by ${count(entries)} ${entries === 1 ? 'entry' : 'entries'}${seconds}`)
  }
}

function vehiclesOf(gateway: GatewayJson): number {
  return Object.values(gateway.vehicles).reduce((sum, n) => sum + n, 0)
}

function bar(gateway: GatewayJson): HTMLElement | null {
  if (vehiclesOf(gateway) === 0) return null
  return el(
    'div',
    { class: 'shares', attributes: { 'aria-hidden': 'true' } },
    ...STATES.filter((s) => (gateway.vehicles[s] ?? 0) > 0).map((state) => {
      const part = el('span', { data: { state } })
      part.style.flexGrow = String(gateway.vehicles[state])
      return part
    }),
  )
}

function legend(gateway: GatewayJson): HTMLElement {
  const present = STATES.filter((s) => (gateway.vehicles[s] ?? 0) > 0)
  if (present.length === 0) return el('p', 'legend', 'No vehicles')
  return el(
    'p',
    'legend',
    ...present.map((state) =>
      el('span', { data: { state } }, sign(state), `${count(gateway.vehicles[state]!)} ${STATE_WORDS[state].word.toLowerCase()}`),
    ),
  )
}

/** The way to the same map as that gateway sees it. */
function address(gateway: GatewayJson): HTMLElement | null {
  const url = gateway.operators_url ?? ''
  if (gateway.self || !/^https?:\/\//.test(url)) return null
  return el('a', { class: 'elsewhere', attributes: { href: url, rel: 'noopener noreferrer' } }, `View from ${gateway.id}`)
}
