// What must not be overlooked: the stream is lost, or this view is cut off from a region.

import { el, setText } from './dom'
import { coarseSpan, count } from './format'
import { cuts, cutSentence } from './outlook'
import type { Session } from './session'

interface Banner {
  root: HTMLElement
  strong: HTMLElement
  rest: HTMLElement
}

export class Banners {
  private readonly link: Banner
  private readonly cut: Banner

  constructor(root: HTMLElement, retry: () => void, showRegions: () => void) {
    this.link = banner('link', 'Try now', retry)
    this.cut = banner('cut', 'Regions', showRegions)
    root.append(this.link.root, this.cut.root)
  }

  draw(session: Session, now: number): void {
    this.drawLink(session, now)
    const lost = session.link.kind === 'lost'
    // Without the stream nothing is known of the regions either; one banner says so.
    const cut = session.regions === null || lost ? [] : cuts(session.regions, now - session.regionsAt)
    this.cut.root.hidden = cut.length === 0
    if (cut.length === 0) return
    const vehicles = cut.reduce((sum, c) => sum + c.vehicles, 0)
    setText(this.cut.strong, `${cutSentence(cut)}.`)
    const which =
      vehicles === 1 ? 'Its vehicle is' : `${cut.length === 1 ? 'Its' : 'Their'} ${count(vehicles)} vehicles are`
    setText(this.cut.rest, vehicles === 0 ? 'No vehicle is known there.' : `${which} shown as last known.`)
  }

  private drawLink(session: Session, now: number): void {
    const { link } = session
    const failing = link.kind === 'live' ? session.listingFault : null
    this.link.root.hidden = link.kind !== 'lost' && failing === null
    if (link.kind === 'lost') {
      const age = coarseSpan(now - link.since)
      setText(
        this.link.strong,
        session.heardAt === 0 ? 'This gateway does not answer.' : 'No connection to this gateway.',
      )
      const wait = Math.ceil(link.retryAt - now)
      const next = wait > 0 ? `Trying again in ${wait} s.` : 'Trying now.'
      setText(this.link.rest, session.heardAt === 0 ? next : `All you see is ${age} old or older. ${next}`)
    } else if (failing !== null) {
      setText(this.link.strong, 'The list of vehicles is incomplete.')
      setText(this.link.rest, `${failing}. Trying again.`)
    }
  }
}

function banner(kind: string, action: string, act: () => void): Banner {
  const strong = el('strong')
  const rest = el('span')
  const button = el('button', { attributes: { type: 'button' }, on: { click: act } }, action)
  const root = el(
    'div',
    { class: 'banner', attributes: { hidden: '' }, data: { kind } },
    el('p', {}, strong, ' ', rest),
    button,
  )
  return { root, strong, rest }
}
