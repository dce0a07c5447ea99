// The regions: for each gateway whether it is heard, how far this view is behind it, and its vehicles by state.
//
// Builds a card a region once and then only writes what changed, so that nothing is taken away under a click.

import { type GatewayJson, type RegionsJson, STATES, type ViewsJson } from './api'
import { el, setText } from './dom'
import { bytes, coarseSpan, count, span, STATE_WORDS } from './format'
import { sign } from './looks'
import { isCut } from './outlook'
import { SightTable } from './sight-table'
import { isLate } from './sights'

export interface RegionsEvents {
  filtered(region: string): void
}

interface GatewayParts {
  root: HTMLElement
  lamp: HTMLElement
  word: HTMLElement
  heard: HTMLElement
  behind: HTMLElement
  link: HTMLElement
  shares: HTMLElement
  legend: HTMLElement
  /** The counts that are drawn. */
  drawn: string
}

export class RegionsPanel {
  private readonly lead = el('p', 'lead')
  private readonly foot = el('p', 'foot')
  private readonly empty = el('p', 'empty', 'The regions have not been read yet.')
  private readonly sights = new SightTable()
  private readonly filters = new Map<string, HTMLButtonElement>()
  private readonly gateways = new Map<string, GatewayParts>()
  /** Which regions and gateways have cards. */
  private built = ''

  constructor(
    private readonly root: HTMLElement,
    private readonly events: RegionsEvents,
  ) {
    root.append(this.empty)
  }

  /** Draws a reading that is `elapsed_s` old; `chosen` are the regions the list is filtered by. */
  draw(regions: RegionsJson | null, elapsed_s: number, chosen: ReadonlySet<string>): void {
    if (regions === null) return
    const ordered = ownFirst(regions)
    const wanted = JSON.stringify(ordered.map((r) => [r.region, r.gateways.map((g) => [g.id, g.operators_url])]))
    if (wanted !== this.built) {
      this.build(regions.gateway, ordered)
      this.built = wanted
    }
    for (const { region, gateways } of ordered) {
      const total = gateways.reduce((sum, g) => sum + vehiclesOf(g), 0)
      const filter = this.filters.get(region)!
      setText(filter, total === 1 ? '1 vehicle' : `${count(total)} vehicles`)
      filter.setAttribute('aria-pressed', String(chosen.has(region)))
      for (const gateway of gateways) write(this.gateways.get(gateway.id)!, gateway, elapsed_s)
    }
    const acked = regions.acked_records_total
    this.foot.hidden = acked === undefined
    if (acked !== undefined)
      setText(this.foot, `${count(acked)} records acknowledged by ${regions.gateway}, each on its disk first.`)
  }

  /** Draws what every gateway sees; `elapsed_s` is the age of the reading. */
  drawSights(views: ViewsJson | null, elapsed_s: number): void {
    this.sights.draw(views, elapsed_s)
  }

  private build(own: string, regions: RegionsJson['regions']): void {
    this.filters.clear()
    this.gateways.clear()
    this.lead.replaceChildren('Every region as ', el('b', {}, own), ' sees it.')
    this.root.replaceChildren(
      this.lead,
      ...regions.map((r) => this.region(r.region, r.gateways)),
      this.sights.root,
      this.foot,
    )
  }

  private region(name: string, gateways: GatewayJson[]): HTMLElement {
    const filter = el('button', {
      class: 'filter',
      title: `Show only the vehicles of ${name}`,
      attributes: { type: 'button' },
      on: { click: () => this.events.filtered(name) },
    })
    this.filters.set(name, filter)
    const named = gateways.length > 1 || gateways[0]?.id !== name
    const parts = gateways.map((gateway) => {
      const part = gatewayParts(gateway, named)
      this.gateways.set(gateway.id, part)
      return part.root
    })
    return el('section', 'region', el('header', {}, el('h2', {}, name), filter), ...parts)
  }
}

function gatewayParts(gateway: GatewayJson, named: boolean): GatewayParts {
  const parts = {
    lamp: el('span', 'lamp'),
    word: el('span', 'word'),
    heard: el('span', 'heard'),
    behind: el('p', 'behind'),
    link: el('p', 'link'),
    shares: el('div', { class: 'shares', attributes: { 'aria-hidden': 'true' } }),
    legend: el('p', 'legend'),
  }
  const condition = el('p', 'condition', parts.lamp, named && el('b', {}, gateway.id), parts.word, parts.heard)
  const root = el('div', 'gateway', condition, parts.behind, parts.shares, parts.legend, parts.link, address(gateway))
  return { root, ...parts, drawn: '' }
}

type Condition = 'self' | 'cut' | 'alive' | 'relayed' | 'unknown'

const WORDS: Record<Condition, string> = {
  self: 'this gateway',
  cut: 'cut off',
  alive: 'heard',
  relayed: 'heard through others',
  unknown: 'never heard',
}

function write(parts: GatewayParts, gateway: GatewayJson, elapsed_s: number): void {
  const condition = conditionOf(gateway)
  parts.root.dataset.condition = parts.lamp.dataset.condition = condition
  setText(parts.word, WORDS[condition])
  setText(parts.heard, heardWords(gateway, elapsed_s))
  setText(parts.behind, behindWords(gateway))
  parts.behind.hidden = gateway.self
  writeLink(parts.link, gateway, elapsed_s)
  const counts = JSON.stringify(gateway.vehicles)
  if (counts === parts.drawn) return
  parts.drawn = counts
  const present = STATES.filter((s) => (gateway.vehicles[s] ?? 0) > 0)
  parts.shares.replaceChildren(
    ...present.map((state) => {
      const share = el('span', { data: { state } })
      share.style.flexGrow = String(gateway.vehicles[state])
      return share
    }),
  )
  parts.legend.replaceChildren(
    ...(present.length === 0 ? ['No vehicles'] : []),
    ...present.map((state) =>
      el(
        'span',
        { data: { state } },
        sign(state),
        `${count(gateway.vehicles[state]!)} ${STATE_WORDS[state].word.toLowerCase()}`,
      ),
    ),
  )
}

/** What passes on the way to it, and whether its copy of this gateway's log is right. */
function writeLink(root: HTMLElement, { link }: GatewayJson, elapsed_s: number): void {
  root.hidden = !link
  if (!link) return
  const lacks = link.ahead_entries ?? 0
  const equal = link.audit.equal_ago_s
  const parts = [
    `${bytes(link.bytes_sent)} sent, ${bytes(link.bytes_received)} received`,
    isLate(lacks, link.ahead_s) &&
      `it lacks ${count(lacks)} of ours${link.ahead_s === null ? '' : `, ${span(link.ahead_s)}`}`,
    equal !== null && `copies equal ${coarseSpan(equal + elapsed_s)} ago`,
    link.audit.mismatches > 0 &&
      `differed ${link.audit.mismatches === 1 ? 'once' : `${count(link.audit.mismatches)} times`}`,
  ]
  setText(root, parts.filter((part) => part !== false).join(' · '))
  root.toggleAttribute('data-differed', link.audit.mismatches > 0)
}

function conditionOf(gateway: GatewayJson): Condition {
  if (gateway.self) return 'self'
  if (isCut(gateway)) return 'cut'
  return gateway.status === 'alive' || gateway.status === 'relayed' ? gateway.status : 'unknown'
}

function heardWords(gateway: GatewayJson, elapsed_s: number): string {
  if (gateway.self || gateway.heard_ago_s === null || gateway.heard_ago_s === undefined) return ''
  const ago = gateway.heard_ago_s + elapsed_s
  return ago < 2 ? 'just now' : `${coarseSpan(ago)} ago`
}

function behindWords(gateway: GatewayJson): string {
  if (isCut(gateway)) return 'Its vehicles are shown with their last known state.'
  const entries = gateway.lag_entries ?? 0
  if (entries === 0) return 'View up to date'
  const seconds = gateway.lag_s === null || gateway.lag_s === undefined ? '' : `, ${span(gateway.lag_s)}`
  return `View behind by ${count(entries)} ${entries === 1 ? 'entry' : 'entries'}${seconds}`
}

/** The regions as given, the one of this gateway first. */
function ownFirst({ region, regions }: RegionsJson): RegionsJson['regions'] {
  return [...regions.filter((r) => r.region === region), ...regions.filter((r) => r.region !== region)]
}

function vehiclesOf(gateway: GatewayJson): number {
  return Object.values(gateway.vehicles).reduce((sum, n) => sum + n, 0)
}

/** The way to the same map as that gateway sees it. */
function address(gateway: GatewayJson): HTMLElement | null {
  const url = gateway.operators_url ?? ''
  if (gateway.self || !/^https?:\/\//.test(url)) return null
  return el(
    'a',
    { class: 'elsewhere', attributes: { href: url, rel: 'noopener noreferrer' } },
    `View from ${gateway.id}`,
  )
}
