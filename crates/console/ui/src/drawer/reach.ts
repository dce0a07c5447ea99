// Whether the vehicle can be reached: what is known, and a button that finds out.
//
// Owns the check under way and its outcome; forgets both when another vehicle is chosen.

import { faultText } from '../api'
import { el, icon, setText } from '../dom'
import type { Vehicle } from '../fleet'
import { coarseSpan, span } from '../format'
import { twins } from '../looks'
import { page, PAGE_WAIT_S } from '../presence-api'
import { evidence, headline, outcomeWords } from './reach-words'

export class Reach {
  private vehicle: Vehicle | null = null
  private abort = new AbortController()
  private checkingSince: number | null = null
  private checkedAt: number | null = null

  private readonly sentence = el('p', 'sentence')
  private readonly evidence = el('p', 'evidence')
  private readonly button = el(
    'button',
    {
      class: 'quiet check',
      title: 'Ask whether it can be reached, waking it if need be (k)',
      attributes: { type: 'button' },
      on: { click: () => void this.check() },
    },
    'Check now',
  )
  private readonly outcomeWord = el('b')
  private readonly outcomeRest = el('span')
  private readonly said = el('p', { attributes: { role: 'status' } }, this.outcomeWord, this.outcomeRest)
  /** Grows every moment: not for those who listen. */
  private readonly ticking = el('span', { class: 'ticking', attributes: { 'aria-hidden': 'true' } })
  private readonly outcome = el(
    'div',
    { class: 'outcome', attributes: { hidden: '' } },
    el('span', { class: 'pulse', attributes: { 'aria-hidden': 'true' } }),
    this.said,
    this.ticking,
  )
  private readonly cloned = el(
    'p',
    { class: 'note cloned', attributes: { role: 'alert', hidden: '' } },
    twins(),
    el(
      'span',
      {},
      el('b', {}, 'Two units seem to use this identity.'),
      ' Look for a copied key, or a unit that was replaced and not retired.',
    ),
  )
  readonly root = el(
    'section',
    { class: 'reach', attributes: { 'aria-label': 'Reach' } },
    this.cloned,
    this.sentence,
    el('div', 'reach-line', this.evidence, this.button),
    this.outcome,
  )

  constructor(private readonly clock: () => number) {
    this.button.prepend(
      icon(
        'M8 8v0M5.200 10.800a4 4 0 0 1 0-5.600M10.800 5.200a4 4 0 0 1 0 5.600M3 13a7.100 7.100 0 0 1 0-10M13 3a7.100 7.100 0 0 1 0 10',
      ),
    )
  }

  open(vehicle: Vehicle): void {
    this.vehicle = vehicle
  }

  forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.vehicle = null
    this.checkingSince = this.checkedAt = null
    this.outcome.hidden = true
    this.button.removeAttribute('aria-disabled')
  }

  draw(vehicle: Vehicle, now: number, waiting: number): void {
    setText(this.sentence, headline(vehicle, now))
    setText(this.evidence, evidence(vehicle, now, waiting))
    this.cloned.hidden = !vehicle.cloned
    if (this.checkingSince === null && this.checkedAt !== null) {
      setText(this.ticking, `${coarseSpan(now - this.checkedAt)} ago`)
    }
  }

  /** Pages the vehicle, unless that is under way. */
  async check(): Promise<void> {
    const { vehicle } = this
    if (vehicle === null || this.checkingSince !== null) return
    const { signal } = this.abort
    const since = (this.checkingSince = this.clock())
    this.button.setAttribute('aria-disabled', 'true')
    this.outcome.hidden = false
    this.say('checking', 'Checking', vehicle.state === 'online' ? 'asking it for an answer' : 'waking it if it can be')
    const tick = setInterval(() => setText(this.ticking, span(this.clock() - since)), 100)
    try {
      const answer = await page(vehicle.id, AbortSignal.any([signal, AbortSignal.timeout((PAGE_WAIT_S + 10) * 1000)]))
      const { word, rest } = outcomeWords(answer)
      this.say(answer.outcome, word, rest)
    } catch (error) {
      if (!signal.aborted) this.say('fault', 'Not checked', faultText(error))
    }
    clearInterval(tick)
    if (signal.aborted) return
    this.checkingSince = null
    this.checkedAt = this.clock()
    setText(this.ticking, 'just now')
    this.button.removeAttribute('aria-disabled')
  }

  private say(outcome: string, word: string, rest: string): void {
    this.outcome.dataset.outcome = outcome
    setText(this.outcomeWord, word)
    setText(this.outcomeRest, `: ${rest}`)
  }
}
