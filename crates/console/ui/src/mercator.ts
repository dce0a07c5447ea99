// Web Mercator on the unit square, as the map uses it: x grows east, y grows south.

/** The equator's length, metres. */
export const EQUATOR_M = 40_075_016.686

export function mercatorX(lon: number): number {
  return (lon + 180) / 360
}

export function mercatorY(lat: number): number {
  const bounded = Math.max(-85.051129, Math.min(85.051129, lat))
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + (bounded * Math.PI) / 360)) / (2 * Math.PI)
}

export function longitude(x: number): number {
  return x * 360 - 180
}

export function latitude(y: number): number {
  return (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90
}

/** How much of the unit square one metre is at a height of it. */
export function unitsPerMetre(y: number): number {
  return Math.cosh((0.5 - y) * 2 * Math.PI) / EQUATOR_M
}
