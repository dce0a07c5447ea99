// Converts a SUMO road network into the compact road asset the map draws under the vehicles.
//
//   node scripts/roads.mjs NETWORK.net.xml[.gz] assets/luxembourg-roads.json
//
// Reads edges and junctions, drops the opposite direction of two-way streets, joins edges into long lines
// where nothing branches, simplifies them to 1.5 m, and writes longitudes and latitudes as whole numbers of
// 1e-5 degrees, each line as its first point followed by differences. Needs Node alone: the network's own
// projection (UTM, named in its <location> element) is inverted here.
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

const CLASSES = ['residential', 'tertiary', 'secondary', 'primary', 'motorway']
const TOLERANCE_M = 1.5
const SCALE = 1e5

/** Inverse transverse Mercator on WGS 84 (Krüger's series to the third order: under a millimetre within a zone). */
function utmInverse(zone) {
  const a = 6378137,
    f = 1 / 298.257223563,
    k0 = 0.9996
  const n = f / (2 - f)
  const A = (a / (1 + n)) * (1 + n ** 2 / 4 + n ** 4 / 64)
  const beta = [n / 2 - (2 * n ** 2) / 3 + (37 * n ** 3) / 96, n ** 2 / 48 + n ** 3 / 15, (17 * n ** 3) / 480]
  const delta = [2 * n - (2 * n ** 2) / 3 - 2 * n ** 3, (7 * n ** 2) / 3 - (8 * n ** 3) / 5, (56 * n ** 3) / 15]
  const lon0 = (zone * 6 - 183) * (Math.PI / 180)
  return (easting, northing) => {
    const xi = northing / (k0 * A),
      eta = (easting - 500000) / (k0 * A)
    let xi1 = xi,
      eta1 = eta
    beta.forEach((b, i) => {
      const j = 2 * (i + 1)
      xi1 -= b * Math.sin(j * xi) * Math.cosh(j * eta)
      eta1 -= b * Math.cos(j * xi) * Math.sinh(j * eta)
    })
    const chi = Math.asin(Math.sin(xi1) / Math.cosh(eta1))
    let lat = chi
    delta.forEach((d, i) => {
      lat += d * Math.sin(2 * (i + 1) * chi)
    })
    const lon = lon0 + Math.atan2(Math.sinh(eta1), Math.cos(xi1))
    return [lon * (180 / Math.PI), lat * (180 / Math.PI)]
  }
}

const attribute = (tag, name) => tag.match(new RegExp(` ${name}="([^"]*)"`))?.[1]
const point = (text) => text.split(',').map(Number)

function readNetwork(file) {
  const raw = readFileSync(file)
  const xml = (file.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
  const location = xml.match(/<location [^>]*>/)[0]
  const zone = Number(attribute(location, 'projParameter').match(/\+proj=utm \+zone=(\d+)/)[1])
  const [dx, dy] = point(attribute(location, 'netOffset'))
  const inverse = utmInverse(zone)
  const junctions = new Map()
  for (const [tag] of xml.matchAll(/<junction [^>]*>/g)) {
    junctions.set(attribute(tag, 'id'), [Number(attribute(tag, 'x')), Number(attribute(tag, 'y'))])
  }
  const edges = new Map()
  for (const [tag] of xml.matchAll(/<edge [^>]*type="highway\.[^>]*>/g)) {
    const id = attribute(tag, 'id'),
      from = attribute(tag, 'from'),
      to = attribute(tag, 'to')
    const road = attribute(tag, 'type').replace('highway.', '').replace('_link', '')
    const shape = attribute(tag, 'shape')
    const points = shape ? shape.split(' ').map(point) : [junctions.get(from), junctions.get(to)]
    edges.set(id, { from, to, road, points })
  }
  return { edges, toLonLat: ([x, y]) => inverse(x - dx, y - dy) }
}

/** Keeps one of the two edges of a two-way street: `-x` runs against `x` between the same junctions. */
function withoutOpposites(edges) {
  const kept = []
  for (const [id, edge] of edges) {
    const other = id.startsWith('-') ? edges.get(id.slice(1)) : undefined
    if (other && other.from === edge.to && other.to === edge.from) continue
    kept.push(edge)
  }
  return kept
}

/** Joins edges of one class into chains through junctions where exactly two of them meet. */
function joined(edges) {
  const at = new Map()
  for (const edge of edges) for (const end of [edge.from, edge.to]) at.set(end, [...(at.get(end) ?? []), edge])
  const used = new Set()
  const grow = (points, end) => {
    for (;;) {
      const here = at.get(end)
      const next = here.length === 2 ? here.find((e) => !used.has(e)) : undefined
      if (!next) return points
      used.add(next)
      const forward = next.from === end
      points = points.concat((forward ? next.points : [...next.points].reverse()).slice(1))
      end = forward ? next.to : next.from
    }
  }
  return edges
    .filter((e) => !used.has(e))
    .flatMap((edge) => {
      if (used.has(edge)) return []
      used.add(edge)
      const ahead = grow(edge.points, edge.to)
      return [grow([...ahead].reverse(), edge.from)]
    })
}

/** Douglas and Peucker's simplification, in metres of the network. */
function simplified(points) {
  if (points.length < 3) return points
  const [ax, ay] = points[0],
    [bx, by] = points.at(-1)
  const length = Math.hypot(bx - ax, by - ay)
  let worst = 0,
    split = 0
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i]
    const off =
      length === 0 ? Math.hypot(x - ax, y - ay) : Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length
    if (off > worst) {
      worst = off
      split = i
    }
  }
  if (worst <= TOLERANCE_M) return [points[0], points.at(-1)]
  return [...simplified(points.slice(0, split + 1)).slice(0, -1), ...simplified(points.slice(split))]
}

function encoded(points, toLonLat) {
  const out = []
  let last
  for (const p of points) {
    const [x, y] = toLonLat(p).map((d) => Math.round(d * SCALE))
    if (last && x === last[0] && y === last[1]) continue
    out.push(last ? x - last[0] : x, last ? y - last[1] : y)
    last = [x, y]
  }
  return out
}

const [, , input, output] = process.argv
if (!input || !output) {
  process.stderr.write('usage: node scripts/roads.mjs NETWORK.net.xml[.gz] OUTPUT.json\n')
  process.exit(64)
}
const { edges, toLonLat } = readNetwork(input)
const single = withoutOpposites(edges)
const roads = {}
for (const road of CLASSES) {
  const lines = joined(single.filter((e) => e.road === road))
  roads[road] = lines.map((l) => encoded(simplified(l), toLonLat)).filter((l) => l.length >= 4)
  process.stdout.write(`${road}: ${lines.length} lines, ${roads[road].reduce((n, l) => n + l.length / 2, 0)} points\n`)
}
const attribution = '© OpenStreetMap contributors'
writeFileSync(output, `${JSON.stringify({ attribution, scale: SCALE, roads })}\n`)
