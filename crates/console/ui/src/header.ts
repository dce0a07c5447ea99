// The bar at the top: whose view this is, how alive it is, and the totals by state as filters.

import { type State, STATES } from './api'
import { byId, el, setText } from './dom'
import { coarseSpan, count, STATE_WORDS } from './format'
import { sign } from './looks'
import type { Link, Session } from './session'

/** States that are always worth a chip; the others show up when a vehicle is in them. */
const ALWAYS: ReadonlySet<State> = new Set(['online', 'idle', 'asleep', 'unreachable', 'offline', 'stale'])
/** A live stream this long without an event says its age. */
const QUIET_S = 5

interface Chip {
  root: HTMLButtonElement
  number: HTMLElement
}

export class Header {
  private readonly chips = new Map<State, Chip>()
  private readonly seat = byId('seat')
  private readonly pulse = byId('pulse')

  constructor(chosen: (state: State) => void) {
    const row = byId('chips')
    for (const state of STATES) {
      const number = el('b', {}, '0')
      const word = STATE_WORDS[state]
      const root = el(
        'button',
        {
          class: 'chip',
          title: `${word.word}: ${word.meaning}`,
          attributes: { type: 'button', 'aria-pressed': 'false' },
          data: { state },
          on: { click: () => chosen(state) },
        },
        sign(state),
        number,
        el('span', 'word', word.word),
      )
      this.chips.set(state, { root, number })
      row.append(root)
    }
  }

  draw(session: Session, chosen: ReadonlySet<State>, now: number): void {
    setText(this.seat, session.gateway === '' ? '' : session.gateway)
    const words = pulseWords(session.link, now - session.heardAt, now)
    setText(this.pulse, words)
    this.pulse.dataset.link = session.link.kind
    for (const [state, chip] of this.chips) {
      const n = session.fleet.byState[state]
      setText(chip.number, count(n))
      chip.root.hidden = n === 0 && !ALWAYS.has(state) && !chosen.has(state)
      chip.root.classList.toggle('none', n === 0)
      chip.root.setAttribute('aria-pressed', String(chosen.has(state)))
    }
    const online = session.fleet.byState.online
    document.title =
      session.link.kind === 'lost'
        ? 'No connection · Waygate'
        : session.gateway === ''
          ? 'Waygate'
          : `${count(online)} online · ${session.gateway} · Waygate`
  }
}

/** How alive the view is, in a word or two. */
export function pulseWords(link: Link, silence_s: number, now: number): string {
  switch (link.kind) {
    case 'connecting':
      return 'connecting'
    case 'live':
      return silence_s > QUIET_S ? `quiet for ${coarseSpan(silence_s)}` : 'live'
    case 'lost':
      return `lost ${coarseSpan(now - link.since)} ago`
  }
}
