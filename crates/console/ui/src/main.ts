// Puts the console together and keeps what is chosen: the vehicle, the filters, the tab.

import 'maplibre-gl/dist/maplibre-gl.css'
import './styles/base.css'
import './styles/bar.css'
import './styles/map.css'
import './styles/panel.css'
import './styles/regions.css'
import './styles/sights.css'
import './styles/drawer.css'
import './styles/reach.css'
import './styles/timeline.css'
import './styles/commands.css'
import './styles/keys.css'
import './styles/narrow.css'
import type { State } from './api'
import { Banners } from './banners'
import { byId, el, icon, setText } from './dom'
import { Drawer } from './drawer'
import { type Filter, isOpen, matches, NO_FILTER, selected, type Sort, SORTS, toggled } from './filter'
import type { Vehicle } from './fleet'
import { count, speed_kmh, STATE_WORDS } from './format'
import { Header } from './header'
import { Help } from './help'
import { LOOKS } from './looks'
import { MapView } from './map-view'
import { RegionsPanel } from './regions-panel'
import { pageClock, Session } from './session'
import { isPhone, Sheet } from './sheet'
import { currentTheme, toggleTheme, watchTheme } from './theme'
import { VehicleList } from './vehicle-list'

type Tab = 'vehicles' | 'regions'

/** How often the list and counts are worked out anew while things change, milliseconds. */
const REFRESH_MS = 400

class Console {
  private filter: Filter = NO_FILTER
  private sort: Sort = 'name'
  private tab: Tab = 'vehicles'
  private chosen: string | null = wantedByAddress()
  private following = false
  private fitted = false
  private stale = true
  private seen = ''

  private readonly session = new Session({
    changed: () => (this.stale = true),
    fixed: (fixes) => {
      this.drawer.takeFixes(fixes)
      this.map.invalidate()
    },
    presence: (id) => this.drawer.takePresence(id),
    command: (command) => this.drawer.takeCommand(command),
    missed: () => this.drawer.missed(),
  })
  private readonly search = byId<HTMLInputElement>('search')
  private readonly panel = byId('panel')
  private readonly drawerRoot = byId('drawer')
  private readonly map: MapView
  private readonly list: VehicleList
  private readonly regions: RegionsPanel
  private readonly drawer: Drawer
  private readonly header: Header
  private readonly banners: Banners
  private readonly help = new Help()
  private readonly sheet: Sheet

  constructor() {
    const theme = currentTheme()
    this.map = new MapView(
      byId('map'),
      this.session.fleet,
      pageClock,
      {
        picked: (id) => this.choose(id),
        hovered: (vehicle, x, y) => this.tip(vehicle, x, y),
        steered: () => this.following && this.setFollowing(false),
      },
      theme,
    )
    this.list = new VehicleList(byId('list'), pageClock, {
      chosen: (vehicle) => this.choose(vehicle.id, true),
      pointed: (vehicle) => this.map.highlight(vehicle),
    })
    this.regions = new RegionsPanel(byId('regions'), { filtered: (region) => this.filterRegion(region) })
    this.drawer = new Drawer(
      this.drawerRoot,
      pageClock,
      () => this.session.gatewayTime(),
      {
        closed: () => this.choose(null),
        followToggled: () => this.setFollowing(!this.following),
        trackChanged: (now, before, toVehicle) => this.map.setTrack(now, before, toVehicle),
        marked: (at) => this.map.setMark(at),
        read: (detail, askedAt) => {
          this.session.fleet.takeRead(detail, askedAt)
          this.stale = true
        },
      },
      theme,
    )
    this.header = new Header((state) => this.filterState(state))
    this.banners = new Banners(
      byId('banners'),
      () => this.session.retryNow(),
      () => this.showTab('regions'),
    )
    this.sheet = new Sheet([this.panel, this.drawerRoot], () => this.map.setPadding(this.padding()))
    this.wire()
  }

  start(): void {
    this.map.setPadding(this.padding())
    watchTheme((theme) => {
      this.map.setTheme(theme)
      this.drawer.setTheme(theme)
    })
    this.session.start()
    this.map.loaded().catch((error: unknown) => console.error('the base map could not be loaded', error))
    setInterval(() => this.refresh(), REFRESH_MS)
    this.refresh()
  }

  private wire(): void {
    byId('theme').append(icon('M8 2.2a5.8 5.8 0 1 0 0 11.600zM8 2.200a5.800 5.800 0 0 1 0 11.600'))
    byId('fit').append(icon('M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10'))
    byId('theme').addEventListener('click', toggleTheme)
    byId('clear').addEventListener('click', () => this.clearFilter())
    byId('help').addEventListener('click', () => this.help.toggle())
    byId('fit').addEventListener('click', () => this.fitAll())
    byId('zoom-in').addEventListener('click', () => this.map.map.zoomIn())
    byId('zoom-out').addEventListener('click', () => this.map.map.zoomOut())
    byId('tab-vehicles').addEventListener('click', () => this.showTab('vehicles'))
    byId('tab-regions').addEventListener('click', () => this.showTab('regions'))
    this.search.addEventListener('input', () => this.setFilter({ ...this.filter, text: this.search.value.trim() }))
    this.search.addEventListener('focus', () => isPhone() && this.sheet.set('full'))
    byId<HTMLSelectElement>('sort').addEventListener('change', (event) => {
      const value = (event.target as HTMLSelectElement).value
      this.sort = SORTS.find((s) => s === value) ?? 'name'
      this.stale = true
      this.refresh()
    })
    addEventListener('keydown', (event) => this.key(event))
    addEventListener('hashchange', () => this.choose(wantedByAddress()))
    addEventListener('resize', () => this.map.setPadding(this.padding()))
  }

  /** Writes everything that changed or aged since the last time. */
  private refresh(): void {
    if (document.visibilityState !== 'visible') return
    const now = pageClock()
    const { session } = this
    session.keepRegionsFresh()
    this.header.draw(session, this.filter.states, now)
    this.banners.draw(session, now)
    this.map.setFaded(session.link.kind === 'lost')
    document.documentElement.dataset.link = session.link.kind
    if (this.stale || this.sort === 'heard' || this.sort === 'speed') this.refreshList()
    else this.list.draw()
    if (this.tab === 'regions') {
      session.keepViewsFresh()
      this.regions.draw(session.regions, now - session.regionsAt, this.filter.regions)
      this.regions.drawSights(session.views, now - session.viewsAt)
    }
    this.openWanted()
    this.drawer.draw()
    if (!this.fitted && session.listed) this.fitted = this.map.fit(session.fleet.vehicles.values(), false)
  }

  private refreshList(): void {
    const { fleet } = this.session
    this.stale = false
    const vehicles = selected(fleet.inOrder(), this.filter, this.sort)
    this.list.show(vehicles, this.emptyWords())
    const all = fleet.vehicles.size
    byId('clear').hidden = isOpen(this.filter)
    setText(
      byId('found'),
      isOpen(this.filter) ? `${count(all)} vehicles` : `${count(vehicles.length)} of ${count(all)}`,
    )
    const seen = `${fleet.revision} ${fleet.membership} ${JSON.stringify([this.filter.text, [...this.filter.states], [...this.filter.regions]])}`
    if (seen === this.seen) return
    this.seen = seen
    for (const vehicle of fleet.vehicles.values()) {
      fleet.motion.dress(vehicle.row, LOOKS[vehicle.state], !matches(vehicle, this.filter), vehicle.cloned)
    }
    this.map.invalidate()
  }

  private emptyWords(): string {
    const { session } = this
    if (session.fleet.vehicles.size > 0) return 'No vehicle matches.'
    if (!session.listed) return session.link.kind === 'lost' ? 'Waiting for the gateway.' : 'Reading the vehicles …'
    const own = session.regions?.regions.flatMap((r) => r.gateways).find((g) => g.self)
    return own?.vehicles_url
      ? `No vehicle has attached yet. Vehicles attach at ${own.vehicles_url}`
      : 'No vehicle has attached yet.'
  }

  /** Opens the drawer of the chosen vehicle once it is known; closes it when the vehicle is gone. */
  private openWanted(): void {
    if (this.chosen === null) return
    const vehicle = this.session.fleet.vehicles.get(this.chosen)
    if (vehicle !== undefined && this.drawer.shown() !== vehicle) this.open(vehicle, true)
    else if (vehicle === undefined && this.session.listed) this.choose(null)
  }

  private choose(id: string | null, reveal = false): void {
    if (id === this.chosen && (id === null || this.drawer.shown() !== null)) return
    this.chosen = id
    history.replaceState(null, '', id === null ? location.pathname : `#${encodeURIComponent(id)}`)
    this.list.select(id)
    const vehicle = id === null ? undefined : this.session.fleet.vehicles.get(id)
    if (vehicle !== undefined) {
      this.open(vehicle, reveal)
      return
    }
    this.drawer.close()
    this.map.select(null)
    this.setFollowing(false)
    this.map.setPadding(this.padding())
  }

  private open(vehicle: Vehicle, reveal: boolean): void {
    this.drawer.open(vehicle)
    this.list.select(vehicle.id)
    this.setFollowing(false)
    this.map.select(vehicle)
    if (isPhone() && this.sheet.rest !== 'half') this.sheet.set('half')
    this.map.setPadding(this.padding())
    if (reveal || isPhone()) this.map.reveal(vehicle)
  }

  private setFollowing(following: boolean): void {
    const vehicle = following ? this.drawer.shown() : null
    this.following = vehicle !== null
    this.map.follow(vehicle)
    this.drawer.setFollowing(this.following)
  }

  private fitAll(): void {
    this.setFollowing(false)
    const { fleet } = this.session
    const matching = selected(fleet.inOrder(), this.filter, 'name')
    this.map.fit(matching.length > 0 ? matching : fleet.vehicles.values(), true)
  }

  private setFilter(filter: Filter): void {
    this.filter = filter
    this.stale = true
    this.refresh()
  }

  private filterState(state: State): void {
    this.setFilter({ ...this.filter, states: toggled(this.filter.states, state) })
  }

  private filterRegion(region: string): void {
    this.setFilter({ ...this.filter, regions: toggled(this.filter.regions, region) })
  }

  private showTab(tab: Tab): void {
    this.tab = tab
    for (const name of ['vehicles', 'regions'] as const) {
      byId(name).hidden = name !== tab
      byId(`tab-${name}`).setAttribute('aria-selected', String(name === tab))
    }
    if (isPhone() && this.sheet.rest === 'low') this.sheet.set('half')
    this.refresh()
    this.list.draw()
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const { target } = event
    const typing =
      target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement
    const inForm = target instanceof Element && target.closest('form') !== null
    if (byId<HTMLDialogElement>('keys').open) {
      if (event.key === '?') this.help.toggle()
      return
    }
    if (event.key === 'Escape') this.back()
    else if (inForm) return
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (target instanceof HTMLSelectElement) return
      event.preventDefault()
      this.list.step(event.key === 'ArrowDown' ? 1 : -1)
    } else if (target === this.search && event.key === 'Enter') {
      const first = this.list.first()
      if (first !== null) this.choose(first.id, true)
    } else if (!typing) this.shortcut(event)
  }

  private shortcut(event: KeyboardEvent): void {
    const acts: Record<string, () => void> = {
      '/': () => {
        this.showTab('vehicles')
        this.search.focus()
        this.search.select()
      },
      '?': () => this.help.toggle(),
      f: () => this.setFollowing(!this.following),
      n: () => this.drawer.show('now'),
      h: () => this.drawer.show('timeline'),
      c: () => this.drawer.show('commands'),
      s: () => this.drawer.newCommand(),
      k: () => this.drawer.check(),
      t: toggleTheme,
      v: () => this.showTab('vehicles'),
      r: () => this.showTab('regions'),
      '0': () => this.fitAll(),
      '+': () => this.map.map.zoomIn(),
      '=': () => this.map.map.zoomIn(),
      '-': () => this.map.map.zoomOut(),
    }
    const act = acts[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  }

  /** One step back: the form in the drawer, the drawer, then the filters. */
  private back(): void {
    if (this.drawer.back()) return
    if (this.chosen !== null) this.choose(null)
    else if (!isOpen(this.filter)) this.clearFilter()
    else this.search.blur()
  }

  private clearFilter(): void {
    this.search.value = ''
    this.setFilter(NO_FILTER)
  }

  private tip(vehicle: Vehicle | null, x: number, y: number): void {
    const tip = byId('tip')
    tip.hidden = vehicle === null || isPhone()
    if (vehicle === null) return
    const moving = vehicle.state === 'online' && vehicle.position !== null
    const what = moving ? `${speed_kmh(vehicle.position?.speed)} km/h` : STATE_WORDS[vehicle.state].word.toLowerCase()
    if (tip.textContent !== vehicle.id + what) tip.replaceChildren(el('b', {}, vehicle.id), el('span', {}, what))
    tip.style.transform = `translate(${Math.round(x + 14)}px, ${Math.round(y + 12)}px)`
  }

  private padding(): { top: number; right: number; bottom: number; left: number } {
    const drawer = !this.drawerRoot.hidden && !isPhone() ? this.drawerRoot.offsetWidth + 24 : 0
    return { top: 0, left: 0, right: drawer, bottom: this.sheet.covered() }
  }
}

/** The vehicle that the address names after its #. */
function wantedByAddress(): string | null {
  const name = location.hash.slice(1)
  if (name === '') return null
  try {
    return decodeURIComponent(name)
  } catch {
    return null
  }
}

new Console().start()
