// How a state looks: one colour and one shape each, on the map and beside words.
//
// The colours stay apart for colour-blind eyes (Okabe and Ito's hues, levelled for each theme); the shape tells
// them apart without colour.

import type { State } from './api'

export type Theme = 'dark' | 'light'

/** The number of a state in the map's shader. */
export const LOOKS: Record<State, number> = {
  online: 0,
  idle: 1,
  asleep: 2,
  unreachable: 3,
  offline: 4,
  stale: 5,
  unknown: 6,
}

export const COLOURS: Record<Theme, Record<State, string>> = {
  dark: {
    online: '#2fd6a3',
    idle: '#5ab2f2',
    asleep: '#a393f5',
    unreachable: '#ff7a4d',
    offline: '#7f8b98',
    stale: '#f0c04a',
    unknown: '#7f8b98',
  },
  light: {
    online: '#008c68',
    idle: '#1878cc',
    asleep: '#6a57d5',
    unreachable: '#d2460f',
    offline: '#75808c',
    stale: '#b07a00',
    unknown: '#75808c',
  },
}

/** "#rrggbb" as three numbers in [0, 1]. */
export function rgb(colour: string): [number, number, number] {
  const n = Number.parseInt(colour.slice(1), 16)
  return [(n >> 16) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255]
}

const SVG = 'http://www.w3.org/2000/svg'

const SHAPES: Record<State, [name: string, attributes: Record<string, string>][]> = {
  online: [['circle', { cx: '6', cy: '6', r: '4.5', fill: 'currentColor' }]],
  idle: [
    ['circle', { cx: '6', cy: '6', r: '4.6', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.3' }],
    ['circle', { cx: '6', cy: '6', r: '2.2', fill: 'currentColor' }],
  ],
  asleep: [['path', { d: 'M8.9 8.6A4.3 4.3 0 1 1 5.6 1.6 3.6 3.6 0 0 0 8.9 8.6Z', fill: 'currentColor' }]],
  unreachable: [['path', { d: 'M6 .9 11.1 6 6 11.1.9 6Z', fill: 'currentColor' }]],
  offline: [['circle', { cx: '6', cy: '6', r: '3.9', fill: 'none', stroke: 'currentColor', 'stroke-width': '1.6' }]],
  stale: [
    [
      'circle',
      {
        cx: '6',
        cy: '6',
        r: '4.7',
        fill: 'none',
        stroke: 'currentColor',
        'stroke-width': '1.7',
        'stroke-dasharray': '2.9 2.02',
      },
    ],
    ['circle', { cx: '6', cy: '6', r: '1.7', fill: 'currentColor' }],
  ],
  unknown: [
    [
      'circle',
      {
        cx: '6',
        cy: '6',
        r: '4',
        fill: 'none',
        stroke: 'currentColor',
        'stroke-width': '1.4',
        'stroke-dasharray': '1 1.5',
      },
    ],
  ],
}

/** The sign of a state, to stand beside its word; its colour comes from the style sheet by `data-state`. */
export function sign(state: State): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 12 12')
  svg.setAttribute('aria-hidden', 'true')
  svg.classList.add('sign')
  setSign(svg, state)
  return svg
}

/** Makes a sign that of another state. */
export function setSign(svg: SVGSVGElement, state: State): void {
  if (svg.dataset.state === state) return
  svg.dataset.state = state
  svg.replaceChildren(
    ...SHAPES[state].map(([name, attributes]) => {
      const shape = document.createElementNS(SVG, name)
      for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value)
      return shape
    }),
  )
}

/** The mark of an identity that two units seem to use. */
export function twins(): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 14 12')
  svg.setAttribute('aria-hidden', 'true')
  svg.classList.add('twins')
  for (const cx of ['4.800', '9.200']) {
    const circle = document.createElementNS(SVG, 'circle')
    for (const [key, value] of Object.entries({ cx, cy: '6', r: '3.6' })) circle.setAttribute(key, value)
    svg.append(circle)
  }
  return svg
}
