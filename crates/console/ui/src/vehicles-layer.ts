// Draws every vehicle on the map: a custom WebGL layer, one instanced quad a vehicle.
//
// Positions are computed in the vertex shader from the rows of `Motion` (the same curve as `Motion.at`), so a
// frame costs no work per vehicle on the processor. Positions come in two 32-bit parts and are taken relative
// to the map's centre, so that nothing trembles at street level.

import type { CustomLayerInterface, CustomRenderMethodInput, Map as GlMap } from 'maplibre-gl'
import type { State } from './api'
import { COLOURS, LOOKS, rgb, type Theme } from './looks'
import { mercatorX, mercatorY } from './mercator'
import { DELTA, HEADING, M1, type Motion, OVERRUN_S, P0_HIGH, ROW } from './motion'

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec2 corner;
layout(location = 1) in vec4 p0;
layout(location = 2) in vec4 delta_m0;
layout(location = 3) in vec4 m1_time;
layout(location = 4) in vec4 attitude;
uniform mat4 matrix;
uniform vec4 centre;
uniform float now;
uniform vec2 viewport;
uniform float radius;
uniform float arrow;
uniform float emphasis;
uniform float ring;
out vec2 at;
flat out float size;
flat out float pointed;
flat out int look;
flat out float muted;
flat out float cloned;
void main() {
  float duration = m1_time.w;
  if (duration == 0.0) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
  float elapsed = max(0.0, now - m1_time.z);
  float s = min(1.0, elapsed / duration);
  float a = duration * s * (1.0 - s) * (1.0 - s);
  float b = s * s * (3.0 - 2.0 * s);
  float c = duration * s * s * (s - 1.0) + ${OVERRUN_S.toFixed(1)} * (1.0 - exp(-max(0.0, elapsed - duration) / ${OVERRUN_S.toFixed(1)}));
  vec2 curve = delta_m0.zw * a + delta_m0.xy * b + m1_time.xy * c;
  vec2 place = (p0.xy - centre.xy) + (p0.zw - centre.zw) + curve;
  look = int(attitude.z + 0.5);
  int flags = int(attitude.w + 0.5);
  muted = float(flags & 1);
  cloned = (flags & 4) != 0 ? 1.0 : 0.0;
  bool live = look == 0 || look == 5;
  pointed = (flags & 2) != 0 && live ? arrow : 0.0;
  float heading = radians(attitude.x + attitude.y * b);
  float scale = look == 0 ? 1.0 : look == 4 ? 0.74 : 0.94;
  size = radius * mix(1.0, 1.28, pointed) * scale * mix(1.0, 0.7, muted) + emphasis;
  float reach = size * 1.25 + ring + 3.0 + 2.0 * cloned;
  // The quad turns with the vehicle; 'at' stays in the vehicle's own frame, y ahead.
  vec2 turned = vec2(corner.x * cos(heading) + corner.y * sin(heading), corner.y * cos(heading) - corner.x * sin(heading));
  at = corner * reach;
  vec4 point = matrix * vec4(place, 0.0, 1.0);
  point.xy += turned * reach * 2.0 / viewport * point.w;
  gl_Position = point;
}`

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
flat in float size;
flat in float pointed;
flat in int look;
flat in float muted;
flat in float cloned;
uniform vec3 colours[7];
uniform vec3 edge;
uniform float fade;
uniform float ring;
uniform vec3 ringColour;
uniform float pixel;
out vec4 result;
float disc(vec2 p, float r) { return length(p) - r; }
// A navigation arrow: a triangle with a notch behind, corners a little rounded.
float dart(vec2 p, float r) {
  p.x = abs(p.x);
  vec2 tip = vec2(0.0, 1.0) * r, wing = vec2(0.74, -0.82) * r, notch = vec2(0.0, -0.46) * r;
  vec2 side = wing - tip, back = wing - notch;
  vec2 d1 = p - tip - side * clamp(dot(p - tip, side) / dot(side, side), 0.0, 1.0);
  vec2 d2 = p - notch - back * clamp(dot(p - notch, back) / dot(back, back), 0.0, 1.0);
  float far = min(length(d1), length(d2));
  bool inside = side.x * (p.y - tip.y) - side.y * (p.x - tip.x) < 0.0 && back.x * (p.y - notch.y) - back.y * (p.x - notch.x) > 0.0;
  return (inside ? -far : far) - 0.06 * r;
}
float cover(float d) { return clamp(0.5 - d / pixel, 0.0, 1.0); }
void main() {
  vec3 colour = colours[look];
  float r = size;
  float body = disc(at, r);
  if (look == 3) body = (abs(at.x) + abs(at.y)) * 0.7071 - r * 0.86;
  if (pointed > 0.0) body = mix(body, dart(at, r), pointed);
  float casing = max(1.2, r * 0.2);
  // Premultiplied, from the back: the ring of the selected one, casing, body, mark.
  vec4 paint = vec4(0.0);
  if (ring > 0.0) {
    float edgeOfRing = disc(at, r + ring);
    paint = vec4(ringColour, 1.0) * cover(edgeOfRing) * 0.22;
    paint = mix(paint, vec4(ringColour, 1.0), cover(abs(edgeOfRing) - 0.9));
  }
  if (cloned > 0.5) {
    // Two units with one identity: a second outline around the sign, as of another one behind it.
    float twin = cover(abs(disc(at, r + casing + 1.6)) - 0.7);
    paint = mix(paint, vec4(colours[5], 1.0), twin * 0.9);
  }
  float shell = cover(body - casing);
  paint = mix(paint, vec4(edge, 1.0), shell * 0.92);
  float fill = cover(body);
  vec3 inner = colour;
  if (look == 1) inner = mix(colour, edge, cover(abs(length(at) - r * 0.68) - r * 0.13));
  if (look == 2) inner = mix(colour, edge, cover(disc(at - vec2(r * 0.42, r * 0.34), r * 0.66)));
  if (look == 4 || look == 6) inner = mix(colour, edge, cover(disc(at, r * 0.58)));
  if (look == 5) {
    // Stale: hollow with a broken edge, so that it is told apart without its colour.
    if (pointed > 0.5) {
      inner = mix(colour, edge, cover(body + r * 0.26));
    } else {
      // The edge is broken where there is room to see it.
      float gap = abs(fract(atan(at.y, at.x) / 6.2831853 * 6.0) - 0.5);
      float dash = mix(1.0, smoothstep(0.16, 0.22, gap), smoothstep(5.5, 7.5, r));
      float ringed = cover(-disc(at, r * 0.6));
      inner = mix(edge, colour, max(ringed * dash, cover(disc(at, r * 0.26)) * smoothstep(5.5, 7.5, r)));
    }
  }
  paint = mix(paint, vec4(inner, 1.0), fill);
  float grey = dot(paint.rgb, vec3(0.3, 0.59, 0.11));
  paint.rgb = mix(paint.rgb, vec3(grey), fade * 0.75);
  result = paint * mix(1.0, 0.2, muted) * mix(1.0, 0.72, fade);
}`

const UNIFORMS = [
  'matrix',
  'centre',
  'now',
  'viewport',
  'radius',
  'arrow',
  'emphasis',
  'colours',
  'edge',
  'fade',
  'ring',
  'ringColour',
  'pixel',
] as const
type Uniform = (typeof UNIFORMS)[number]

const EDGES: Record<Theme, [number, number, number]> = { dark: rgb('#0a0e12'), light: rgb('#ffffff') }
const RINGS: Record<Theme, [number, number, number]> = { dark: rgb('#f2f6fa'), light: rgb('#17202a') }

/** A vehicle's radius on the screen at a zoom, pixels. */
export function radiusAt(zoom: number): number {
  const stops: [number, number][] = [
    [2, 2.6],
    [8, 3.2],
    [11, 3.9],
    [13, 5.2],
    [15, 7.6],
    [17, 10.5],
    [19, 14],
  ]
  if (zoom <= stops[0]![0]) return stops[0]![1]
  for (let i = 1; i < stops.length; i++) {
    const [z0, r0] = stops[i - 1]!
    const [z1, r1] = stops[i]!
    if (zoom <= z1) return r0 + ((r1 - r0) * (zoom - z0)) / (z1 - z0)
  }
  return stops.at(-1)![1]
}

/** How much smaller vehicles are drawn where thousands share the view, so that the streets still show. */
export function crowding(vehicles: number, zoom: number): number {
  const near = Math.max(0, Math.min(1, (zoom - 12) / 3))
  const crowded = Math.max(0.5, Math.min(1, (1500 / Math.max(1, vehicles)) ** 0.25))
  return crowded + (1 - crowded) * near
}

export class VehiclesLayer implements CustomLayerInterface {
  readonly id = 'vehicles'
  readonly type = 'custom' as const
  theme: Theme = 'dark'
  /** Rows drawn once more on top, with a ring. */
  selected: number | null = null
  hovered: number | null = null
  /** 0 live, 1 the stream is lost. */
  fade = 0

  private map: GlMap | null = null
  private program: WebGLProgram | null = null
  private vao: WebGLVertexArrayObject | null = null
  private corners: WebGLBuffer | null = null
  private buffer: WebGLBuffer | null = null
  private bufferBytes = 0
  private at = {} as Record<Uniform, WebGLUniformLocation | null>

  constructor(
    private readonly motion: Motion,
    private readonly clock: () => number,
  ) {}

  onAdd(map: GlMap, gl: WebGL2RenderingContext): void {
    this.map = map
    const program = (this.program = linked(gl, VERTEX, FRAGMENT))
    for (const name of UNIFORMS) this.at[name] = gl.getUniformLocation(program, name)
    this.vao = gl.createVertexArray()
    this.corners = gl.createBuffer()
    this.buffer = gl.createBuffer()
    this.bufferBytes = 0
    gl.bindVertexArray(this.vao)
    gl.bindBuffer(gl.ARRAY_BUFFER, this.corners)
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW)
    gl.enableVertexAttribArray(0)
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0)
    gl.bindVertexArray(null)
  }

  onRemove(_map: GlMap, gl: WebGL2RenderingContext): void {
    gl.deleteProgram(this.program)
    gl.deleteVertexArray(this.vao)
    gl.deleteBuffer(this.corners)
    gl.deleteBuffer(this.buffer)
    this.program = null
  }

  render(gl: WebGL2RenderingContext, input: CustomRenderMethodInput): void {
    const { map, motion } = this
    if (map === null || this.program === null || motion.count === 0) return
    const now = this.clock()
    motion.rebase(now)
    gl.useProgram(this.program)
    gl.bindVertexArray(this.vao)
    this.upload(gl)
    this.setUniforms(gl, map, input, now)
    gl.disable(gl.DEPTH_TEST)
    gl.disable(gl.STENCIL_TEST)
    gl.disable(gl.CULL_FACE)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    this.draw(gl, 0, motion.count, 0, 0)
    if (this.hovered !== null && this.hovered !== this.selected) this.draw(gl, this.hovered, 1, 1.2, 0)
    if (this.selected !== null) this.draw(gl, this.selected, 1, 1.6, 6)
    gl.bindVertexArray(null)
  }

  private draw(gl: WebGL2RenderingContext, first: number, rows: number, emphasis: number, ring: number): void {
    const start = first * ROW * 4
    const attributes = [P0_HIGH, DELTA, M1, HEADING]
    attributes.forEach((offset, i) => {
      gl.enableVertexAttribArray(i + 1)
      gl.vertexAttribPointer(i + 1, 4, gl.FLOAT, false, ROW * 4, start + offset * 4)
      gl.vertexAttribDivisor(i + 1, 1)
    })
    gl.uniform1f(this.at.emphasis, emphasis)
    gl.uniform1f(this.at.ring, ring)
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, rows)
  }

  private upload(gl: WebGL2RenderingContext): void {
    const { motion } = this
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer)
    if (this.bufferBytes !== motion.rows.byteLength) {
      gl.bufferData(gl.ARRAY_BUFFER, motion.rows, gl.DYNAMIC_DRAW)
      this.bufferBytes = motion.rows.byteLength
    } else if (motion.dirtyTo > motion.dirtyFrom) {
      const from = motion.dirtyFrom * ROW
      gl.bufferSubData(gl.ARRAY_BUFFER, from * 4, motion.rows, from, (motion.dirtyTo - motion.dirtyFrom) * ROW)
    }
    motion.taken()
  }

  private setUniforms(gl: WebGL2RenderingContext, map: GlMap, input: CustomRenderMethodInput, now: number): void {
    const centre = map.getCenter()
    const x = mercatorX(centre.lng)
    const y = mercatorY(centre.lat)
    const zoom = map.getZoom()
    const canvas = map.getCanvas()
    const ratio = canvas.width / canvas.clientWidth
    gl.uniformMatrix4fv(this.at.matrix, false, movedBy(input.defaultProjectionData.mainMatrix, x, y))
    gl.uniform4f(this.at.centre, Math.fround(x), Math.fround(y), x - Math.fround(x), y - Math.fround(y))
    gl.uniform1f(this.at.now, now - this.motion.base)
    gl.uniform2f(this.at.viewport, canvas.width / ratio, canvas.height / ratio)
    gl.uniform1f(this.at.radius, radiusAt(zoom) * crowding(this.motion.count, zoom))
    const near = Math.max(0, Math.min(1, zoom - 12.6))
    gl.uniform1f(this.at.arrow, near * near * (3 - 2 * near))
    const states = Object.entries(LOOKS).sort((a, b) => a[1] - b[1]) as [State, number][]
    gl.uniform3fv(
      this.at.colours,
      states.flatMap(([state]) => rgb(COLOURS[this.theme][state])),
    )
    gl.uniform3f(this.at.edge, ...EDGES[this.theme])
    gl.uniform3f(this.at.ringColour, ...RINGS[this.theme])
    gl.uniform1f(this.at.fade, this.fade)
    gl.uniform1f(this.at.pixel, 1 / ratio)
  }
}

/** The map's matrix for points relative to (x, y), in the double precision it comes in. */
function movedBy(matrix: ArrayLike<number>, x: number, y: number): Float32Array {
  const out = new Float32Array(16)
  for (let i = 0; i < 16; i++) out[i] = matrix[i]!
  for (let i = 0; i < 4; i++) out[12 + i] = matrix[i]! * x + matrix[4 + i]! * y + matrix[12 + i]!
  return out
}

function linked(gl: WebGL2RenderingContext, vertex: string, fragment: string): WebGLProgram {
  const program = gl.createProgram()
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind)!
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
      throw new Error(`the vehicles' shader does not compile: ${gl.getShaderInfoLog(shader)}`)
    }
    gl.attachShader(program, shader)
    gl.deleteShader(shader)
  }
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`the vehicles' shader does not link: ${gl.getProgramInfoLog(program)}`)
  }
  return program
}
