// For work on the console alone: serves ../dist and plays a SUMO trace through the operator API, with vehicles
// in every state. Not part of the bundle and not used by any test; the real thing is `cargo run -- demo`.
//
//   node dev/gateway.mjs TRACE.fcd.xml[.gz] [--port N] [--copies N]
//
// On standard input: "cut", "heal" (the eastern region), "drop" (ends every stream for 8 s).
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const args = process.argv.slice(2)
const option = (name, fallback) => (args.includes(name) ? Number(args[args.indexOf(name) + 1]) : fallback)
const copies = option('--copies', 1)
const dist = fileURLToPath(new URL('../../dist/', import.meta.url))

const raw = readFileSync(args[0])
const xml = (args[0].endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
const tracks = new Map()
let step = 0
for (const line of xml.split('\n')) {
  if (line.includes('<timestep')) step++
  const m = line.match(/<vehicle id="([^"]*)" x="([^"]*)" y="([^"]*)" angle="([^"]*)".* speed="([^"]*)"/)
  if (!m) continue
  if (!tracks.has(m[1])) tracks.set(m[1], new Map())
  tracks.get(m[1]).set(step, { lon: +m[2], lat: +m[3], heading: +m[4], speed: +m[5] })
}
const steps = step
const regionOf = (lon) => (lon < 6.115 ? 'lux-west' : lon < 6.145 ? 'lux-centre' : 'lux-east')

const started = Date.now()
const vehicles = new Map()
let n = 0
for (let copy = 0; copy < copies; copy++) {
  for (const track of tracks.values()) {
    const id = `LUX-${String(++n).padStart(4, '0')}`
    const seconds = [...track.keys()]
    const odd = n % 23
    vehicles.set(id, {
      id, track, shift: copy * 0.0007, first: seconds[0], last: seconds.at(-1), phase: copy * 37,
      fixed: odd === 3 ? 'idle' : odd === 9 ? 'asleep' : odd === 14 ? 'offline' : odd === 19 && n % 2 ? 'unreachable' : null,
      epoch: String(BigInt(started - n * 1000) << 16n), session: (0x9e3779b97f4a7c15n * BigInt(n) & 0xffffffffffffffffn).toString(16),
    })
  }
}
let cutSince = null
const fixAt = (v, t) => {
  const length = v.last - v.first
  if (length <= 0) return v.track.get(v.first)
  const at = Math.floor((t - started) / 1000 + v.phase + 1e6 * length * 2) % (length * 2)
  const second = v.first + (at < length ? at : length * 2 - at)
  const fix = v.track.get(second) ?? v.track.get(v.first)
  return at < length ? fix : { ...fix, heading: (fix.heading + 180) % 360 }
}
const fix = (v, t) => {
  const f = fixAt(v, v.fixed ? started - 40_000 : t)
  return { ...f, lon: f.lon + v.shift, lat: f.lat + v.shift * 0.6, speed: v.fixed ? 0 : f.speed }
}
const iso = (t) => new Date(t).toISOString()
const vehicleJson = (v, now = Date.now()) => {
  const t = v.fixed ? started - 40_000 : cutSince && regionOf(fix(v, cutSince).lon) === 'lux-east' ? cutSince : Math.floor(now / 1000) * 1000
  const f = fix(v, t), region = regionOf(f.lon), state = v.fixed ?? 'online', cut = cutSince && region === 'lux-east'
  return {
    id: v.id, fleet: null, state: cut ? 'stale' : state, ...(cut ? { last_known: state, stale_why: 'owner_lost' } : {}),
    cause: state === 'offline' ? 'ignition_off' : null, region, gateway: region, epoch: v.epoch, session: v.session,
    age_s: (now - t) / 1000, age_kind: cut ? 'bound' : 'measured', view_age_s: 0.3, cell: '851fa443fffffff',
    position: { lat: f.lat, lon: f.lon, t: iso(t), speed: f.speed, heading: f.heading },
    ...(state === 'idle' ? { update_expected_in_s: 600 - (now - t) / 1000 } : {}),
  }
}
const regionsJson = () => {
  const now = Date.now(), names = ['lux-west', 'lux-centre', 'lux-east'], totals = {}
  const by = Object.fromEntries(names.map((r) => [r, {}]))
  for (const v of vehicles.values()) {
    const j = vehicleJson(v, now)
    by[j.region][j.state] = (by[j.region][j.state] ?? 0) + 1
    totals[j.state] = (totals[j.state] ?? 0) + 1
  }
  return {
    gateway: 'lux-west', region: 'lux-west', time: iso(now), totals, acked_records_total: Math.floor((now - started) / 3),
    regions: names.map((region, i) => {
      const cut = region === 'lux-east' && cutSince
      return { region, gateways: [{ id: region, self: i === 0, status: cut ? 'lost' : 'alive', incarnation: '1', operators_url: `http://127.0.0.1:780${i + 1}`, vehicles_url: `ws://127.0.0.1:770${i + 1}/v1/obu`,
        heard_ago_s: i === 0 ? 0 : cut ? (now - cutSince) / 1000 : 0.2, lag_entries: region === 'lux-centre' ? 3 : 0, lag_s: 0.2, stale_for_s: cut ? Math.max(0, (now - cutSince) / 1000 - 10) : null, vehicles: by[region] }] }
    }),
  }
}

const streams = new Set()
let refusing = false
let eventId = 0
const tell = (event, data, id) => { for (const s of streams) s.write(`${id ? `id: ${++eventId}\n` : ''}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) }
setInterval(() => {
  const now = Date.now(), t = Math.floor(now / 1000) * 1000
  const positions = []
  for (const v of vehicles.values()) {
    if (v.fixed || (now % 1000 < 500) !== (v.id.charCodeAt(7) % 2 === 0)) continue
    const f = fix(v, t)
    if (cutSince && regionOf(fix(v, cutSince).lon) === 'lux-east') continue
    positions.push({ id: v.id, lat: f.lat, lon: f.lon, t, speed: f.speed, heading: f.heading })
  }
  tell('positions', { positions })
}, 500).unref()
setInterval(() => tell('regions', regionsJson()), 1000).unref()
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'cut' || line === 'heal') {
    cutSince = line === 'cut' ? Date.now() : null
    for (const v of vehicles.values()) { const j = vehicleJson(v); if (j.region === 'lux-east') { delete j.position; tell('presence', j, true) } }
  }
  if (line === 'drop') { refusing = true; for (const s of streams) s.end(); setTimeout(() => { refusing = false }, 8000) }
})

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' }
const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://x'), json = (body, status = 200) => { response.writeHead(status, { 'content-type': 'application/json' }); response.end(JSON.stringify(body)) }
  if (refusing && url.pathname.startsWith('/v1')) return response.destroy()
  if (url.pathname === '/v1/vehicles') {
    const all = [...vehicles.values()], limit = Number(url.searchParams.get('limit') ?? 100), from = Number(url.searchParams.get('cursor') ?? 0)
    const missing = cutSince ? ['lux-east'] : []
    return json({ vehicles: all.slice(from, from + limit).map((v) => vehicleJson(v)), next: from + limit < all.length ? String(from + limit) : null, view: { complete: !cutSince, missing_regions: missing }, total: all.length })
  }
  const one = url.pathname.match(/^\/v1\/vehicles\/([^/]+)(\/telemetry)?$/)
  if (one) {
    const v = vehicles.get(decodeURIComponent(one[1]))
    if (!v) return json({ type: 'about:blank', title: 'Not found', status: 404, detail: `no record of ${one[1]}` }, 404)
    if (!one[2]) {
      const j = vehicleJson(v), t = j.position.t
      return json({ ...j, signals: { 'Vehicle.Speed': { value: j.position.speed * 3.6, t }, 'Vehicle.Powertrain.TractionBattery.StateOfCharge.Current': { value: 71.5, t }, 'Vehicle.Cabin.HVAC.AmbientAirTemperature': { value: 21, t }, 'Vehicle.IsMoving': { value: j.position.speed > 0, t } }, view: { complete: true, missing_regions: [] } })
    }
    const to = Math.min(Date.now(), Date.parse(url.searchParams.get('to'))), records = []
    for (let t = Math.ceil(Math.max(Date.parse(url.searchParams.get('from')), to - 600_000) / 1000) * 1000; t <= to; t += 1000) {
      const f = fix(v, t)
      records.push({ spool: '1', seq: String(t), t: iso(t), received: iso(t), lat: f.lat, lon: f.lon, alt: null, speed: f.speed, heading: f.heading, signals: {} })
    }
    return json({ records, next: null, missing_regions: [] })
  }
  if (url.pathname === '/v1/regions') return json(regionsJson())
  if (url.pathname === '/v1/stream') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: hello\ndata: ${JSON.stringify({ gateway: 'lux-west', region: 'lux-west', time: iso(Date.now()) })}\n\n`)
    streams.add(response)
    return response.on('close', () => streams.delete(response))
  }
  const path = normalize(url.pathname === '/' ? 'index.html' : url.pathname.slice(1))
  try {
    const body = readFileSync(join(dist, path))
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' })
    response.end(body)
  } catch {
    json({ status: 404 }, 404)
  }
})
server.listen(option('--port', 7811), '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}/\n`))
