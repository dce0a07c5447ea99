// The presence of one vehicle over time: a strip of the last day, and every transition with its cause.
//
// Owns the transitions it read. Reads the newest page again whenever the stream speaks of the vehicle, and older
// pages as they are asked for.

import { faultText } from '../api'
import { el, setText } from '../dom'
import type { Vehicle } from '../fleet'
import { coarseSpan, listed } from '../format'
import { sign, twins } from '../looks'
import { readTimeline, type TransitionJson } from '../presence-api'
import { band } from './band'
import { appended, type Episode, episodes, joined } from './episodes'
import { episodeLine, episodeTitle } from './episode-words'
import { momentWords } from './moment'
import { Strip } from './strip'

/** Rows at first, and more with each asking. */
const ROWS_FIRST = 12
const ROWS_MORE = 30
/** Readings are this far apart even while the vehicle flaps, seconds; a failed one is tried again later. */
const READ_GAP_S = 1
const RETRY_S = 10

interface Row {
  root: HTMLElement
  line: HTMLElement
  age: HTMLElement
  episode: Episode
}

export class Timeline {
  private vehicle: Vehicle | null = null
  private transitions: TransitionJson[] = []
  private told: Episode[] = []
  private next: string | null = null
  private missing: string[] = []
  private rows = new Map<string, Row>()
  private rowsWanted = ROWS_FIRST
  private abort = new AbortController()
  private readWanted = false
  private reading = false
  private notBefore = 0
  private fault = ''

  readonly strip = new Strip()
  private readonly list = el('ol', { class: 'episodes', attributes: { 'aria-label': 'Newest first' } })
  private readonly note = el('p', { class: 'hint', attributes: { role: 'status' } })
  private readonly more = el(
    'button',
    { class: 'quiet more', attributes: { type: 'button', hidden: '' }, on: { click: () => void this.showMore() } },
    'Show more',
  )
  readonly root = el('section', 'timeline', this.list, this.note, this.more)

  constructor(
    private readonly clock: () => number,
    private readonly gatewayTime: () => Date,
  ) {}

  open(vehicle: Vehicle): void {
    this.vehicle = vehicle
    this.changed()
  }

  forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.vehicle = null
    this.transitions = []
    this.told = []
    this.next = null
    this.missing = []
    this.rowsWanted = ROWS_FIRST
    this.readWanted = this.reading = false
    this.notBefore = 0
    this.fault = ''
    this.rows.clear()
    this.list.replaceChildren()
    this.strip.show(null)
  }

  /** Something of the vehicle changed: its newest transitions are read again at the next drawing. */
  changed(): void {
    this.readWanted = true
  }

  draw(vehicle: Vehicle, now: number): void {
    const now_ms = this.gatewayTime().getTime()
    if (this.readWanted && !this.reading && now >= this.notBefore) void this.readNewest(vehicle)
    const stale = vehicle.state === 'stale' && vehicle.heardAt !== null
    const tail = stale ? { state: vehicle.state, since_ms: now_ms - (now - vehicle.heardAt!) * 1000 } : null
    this.strip.show(band(this.told, now_ms, tail))
    for (const { episode, line, age } of this.rows.values()) {
      setText(line, episodeLine(episode, now_ms))
      setText(age, `${coarseSpan((now_ms - episode.at_ms) / 1000)} ago`)
    }
    this.writeNote()
  }

  private async readNewest(vehicle: Vehicle): Promise<void> {
    const { signal } = this.abort
    this.readWanted = false
    this.reading = true
    try {
      const page = await readTimeline(vehicle.id, null, signal)
      const all = joined(this.transitions, this.next, page.transitions, page.next)
      this.take(all.transitions, all.next, page.missing_regions)
      this.notBefore = this.clock() + READ_GAP_S
    } catch (error) {
      if (signal.aborted) return
      this.failed(error)
      this.readWanted = true
      this.notBefore = this.clock() + RETRY_S
    }
    this.reading = false
  }

  private async showMore(): Promise<void> {
    this.rowsWanted += ROWS_MORE
    const { vehicle, next } = this
    const { signal } = this.abort
    if (this.told.length < this.rowsWanted && vehicle !== null && next !== null) {
      try {
        const page = await readTimeline(vehicle.id, next, signal)
        // A newest page may have come meanwhile; what it already holds is left out here.
        const on = page.next === next ? null : page.next
        this.take(appended(this.transitions, page.transitions), on, page.missing_regions)
      } catch (error) {
        if (signal.aborted) return
        this.failed(error)
      }
    }
    this.writeRows()
  }

  private take(transitions: TransitionJson[], next: string | null, missing: string[]): void {
    this.transitions = transitions
    this.next = next
    this.missing = missing
    this.fault = ''
    this.told = episodes(transitions)
    this.writeRows()
  }

  private failed(error: unknown): void {
    this.fault = `The timeline cannot be read: ${faultText(error)}.`
  }

  /** Rows stay what they are when newer ones come: only those are made. */
  private writeRows(): void {
    const shown = this.told.slice(0, this.rowsWanted)
    const before = this.rows
    this.rows = new Map(shown.map((e) => [e.key, withEpisode(before.get(e.key) ?? this.row(e), e)]))
    this.list.replaceChildren(...[...this.rows.values()].map((row) => row.root))
    this.more.hidden = this.told.length <= this.rowsWanted && this.next === null
  }

  private writeNote(): void {
    const missing =
      this.missing.length === 0
        ? ''
        : `${listed(this.missing, 'and')} did not answer: what was decided there may be missing.`
    const empty =
      this.told.length === 0 ? (this.reading || this.readWanted ? 'Reading …' : 'Nothing is known of its past.') : ''
    setText(this.note, this.fault || missing || empty)
  }

  private row(episode: Episode): Row {
    const line = el('span', 'line')
    const age = el('span', 'age')
    const at = el(
      'time',
      { title: new Date(episode.at_ms).toISOString(), attributes: { datetime: new Date(episode.at_ms).toISOString() } },
      momentWords(episode.at_ms, this.gatewayTime().getTime()),
    )
    const title = el(
      'span',
      'title',
      episodeTitle(episode),
      episode.cloned && el('span', 'twin-word', twins(), 'two units'),
    )
    const root = el('li', { data: { state: episode.state } }, sign(episode.state), title, at, line, age)
    root.classList.toggle('late', episode.late)
    return { root, line, age, episode }
  }
}

function withEpisode(row: Row, episode: Episode): Row {
  row.episode = episode
  return row
}
