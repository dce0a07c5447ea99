// Draws the strip of the last day.

import { el, setText } from '../dom'
import { longSpan } from '../format'
import { type Band, segmentWords, shareWords } from './band'
import { momentWords } from './moment'

const SVG = 'http://www.w3.org/2000/svg'
/** Units of the drawing; it is stretched to its place. */
const WIDTH = 1000
const HEIGHT = 10
/** As many shares as fit below it. */
const SHARES = 2

export class Strip {
  private readonly svg = document.createElementNS(SVG, 'svg')
  private readonly start = el('span')
  private readonly words = el('span', 'portions')
  readonly root = el(
    'figure',
    { class: 'day', attributes: { hidden: '' } },
    this.svg,
    el('figcaption', {}, this.start, this.words, el('span', {}, 'now')),
  )

  constructor() {
    this.svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`)
    this.svg.setAttribute('preserveAspectRatio', 'none')
    this.svg.setAttribute('role', 'img')
  }

  show(band: Band | null): void {
    this.root.hidden = band === null
    if (band === null) return
    const whole = (band.to_ms - band.from_ms) / 1000
    this.svg.setAttribute('aria-label', `The last ${longSpan(whole)}: ${shareWords(band)}`)
    setText(this.start, `${longSpan(whole)} ago`)
    setText(this.words, shareWords(band, SHARES))
    const rects = [...this.svg.children]
    band.segments.forEach((segment, i) => {
      const rect = rects[i] ?? this.svg.appendChild(titled())
      const title = `${segmentWords(segment)}, since ${momentWords(segment.from_ms, band.to_ms)}`
      rect.setAttribute('x', (segment.x * WIDTH).toFixed(2))
      rect.setAttribute('width', (segment.width * WIDTH).toFixed(2))
      ;(rect as SVGElement).dataset.state = segment.state
      if (rect.firstChild!.textContent !== title) rect.firstChild!.textContent = title
    })
    for (const rest of rects.slice(band.segments.length)) rest.remove()
  }
}

function titled(): SVGElement {
  const rect = document.createElementNS(SVG, 'rect')
  rect.setAttribute('height', String(HEIGHT))
  rect.append(document.createElementNS(SVG, 'title'))
  return rect
}
