// The map beneath the vehicles: land and borders of the world, the demo's roads, names; all bundled.
//
// Owns the style and its two palettes. Never asks anything outside this origin: no tiles, no glyph server
// (names are drawn with the machine's own fonts).

import type { Feature, FeatureCollection, Geometry, MultiLineString, Point, Position } from 'geojson'
import type { GeoJSONSource, LayerSpecification, Map as GlMap, StyleSpecification } from 'maplibre-gl'
import { feature, mesh } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import roadsUrl from '../assets/luxembourg-roads.json?url'
import worldUrl from 'world-atlas/countries-50m.json?url'
import type { Theme } from './looks'
import { PLACES } from './places'

/** Residential, tertiary, secondary, primary, motorway. */
type Inks = [string, string, string, string, string]

interface Palette {
  water: string
  land: string
  border: string
  roads: Inks
  /** The same seen from further off, where a road is a hair. */
  farRoads: Inks
  casing: string
  name: string
  nameStrong: string
  halo: string
  track: string
}

export const PALETTES: Record<Theme, Palette> = {
  dark: {
    water: '#0a0f14',
    land: '#151d25',
    border: '#2e3945',
    roads: ['#222c36', '#28343f', '#2d3a47', '#344352', '#3c4d5e'],
    farRoads: ['#1e2730', '#26313c', '#2c3945', '#344352', '#3c4d5e'],
    casing: '#0d1217',
    name: '#6f7d8c',
    nameStrong: '#93a1b0',
    halo: '#151d25',
    track: '#e8eef4',
  },
  light: {
    water: '#d3dfe7',
    land: '#eceeec',
    border: '#b9c2c9',
    roads: ['#ffffff', '#ffffff', '#ffffff', '#ffffff', '#ffffff'],
    farRoads: ['#dbe0e2', '#cfd6da', '#c4cdd3', '#b8c3ca', '#abb8c1'],
    casing: '#cdd2d4',
    name: '#7b8691',
    nameStrong: '#4e5964',
    halo: '#f3f5f4',
    track: '#1d2731',
  },
}

const ROAD_CLASSES = ['residential', 'tertiary', 'secondary', 'primary', 'motorway'] as const

/** Widths at zooms 9, 12, 14, 16 and 19, pixels. */
const WIDTHS: [number, number, number, number, number][] = [
  [0.2, 0.6, 1.8, 5, 24],
  [0.3, 1.0, 2.6, 7, 30],
  [0.5, 1.4, 3.4, 9, 34],
  [0.8, 1.9, 4.2, 10, 38],
  [1.2, 2.4, 5.0, 11, 40],
]
/** From which zoom a class is drawn. */
const FROM_ZOOM = [10.8, 9.6, 8.6, 7.6, 6.5]

const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

type Width = ['interpolate', ['exponential', number], ['zoom'], ...number[]]

function widths(row: number, extra: number): Width {
  const w = WIDTHS[row]!
  return [
    'interpolate',
    ['exponential', 1.4],
    ['zoom'],
    9,
    w[0] + extra * 0.2,
    12,
    w[1] + extra * 0.5,
    14,
    w[2] + extra * 0.8,
    16,
    w[3] + extra,
    19,
    w[4] + extra * 1.4,
  ]
}

const TRACK_WIDTH: Width = ['interpolate', ['exponential', 1], ['zoom'], 10, 2, 16, 4.5]

/** The style before its data has come: everything but the vehicles. */
export function style(theme: Theme): StyleSpecification {
  const p = PALETTES[theme]
  const roads = (casing: boolean): LayerSpecification[] =>
    ROAD_CLASSES.map((road, i) => ({
      id: `${casing ? 'casing' : 'road'}-${road}`,
      type: 'line',
      source: 'roads',
      filter: ['==', ['get', 'road'], road],
      minzoom: casing ? 13 : FROM_ZOOM[i]!,
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: casing
        ? { 'line-color': p.casing, 'line-width': widths(i, 2) }
        : {
            'line-color': ['interpolate', ['linear'], ['zoom'], 12.6, p.farRoads[i]!, 14, p.roads[i]!],
            'line-width': widths(i, 0),
          },
    }))
  return {
    version: 8,
    sources: {
      land: { type: 'geojson', data: EMPTY, maxzoom: 6 },
      borders: { type: 'geojson', data: EMPTY, maxzoom: 6 },
      roads: { type: 'geojson', data: EMPTY, maxzoom: 15, tolerance: 0.2 },
      names: { type: 'geojson', data: EMPTY },
      track: { type: 'geojson', data: EMPTY, lineMetrics: true, tolerance: 0.1, maxzoom: 18 },
      past: { type: 'geojson', data: EMPTY, tolerance: 0.1, maxzoom: 18 },
      tail: { type: 'geojson', data: EMPTY, tolerance: 0, maxzoom: 18 },
      mark: { type: 'geojson', data: EMPTY },
    },
    layers: [
      { id: 'water', type: 'background', paint: { 'background-color': p.water } },
      { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': p.land } },
      {
        id: 'borders',
        type: 'line',
        source: 'borders',
        paint: {
          'line-color': p.border,
          'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 6, 1.2],
          'line-opacity': ['interpolate', ['linear'], ['zoom'], 8, 1, 10.5, 0],
        },
      },
      ...roads(true),
      ...roads(false),
      name('names-country', 'country', p.name, ['interpolate', ['linear'], ['zoom'], 2, 10, 6, 13], 1.6, 8.5, 0.12),
      name(
        'names-quarter',
        'quarter',
        p.name,
        ['interpolate', ['linear'], ['zoom'], 12, 10.5, 16, 13],
        11.9,
        16.5,
        0.04,
      ),
      name(
        'names-commune',
        'commune',
        p.name,
        ['interpolate', ['linear'], ['zoom'], 10, 10.5, 16, 14],
        10.4,
        16.5,
        0.04,
      ),
      name('names-city', 'city', p.nameStrong, ['interpolate', ['linear'], ['zoom'], 7, 12, 14, 17], 7, 15, 0.02),
      {
        id: 'past',
        type: 'line',
        source: 'past',
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-width': TRACK_WIDTH, 'line-color': p.track, 'line-opacity': 0.25 },
      },
      {
        id: 'track',
        type: 'line',
        source: 'track',
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-width': TRACK_WIDTH, 'line-gradient': gradient(p.track) },
      },
      {
        id: 'tail',
        type: 'line',
        source: 'tail',
        layout: { 'line-cap': 'round' },
        paint: { 'line-width': TRACK_WIDTH, 'line-color': p.track },
      },
      {
        id: 'mark',
        type: 'circle',
        source: 'mark',
        paint: { 'circle-radius': 5, 'circle-color': p.track, 'circle-stroke-color': p.land, 'circle-stroke-width': 2 },
      },
    ],
  }
}

function name(
  id: string,
  kind: string,
  colour: string,
  size: unknown,
  minzoom: number,
  maxzoom: number,
  spacing: number,
): LayerSpecification {
  return {
    id,
    type: 'symbol',
    source: 'names',
    filter: ['==', ['get', 'kind'], kind],
    minzoom,
    maxzoom,
    layout: {
      'text-field': ['get', 'name'],
      'text-font': ['system-ui'],
      'text-size': size as number,
      'text-letter-spacing': spacing,
      'text-max-width': 8,
      'text-padding': 6,
      'symbol-sort-key': ['get', 'order'],
    },
    paint: { 'text-color': colour, 'text-halo-color': '#00000000', 'text-halo-width': 1.4 },
  }
}

/** The track fades out towards its past. */
function gradient(colour: string): ['interpolate', ['linear'], ['line-progress'], ...(number | string)[]] {
  return ['interpolate', ['linear'], ['line-progress'], 0, `${colour}00`, 0.25, `${colour}50`, 1, colour]
}

/** Changes the colours of a map that stands. */
export function repaint(map: GlMap, theme: Theme): void {
  for (const layer of style(theme).layers) {
    if (map.getLayer(layer.id) === undefined || layer.paint === undefined) continue
    for (const [property, value] of Object.entries(layer.paint))
      map.setPaintProperty(layer.id, property as never, value as never)
    if (layer.type === 'symbol') map.setPaintProperty(layer.id, 'text-halo-color', PALETTES[theme].halo)
  }
}

export interface MapData {
  world: Topology
  roads: RoadsAsset
}

/** Fetches the bundled world and roads. */
export async function fetchData(): Promise<MapData> {
  const [world, roads] = await Promise.all([fetched<Topology>(worldUrl), fetched<RoadsAsset>(roadsUrl)])
  return { world, roads }
}

/** Gives them to a map whose style stands. */
export function putData(map: GlMap, { world, roads }: MapData): void {
  const source = (id: string) => map.getSource(id) as GeoJSONSource
  source('roads').setData(roadFeatures(roads))
  const countries = world.objects.countries as GeometryCollection<{ name: string }>
  const land = unwrapped(feature(world, countries))
  source('land').setData(land)
  source('borders').setData(mesh(world, countries, (a, b) => a !== b))
  source('names').setData({ type: 'FeatureCollection', features: [...placeNames(), ...countryNames(land.features)] })
}

async function fetched<T>(url: string): Promise<T> {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`the bundled map data ${url} answered ${answer.status}`)
  return (await answer.json()) as T
}

/** Lines of whole numbers: the first point, then differences (see scripts/roads.mjs). */
interface RoadsAsset {
  scale: number
  roads: Record<string, number[][]>
}

export function roadFeatures({ scale, roads }: RoadsAsset): FeatureCollection<MultiLineString> {
  const features = Object.entries(roads).map(([road, lines]): Feature<MultiLineString> => ({
    type: 'Feature',
    properties: { road },
    geometry: { type: 'MultiLineString', coordinates: lines.map((line) => decoded(line, scale)) },
  }))
  return { type: 'FeatureCollection', features }
}

function decoded(line: number[], scale: number): [number, number][] {
  let x = 0
  let y = 0
  const out: [number, number][] = []
  for (let i = 0; i + 1 < line.length; i += 2) {
    x += line[i]!
    y += line[i + 1]!
    out.push([x / scale, y / scale])
  }
  return out
}

const KINDS = { 1: 'city', 2: 'commune', 3: 'quarter' } as const

function placeNames(): Feature<Point>[] {
  return PLACES.map(({ name, lon, lat, rank }) => ({
    type: 'Feature',
    properties: { name, kind: KINDS[rank], order: rank },
    geometry: { type: 'Point', coordinates: [lon, lat] },
  }))
}

/**
 * Makes rings of the sphere into rings of the plane: the atlas lets them step over the date line, where the map
 * would draw a band round the world. A ring goes on beyond 180° instead; one round a pole is closed along it.
 */
export function unwrapped<P>(countries: FeatureCollection<Geometry, P>): FeatureCollection<Geometry, P> {
  const plane = (geometry: Geometry | null): Geometry | null => {
    if (geometry?.type === 'Polygon') return { ...geometry, coordinates: geometry.coordinates.map(unwrappedRing) }
    if (geometry?.type === 'MultiPolygon')
      return { ...geometry, coordinates: geometry.coordinates.map((p) => p.map(unwrappedRing)) }
    return geometry
  }
  return { ...countries, features: countries.features.map((f) => ({ ...f, geometry: plane(f.geometry) as Geometry })) }
}

export function unwrappedRing(ring: Position[]): Position[] {
  let turns = 0
  const out = ring.map(([lon, lat], i): Position => {
    const step = i === 0 ? 0 : lon! - ring[i - 1]![0]!
    if (step > 180) turns--
    else if (step < -180) turns++
    return [lon! + 360 * turns, lat!]
  })
  const first = out[0]!
  const last = out.at(-1)!
  if (Math.abs(last[0]! - first[0]!) < 180) return out
  const pole = first[1]! < 0 ? -89.9 : 89.9
  return [...out, [last[0]!, pole], [first[0]!, pole], first]
}

/** Every country's name at the middle of its largest part. */
function countryNames(countries: Feature<Geometry, { name: string }>[]): Feature<Point>[] {
  return countries.flatMap((country) => {
    const { geometry } = country as Feature<Geometry | null>
    if (geometry === null || (geometry.type !== 'Polygon' && geometry.type !== 'MultiPolygon')) return []
    const rings = geometry.type === 'Polygon' ? [geometry.coordinates[0]!] : geometry.coordinates.map((p) => p[0]!)
    const [area, lon, lat] = rings.map(middle).reduce((a, b) => (b[0] > a[0] ? b : a))
    const { name } = country.properties
    return [
      {
        type: 'Feature',
        properties: { name, kind: 'country', order: 100 - area },
        geometry: { type: 'Point', coordinates: [lon, lat] },
      },
    ]
  })
}

/** The area of a ring and its centre of mass, in degrees. */
export function middle(ring: number[][]): [area: number, lon: number, lat: number] {
  let twice = 0
  let x = 0
  let y = 0
  for (let i = 0; i < ring.length - 1; i++) {
    const [x0, y0] = ring[i] as [number, number]
    const [x1, y1] = ring[i + 1] as [number, number]
    const cross = x0 * y1 - x1 * y0
    twice += cross
    x += (x0 + x1) * cross
    y += (y0 + y1) * cross
  }
  if (twice === 0) return [0, ring[0]![0]!, ring[0]![1]!]
  return [Math.abs(twice / 2), x / (3 * twice), y / (3 * twice)]
}
