// Making elements. Text goes in as text nodes only: nothing a vehicle says is ever read as markup.

type Child = Node | string | null | undefined | false

interface Options {
  class?: string
  title?: string
  attributes?: Record<string, string>
  data?: Record<string, string>
  on?: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void }
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: Options | string = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  const {
    class: name,
    title,
    attributes,
    data,
    on,
  } = typeof options === 'string' ? ({ class: options } as Options) : options
  if (name !== undefined) element.className = name
  if (title !== undefined) element.title = title
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value)
  for (const [key, value] of Object.entries(data ?? {})) element.dataset[key] = value
  for (const [type, listener] of Object.entries(on ?? {})) element.addEventListener(type, listener as EventListener)
  for (const child of children) if (child !== null && child !== undefined && child !== false) element.append(child)
  return element
}

/** The element of the page with this id, which index.html holds. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`index.html has no element #${id}`)
  return found as E
}

/** Sets the text only when it differs, so that selections and screen readers are left in peace. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

const SVG = 'http://www.w3.org/2000/svg'

/** A small line drawing of 16 units, in the colour of the text. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 16 16')
  svg.setAttribute('aria-hidden', 'true')
  svg.classList.add('drawing')
  const line = document.createElementNS(SVG, 'path')
  line.setAttribute('d', path)
  svg.append(line)
  return svg
}
