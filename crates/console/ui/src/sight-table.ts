// Who hears whom, drawn: a lamp for each pair of gateways, and in words what is not as it should be.

import type { ViewsJson } from './api'
import { el, setText } from './dom'
import { count } from './format'
import { type SightRow, sightNotes, sightRows } from './sights'

/** Sentences that are shown; of more, how many there are. */
const NOTES_MAX = 6

export class SightTable {
  readonly root = el('section', { class: 'sights', attributes: { 'aria-label': 'Who hears whom' } })
  private readonly table = el('table')
  private readonly notes = el('ul', 'notes')
  private cells: HTMLElement[] = []
  private fulls: HTMLElement[] = []
  private readonly drawn = { names: '', notes: '' }

  constructor() {
    this.root.hidden = true
    const lead = el('p', 'lead', 'Each row is what that gateway says of the others.')
    this.root.append(el('h2', {}, 'Who hears whom'), lead, el('div', 'wide', this.table), this.notes)
  }

  draw(views: ViewsJson | null, elapsed_s: number): void {
    // A gateway by itself hears nobody and lacks nobody.
    this.root.hidden = views === null || views.views.length + views.silent.length < 2
    if (views === null) return
    const rows = sightRows(views, elapsed_s)
    const names = JSON.stringify(rows.map((row) => row.gateway))
    if (names !== this.drawn.names) {
      this.build(rows)
      this.drawn.names = names
    }
    rows
      .flatMap((row) => row.cells)
      .forEach(({ sight, words }, at) => {
        const lamp = this.cells[at]!
        lamp.dataset.sight = sight
        if (lamp.title !== words) lamp.title = words
        setText(lamp.firstElementChild as HTMLElement, words)
      })
    rows.forEach(({ full }, at) => {
      const cell = this.fulls[at]!
      setText(cell, full?.figure ?? '')
      const words = full?.words ?? ''
      if (cell.title !== words) cell.title = words
    })
    this.write(sightNotes(views, elapsed_s))
  }

  private write(notes: string[]): void {
    const drawn = JSON.stringify(notes)
    if (drawn === this.drawn.notes) return
    this.drawn.notes = drawn
    const more = notes.length - NOTES_MAX
    const shown = more > 0 ? [...notes.slice(0, NOTES_MAX), `and ${count(more)} more`] : notes
    this.root.toggleAttribute('data-troubled', notes.length > 0)
    const lines = shown.length > 0 ? shown : ['All hear each other, and their copies agree.']
    this.notes.replaceChildren(...lines.map((line) => el('li', {}, line)))
  }

  private build(rows: SightRow[]): void {
    const number = (at: number) => el('span', 'number', String(at + 1))
    const heads = rows.map((row, at) => el('th', { title: row.gateway, attributes: { scope: 'col' } }, number(at)))
    const full = el('th', { class: 'full', attributes: { scope: 'col' } }, 'full')
    this.cells = []
    this.fulls = []
    const lines = rows.map((row, at) => {
      const cells = row.cells.map(() => {
        const lamp = el('span', 'sight', el('span', 'unseen'))
        this.cells.push(lamp)
        return el('td', {}, lamp)
      })
      const filled = el('td', 'full')
      this.fulls.push(filled)
      return el('tr', {}, el('th', { attributes: { scope: 'row' } }, number(at), row.gateway), ...cells, filled)
    })
    this.table.replaceChildren(el('thead', {}, el('tr', {}, el('td'), ...heads, full)), el('tbody', {}, ...lines))
  }
}
