// The map: base map, vehicles, the selected one's track; picking, following, and how often it is drawn.
//
// Owns the GL map. Draws only as often as the fastest vehicle moves visibly, so that an open console leaves the
// machine cool.

import { type GeoJSONSource, Map as GlMap, ScaleControl, setWorkerUrl } from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url'
import { fetchData, putData, repaint, style } from './basemap'
import type { Fleet, Vehicle } from './fleet'
import type { Theme } from './looks'
import { latitude, longitude, mercatorX, mercatorY } from './mercator'
import { radiusAt, VehiclesLayer } from './vehicles-layer'

setWorkerUrl(workerUrl)

/** Fastest a vehicle is expected to cross the map, for the pace of drawing, metres a second. */
const FASTEST_MPS = 40
const FRAMES_MAX = 60
const FRAMES_MIN = 4
/** How far beside a vehicle a click still means it, pixels. */
const PICK_SLACK = 7
const EASE_S = 0.5

export interface MapEvents {
  picked(id: string | null): void
  hovered(vehicle: Vehicle | null, x: number, y: number): void
  /** The operator moved the map by hand. */
  steered(): void
}

export interface Padding {
  top: number
  right: number
  bottom: number
  left: number
}

export class MapView {
  readonly map: GlMap
  private readonly layer: VehiclesLayer
  /** Asked for at once, while the map itself is still being set up. */
  private readonly data = fetchData()
  private followed: Vehicle | null = null
  private padding: Padding = { top: 0, right: 0, bottom: 0, left: 0 }
  private drawTimer: ReturnType<typeof setTimeout> | undefined
  private pointer: { x: number; y: number } | null = null
  private ready = false
  private easedUntil = 0
  private trackEnd: [lon: number, lat: number] | null = null

  constructor(
    container: HTMLElement,
    private readonly fleet: Fleet,
    private readonly clock: () => number,
    private readonly events: MapEvents,
    theme: Theme,
  ) {
    this.map = new GlMap({
      container,
      style: style(theme),
      center: [10, 35],
      zoom: 1.6,
      minZoom: 1,
      maxZoom: 19,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 150,
    })
    this.map.touchZoomRotate.disableRotation()
    this.map.keyboard.disable()
    this.map.addControl(new ScaleControl({ maxWidth: 90, unit: 'metric' }), 'bottom-right')
    this.layer = new VehiclesLayer(fleet.motion, clock)
    this.layer.theme = theme
    this.listen()
  }

  /** Resolves when the base map and the layer stand. */
  async loaded(): Promise<void> {
    if (!this.map.isStyleLoaded()) await new Promise<void>((done) => this.map.once('load', () => done()))
    this.map.addLayer(this.layer)
    repaint(this.map, this.layer.theme)
    this.ready = true
    this.pace()
    putData(this.map, await this.data)
  }

  setTheme(theme: Theme): void {
    this.layer.theme = theme
    if (this.ready) repaint(this.map, theme)
  }

  /** 1 while the stream is lost: vehicles are shown as they were last seen. */
  setFaded(faded: boolean): void {
    const fade = faded ? 1 : 0
    if (this.layer.fade === fade) return
    this.layer.fade = fade
    this.map.triggerRepaint()
  }

  /** What the panels cover, so that what is shown lies beside them. */
  setPadding(padding: Padding): void {
    this.padding = padding
  }

  select(vehicle: Vehicle | null): void {
    this.layer.selected = vehicle?.row ?? null
    if (this.followed !== null && this.followed !== vehicle) this.followed = null
    this.map.triggerRepaint()
  }

  highlight(vehicle: Vehicle | null): void {
    this.layer.hovered = vehicle?.row ?? null
    this.map.triggerRepaint()
  }

  follow(vehicle: Vehicle | null): void {
    this.followed = vehicle
    if (vehicle !== null) this.showVehicle(vehicle, 15.5)
  }

  isFollowing(): boolean {
    return this.followed !== null
  }

  /** Brings a vehicle into the open part of the map. */
  showVehicle(vehicle: Vehicle, zoomAtLeast = 0): void {
    const { motion } = this.fleet
    if (!motion.isPlaced(vehicle.row)) return
    const { x, y } = motion.at(vehicle.row, this.clock())
    const zoom = Math.max(this.map.getZoom(), zoomAtLeast)
    this.easedUntil = this.clock() + EASE_S
    this.map.easeTo({ center: [longitude(x), latitude(y)], zoom, offset: this.offset(), duration: EASE_S * 1000 })
  }

  /** Moves the map only if the vehicle is not in its open part. */
  reveal(vehicle: Vehicle): void {
    const { motion } = this.fleet
    if (!motion.isPlaced(vehicle.row)) return
    const { x, y } = motion.at(vehicle.row, this.clock())
    const at = this.map.project([longitude(x), latitude(y)])
    const canvas = this.map.getCanvas()
    const margin = 40
    const open =
      at.x > this.padding.left + margin &&
      at.x < canvas.clientWidth - this.padding.right - margin &&
      at.y > this.padding.top + margin &&
      at.y < canvas.clientHeight - this.padding.bottom - margin
    if (!open || this.map.getZoom() < 11) this.showVehicle(vehicle, 13.5)
  }

  /** Shows all the vehicles given; false when none has a position. */
  fit(vehicles: Iterable<Vehicle>, animated: boolean): boolean {
    let west = Infinity
    let east = -Infinity
    let north = Infinity
    let south = -Infinity
    for (const vehicle of vehicles) {
      if (!this.fleet.motion.isPlaced(vehicle.row)) continue
      const { x, y } = this.fleet.motion.target(vehicle.row)
      west = Math.min(west, x)
      east = Math.max(east, x)
      north = Math.min(north, y)
      south = Math.max(south, y)
    }
    if (west > east) return false
    const margin = Math.min(48, this.map.getCanvas().clientWidth / 12)
    const { top, right, bottom, left } = this.padding
    this.map.fitBounds(
      [
        [longitude(west), latitude(south)],
        [longitude(east), latitude(north)],
      ],
      {
        padding: { top: top + margin, right: right + margin, bottom: bottom + margin, left: left + margin },
        maxZoom: 15,
        duration: animated ? 700 : 0,
      },
    )
    return true
  }

  /** The way the selected vehicle came, and its runs before; with `toVehicle` it goes on to where the vehicle is drawn. */
  setTrack(now: [lon: number, lat: number][], before: [lon: number, lat: number][][], toVehicle: boolean): void {
    this.setLine('track', now)
    this.source('past')?.setData({ type: 'MultiLineString', coordinates: before.filter((run) => run.length > 1) })
    this.trackEnd = toVehicle ? (now.at(-1) ?? null) : null
    if (this.trackEnd === null) this.setLine('tail', [])
  }

  /** A mark on the track, where the chart's pointer is. */
  setMark(at: [lon: number, lat: number] | null): void {
    this.source('mark')?.setData(
      at === null
        ? { type: 'FeatureCollection', features: [] }
        : { type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: at } },
    )
  }

  /** Something of the vehicles changed: draw soon. */
  invalidate(): void {
    if (this.drawTimer === undefined) this.map.triggerRepaint()
  }

  /** The middle of the open part of the map, from the middle of all of it. */
  private offset(): [number, number] {
    const { top, right, bottom, left } = this.padding
    return [(left - right) / 2, (top - bottom) / 2]
  }

  private setLine(source: string, line: [lon: number, lat: number][]): void {
    const geometry = { type: 'LineString' as const, coordinates: line }
    this.source(source)?.setData(
      line.length < 2 ? { type: 'FeatureCollection', features: [] } : { type: 'Feature', properties: {}, geometry },
    )
  }

  /** Draws the last piece of the track, up to the moving vehicle. */
  private drawTail(): void {
    const row = this.layer.selected
    if (this.trackEnd === null || row === null || !this.fleet.motion.isPlaced(row)) return
    const { x, y } = this.fleet.motion.at(row, this.clock())
    this.setLine('tail', [this.trackEnd, [longitude(x), latitude(y)]])
  }

  private source(id: string): GeoJSONSource | undefined {
    return this.map.getSource(id) as GeoJSONSource | undefined
  }

  private listen(): void {
    const { map } = this
    map.on('click', (event) => this.events.picked(this.pick(event.point.x, event.point.y)?.id ?? null))
    map.on('mousemove', (event) => {
      this.pointer = { x: event.point.x, y: event.point.y }
      this.hover()
    })
    map.on('mouseout', () => {
      this.pointer = null
      this.hover()
    })
    for (const gesture of ['dragstart', 'wheel', 'boxzoomstart'] as const) {
      map.on(gesture, () => {
        this.followed = null
        this.events.steered()
      })
    }
  }

  private hover(): void {
    const { pointer } = this
    const vehicle = pointer === null ? null : this.pick(pointer.x, pointer.y)
    this.map.getCanvas().style.cursor = vehicle === null ? '' : 'pointer'
    this.layer.hovered = vehicle?.row ?? null
    this.events.hovered(vehicle, pointer?.x ?? 0, pointer?.y ?? 0)
  }

  /** The vehicle drawn nearest to a point of the canvas. */
  private pick(px: number, py: number): Vehicle | null {
    const { motion } = this.fleet
    const now = this.clock()
    const at = this.map.unproject([px, py])
    const x = mercatorX(at.lng)
    const y = mercatorY(at.lat)
    const worldPixels = 512 * 2 ** this.map.getZoom()
    const reach = (radiusAt(this.map.getZoom()) + PICK_SLACK) / worldPixels
    let best: Vehicle | null = null
    let nearest = reach * reach
    for (const vehicle of this.fleet.vehicles.values()) {
      if (!motion.isPlaced(vehicle.row) || motion.isMuted(vehicle.row)) continue
      const rough = motion.target(vehicle.row)
      // A drawn place lies within a glide of its fix; only those near are worth computing.
      if (Math.abs(rough.x - x) > reach + 1e-5 || Math.abs(rough.y - y) > reach + 1e-5) continue
      const place = motion.at(vehicle.row, now)
      const far = (place.x - x) ** 2 + (place.y - y) ** 2
      if (far < nearest) {
        nearest = far
        best = vehicle
      }
    }
    return best
  }

  /** Draws the next frame when a vehicle may have moved a quarter of a pixel. */
  private pace(): void {
    const centre = this.map.getCenter()
    const metresPerPixel = (78271.5 * Math.cos((centre.lat * Math.PI) / 180)) / 2 ** this.map.getZoom()
    const frames = Math.max(FRAMES_MIN, Math.min(FRAMES_MAX, (4 * FASTEST_MPS) / metresPerPixel))
    this.drawTimer = setTimeout(() => {
      if (document.visibilityState === 'visible') {
        this.keepFollowing()
        this.drawTail()
        if (this.pointer !== null && this.layer.hovered !== null) this.hover()
        this.map.triggerRepaint()
      }
      this.pace()
    }, 1000 / frames)
  }

  private keepFollowing(): void {
    if (this.followed === null || this.clock() < this.easedUntil) return
    const { motion } = this.fleet
    if (!motion.isPlaced(this.followed.row)) return
    const { x, y } = motion.at(this.followed.row, this.clock())
    this.map.easeTo({ center: [longitude(x), latitude(y)], offset: this.offset(), duration: 0 })
  }
}
