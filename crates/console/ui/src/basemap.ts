// The map beneath the vehicles: land and borders of the world, the demo's roads, names; all bundled.
//
// Owns the style and its two palettes. Never asks anything outside this origin: no tiles, no glyph server
// (names are drawn with the machine's own fonts).

import type { Feature, FeatureCollection, Geometry, MultiLineString, Point } from 'geojson'
import type { GeoJSONSource, LayerSpecification, Map as GlMap, StyleSpecification } from 'maplibre-gl'
import { feature, mesh } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import roadsUrl from '../assets/luxembourg-roads.json?url'
import worldUrl from 'world-atlas/countries-50m.json?url'
import type { Theme } from './looks'
import { PLACES } from './places'

interface Palette {
  water: string
  land: string
  border: string
  /** Residential, tertiary, secondary, primary, motorway. */
  roads: [string, string, string, string, string]
  casing: string
  name: string
  nameStrong: string
  halo: string
  track: string
}

export const PALETTES: Record<Theme, Palette> = {
  dark: {
    water: '#0a0f14',
    land: '#12181e',
    border: '#2a343f',
    roads: ['#1c242d', '#232d38', '#2a3642', '#324050', '#3a4a5b'],
    casing: '#0d1217',
    name: '#6f7d8c',
    nameStrong: '#93a1b0',
    halo: '#12181e',
    track: '#e8eef4',
  },
  light: {
    water: '#d9e3ea',
    land: '#f1f1ed',
    border: '#c3c9cf',
    roads: ['#ffffff', '#ffffff', '#ffffff', '#ffffff', '#fdf8ea'],
    casing: '#d9dad6',
    name: '#7b8691',
    nameStrong: '#4e5964',
    halo: '#f6f6f3',
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
  return ['interpolate', ['exponential', 1.4], ['zoom'], 9, w[0] + extra * 0.2, 12, w[1] + extra * 0.5, 14, w[2] + extra * 0.8, 16, w[3] + extra, 19, w[4] + extra * 1.4]
}

/** The style before its data has come: everything but the vehicles. */
export function style(theme: Theme): StyleSpecification {
  const p = PALETTES[theme]
  const roads = (casing: boolean): LayerSpecification[] =>
    ROAD_CLASSES.map((road, i) => ({
      id: `${casing ? 'casing' : 'road'}-${road}`,
      type: 'line',
      source: 'roads',
      filter: ['==', ['get', 'road'], road],
      minzoom: casing ? Math.max(FROM_ZOOM[i]!, 11) : FROM_ZOOM[i]!,
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': casing ? p.casing : p.roads[i]!, 'line-width': casing ? widths(i, 2) : widths(i, 0) },
    }))
  return {
    version: 8,
    sources: {
      land: { type: 'geojson', data: EMPTY, maxzoom: 7, tolerance: 0.4 },
      borders: { type: 'geojson', data: EMPTY, maxzoom: 7, tolerance: 0.4 },
      roads: { type: 'geojson', data: EMPTY, maxzoom: 15, tolerance: 0.2 },
      names: { type: 'geojson', data: EMPTY },
      track: { type: 'geojson', data: EMPTY, lineMetrics: true, tolerance: 0.1, maxzoom: 18 },
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
      name('names-quarter', 'quarter', p.name, ['interpolate', ['linear'], ['zoom'], 12, 10.5, 16, 13], 11.9, 16.5, 0.04),
      name('names-commune', 'commune', p.name, ['interpolate', ['linear'], ['zoom'], 10, 10.5, 16, 14], 10.4, 16.5, 0.04),
      name('names-city', 'city', p.nameStrong, ['interpolate', ['linear'], ['zoom'], 7, 12, 14, 17], 7, 15, 0.02),
      {
        id: 'track',
        type: 'line',
        source: 'track',
        layout: { 'line-cap': 'round', 'line-join': 'round' },
        paint: { 'line-width': ['interpolate', ['linear'], ['zoom'], 10, 2, 16, 4.5], 'line-gradient': gradient(p.track) },
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

function name(id: string, kind: string, colour: string, size: unknown, minzoom: number, maxzoom: number, spacing: number): LayerSpecification {
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
  return ['interpolate', ['linear'], ['line-progress'], 0, `${colour}00`, 0.25, `${colour}40`, 1, `${colour}d0`]
}

/** Changes the colours of a map that stands. */
export function repaint(map: GlMap, theme: Theme): void {
  for (const layer of style(theme).layers) {
    if (map.getLayer(layer.id) === undefined || layer.paint === undefined) continue
    for (const [property, value] of Object.entries(layer.paint)) map.setPaintProperty(layer.id, property as never, value as never)
    if (layer.type === 'symbol') map.setPaintProperty(layer.id, 'text-halo-color', PALETTES[theme].halo)
  }
}

/** Fetches the bundled world and roads and gives them to the map. */
export async function load(map: GlMap): Promise<void> {
  const source = (id: string) => map.getSource(id) as GeoJSONSource
  const [world, roads] = await Promise.all([fetched<Topology>(worldUrl), fetched<RoadsAsset>(roadsUrl)])
  source('roads').setData(roadFeatures(roads))
  const countries = world.objects.countries as GeometryCollection<{ name: string }>
  source('land').setData(feature(world, world.objects.land as GeometryCollection))
  source('borders').setData(mesh(world, countries, (a, b) => a !== b) as MultiLineString)
  source('names').setData({ type: 'FeatureCollection', features: [...placeNames(), ...countryNames(feature(world, countries).features)] })
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

/** Every country's name at the middle of its largest part. */
function countryNames(countries: Feature<Geometry, { name: string }>[]): Feature<Point>[] {
  return countries.flatMap((country) => {
    const { geometry } = country as Feature<Geometry | null>
    if (geometry === null || (geometry.type !== 'Polygon' && geometry.type !== 'MultiPolygon')) return []
    const rings = geometry.type === 'Polygon' ? [geometry.coordinates[0]!] : geometry.coordinates.map((p) => p[0]!)
    const [area, lon, lat] = rings.map(middle).reduce((a, b) => (b[0] > a[0] ? b : a))
    const { name } = country.properties
    return [{ type: 'Feature', properties: { name, kind: 'country', order: 100 - area }, geometry: { type: 'Point', coordinates: [lon, lat] } }]
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
