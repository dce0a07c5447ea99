// One vehicle: whether it can be reached, its last day, and three tabs: what it does now, its past, its commands.
//
// The parts own what they read of the vehicle and drop it when another is chosen; this holds them together.

import type { FixJson, VehicleDetailJson } from './api'
import { el, icon, setText } from './dom'
import { Commands } from './drawer/commands'
import { Facts } from './drawer/facts'
import { Reach } from './drawer/reach'
import { Timeline } from './drawer/timeline'
import { Way, type WayEvents } from './drawer/way'
import type { Vehicle } from './fleet'
import { STATE_WORDS } from './format'
import { setSign, sign, type Theme } from './looks'
import type { CommandJson } from './presence-api'

export const DRAWER_TABS = ['now', 'timeline', 'commands'] as const
export type DrawerTab = (typeof DRAWER_TABS)[number]

const TAB_WORDS: Record<DrawerTab, string> = { now: 'Now', timeline: 'Timeline', commands: 'Commands' }

export interface DrawerEvents extends WayEvents {
  closed(): void
  followToggled(): void
  /** The vehicle was read by itself, asked for at that second of the page's clock. */
  read(detail: VehicleDetailJson, askedAt: number): void
}

export class Drawer {
  private vehicle: Vehicle | null = null
  private spokenState = ''

  private readonly sign = sign('unknown')
  private readonly name = el('h2', { attributes: { tabindex: '-1' } })
  private readonly followButton: HTMLButtonElement
  private readonly spoken = el('p', { class: 'unseen', attributes: { 'aria-live': 'polite' } })
  private readonly badge = el('span', { class: 'badge', attributes: { hidden: '' } })
  private readonly tabs: Record<DrawerTab, HTMLButtonElement>
  private readonly panels: Record<DrawerTab, HTMLElement>
  private readonly reach: Reach
  private readonly way: Way
  private readonly facts: Facts
  private readonly timeline: Timeline
  private readonly commands: Commands

  constructor(
    private readonly root: HTMLElement,
    private readonly clock: () => number,
    gatewayTime: () => Date,
    events: DrawerEvents,
    theme: Theme,
  ) {
    this.reach = new Reach(clock)
    this.way = new Way(gatewayTime, events, theme)
    this.facts = new Facts(clock, gatewayTime, events)
    this.timeline = new Timeline(clock, gatewayTime)
    this.commands = new Commands(clock)
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
    this.tabs = perTab((tab) => this.tabButton(tab))
    this.tabs.commands.append(this.badge)
    this.panels = {
      now: panel('now', this.way.root, this.facts.root),
      timeline: panel('timeline', this.timeline.root),
      commands: panel('commands', this.commands.root),
    }
    root.append(
      el('header', {}, this.sign, this.name, this.followButton, close),
      el(
        'div',
        'body',
        this.reach.root,
        this.facts.note,
        this.timeline.strip.root,
        el('div', { class: 'tabs', attributes: { role: 'tablist' } }, ...Object.values(this.tabs)),
        ...Object.values(this.panels),
      ),
      this.spoken,
    )
    // What comes in meanwhile must not push what is being filled in below the buttons.
    const steady = new ResizeObserver(() => {
      const held = document.activeElement
      if (held !== null && this.commands.root.contains(held)) held.scrollIntoView({ block: 'nearest' })
    })
    for (const grows of [this.reach.root, this.facts.note, this.timeline.strip.root, this.commands.root])
      steady.observe(grows)
    this.show('now')
  }

  shown(): Vehicle | null {
    return this.vehicle
  }

  open(vehicle: Vehicle): void {
    if (this.vehicle?.id === vehicle.id) return
    this.forget()
    this.vehicle = vehicle
    this.spokenState = vehicle.state
    this.root.hidden = false
    this.root.querySelector('.body')!.scrollTop = 0
    this.reach.open(vehicle)
    this.way.open(vehicle)
    this.timeline.open(vehicle)
    this.commands.open(vehicle)
    this.draw()
  }

  close(): void {
    this.forget()
    this.root.hidden = true
  }

  /** One step back within the drawer; false when there is none and it is the drawer that is to close. */
  back(): boolean {
    return this.commands.closeForm()
  }

  show(tab: DrawerTab): void {
    for (const each of DRAWER_TABS) {
      const chosen = each === tab
      this.tabs[each].setAttribute('aria-selected', String(chosen))
      this.tabs[each].tabIndex = chosen ? 0 : -1
      this.panels[each].hidden = !chosen
    }
  }

  /** Goes to the commands and begins a new one. */
  newCommand(): void {
    if (this.vehicle === null) return
    this.show('commands')
    this.commands.openForm()
  }

  check(): void {
    void this.reach.check()
  }

  setTheme(theme: Theme): void {
    this.way.setTheme(theme)
  }

  setFollowing(following: boolean): void {
    this.followButton.setAttribute('aria-pressed', String(following))
  }

  takeFixes(fixes: FixJson[]): void {
    this.way.takeFixes(fixes)
  }

  /** The stream spoke of a vehicle's presence. */
  takePresence(id: string): void {
    if (id === this.vehicle?.id) this.timeline.changed()
  }

  takeCommand(command: CommandJson): void {
    this.commands.takeEvent(command, this.clock())
  }

  /** The stream may have left something out. */
  missed(): void {
    this.timeline.changed()
    this.commands.changed()
  }

  /** Writes what ages and what changed. */
  draw(): void {
    const { vehicle } = this
    if (vehicle === null) return
    const now = this.clock()
    this.root.dataset.state = vehicle.state
    setSign(this.sign, vehicle.state)
    setText(this.name, vehicle.id)
    if (this.spokenState !== vehicle.state) {
      this.spokenState = vehicle.state
      setText(this.spoken, `${vehicle.id} is now ${STATE_WORDS[vehicle.state].word.toLowerCase()}`)
    }
    this.reach.draw(vehicle, now, this.facts.waiting())
    this.way.draw(vehicle)
    this.facts.draw(vehicle)
    this.timeline.draw(vehicle, now)
    this.commands.draw(vehicle, now)
    const underWay = Math.max(this.commands.underWay(), this.facts.waiting())
    this.badge.hidden = underWay === 0
    setText(this.badge, String(underWay))
    this.badge.title = `${underWay} under way`
  }

  private forget(): void {
    this.vehicle = null
    setText(this.spoken, '')
    for (const part of [this.reach, this.way, this.facts, this.timeline, this.commands]) part.forget()
  }

  private tabButton(tab: DrawerTab): HTMLButtonElement {
    return el(
      'button',
      {
        attributes: { type: 'button', role: 'tab', id: `drawer-tab-${tab}`, 'aria-controls': `drawer-${tab}` },
        on: {
          click: () => this.show(tab),
          keydown: (event) => {
            const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
            if (by === 0) return
            const next = DRAWER_TABS[(DRAWER_TABS.indexOf(tab) + by + DRAWER_TABS.length) % DRAWER_TABS.length]!
            this.show(next)
            this.tabs[next].focus()
          },
        },
      },
      TAB_WORDS[tab],
    )
  }
}

function perTab<T>(of: (tab: DrawerTab) => T): Record<DrawerTab, T> {
  return { now: of('now'), timeline: of('timeline'), commands: of('commands') }
}

function panel(tab: DrawerTab, ...parts: HTMLElement[]): HTMLElement {
  return el(
    'div',
    {
      class: 'tab-panel',
      attributes: { id: `drawer-${tab}`, role: 'tabpanel', 'aria-labelledby': `drawer-tab-${tab}` },
    },
    ...parts,
  )
}
