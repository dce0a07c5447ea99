// On a phone the panel and the drawer are a sheet at the bottom, pulled to one of three heights.
//
// Owns only the height; on wider screens it does nothing.

export type Rest = 'low' | 'half' | 'full'

const PHONE = matchMedia('(max-width: 719px)')
/** A pull faster than this goes on to the next height, pixels a second. */
const FLING = 500

export function isPhone(): boolean {
  return PHONE.matches
}

export class Sheet {
  rest: Rest = 'half'
  private pull: { y: number; height: number; lastY: number; lastT: number; speed: number } | null = null

  constructor(
    sheets: HTMLElement[],
    private readonly settled: () => void,
  ) {
    for (const sheet of sheets) {
      sheet.addEventListener('pointerdown', (event) => this.begin(sheet, event))
      sheet.addEventListener('pointermove', (event) => this.move(event))
      sheet.addEventListener('pointerup', () => this.end())
      sheet.addEventListener('pointercancel', () => this.end())
    }
    PHONE.addEventListener('change', () => this.set(this.rest))
    addEventListener('resize', () => this.set(this.rest))
    this.write(this.heightOf(this.rest))
  }

  set(rest: Rest): void {
    this.rest = rest
    this.write(this.heightOf(rest))
    this.settled()
  }

  /** How much of the map the sheet covers, pixels. */
  covered(): number {
    return isPhone() ? this.heightOf(this.rest === 'full' ? 'half' : this.rest) : 0
  }

  private heightOf(rest: Rest): number {
    const all = innerHeight
    return { low: 116, half: Math.round(all * 0.46), full: all - 108 }[rest]
  }

  private write(height: number): void {
    document.documentElement.style.setProperty('--sheet', `${height}px`)
  }

  private begin(sheet: HTMLElement, event: PointerEvent): void {
    const target = event.target as Element
    if (!isPhone() || !target.closest('.grip, .panel-head, #drawer > header') || target.closest('button')) return
    this.pull = { y: event.clientY, height: sheet.offsetHeight, lastY: event.clientY, lastT: event.timeStamp, speed: 0 }
    sheet.setPointerCapture(event.pointerId)
    document.documentElement.classList.add('pulling')
  }

  private move(event: PointerEvent): void {
    const { pull } = this
    if (pull === null) return
    const passed = Math.max(1, event.timeStamp - pull.lastT)
    pull.speed = ((pull.lastY - event.clientY) / passed) * 1000
    pull.lastY = event.clientY
    pull.lastT = event.timeStamp
    this.write(Math.max(80, Math.min(this.heightOf('full'), pull.height + pull.y - event.clientY)))
  }

  private end(): void {
    const { pull } = this
    if (pull === null) return
    this.pull = null
    document.documentElement.classList.remove('pulling')
    const height = pull.height + pull.y - pull.lastY
    const rests: Rest[] = ['low', 'half', 'full']
    const aimed = height + (Math.abs(pull.speed) > FLING ? Math.sign(pull.speed) * 160 : 0)
    this.set(rests.reduce((a, b) => (Math.abs(this.heightOf(b) - aimed) < Math.abs(this.heightOf(a) - aimed) ? b : a)))
  }
}
