// The commands of one vehicle, newest first, each with its state as it changes; and the form for a new one.
//
// Owns the ledger of what it read and heard. Reads the list when the vehicle is chosen and when events may have
// been missed; between those the stream tells.

import { faultText } from '../api'
import { el, icon, setText } from '../dom'
import type { Vehicle } from '../fleet'
import { listed } from '../format'
import { cancelCommand, type CommandJson, type NewCommandJson, readCommands, sendCommand } from '../presence-api'
import { CommandForm } from './command-form'
import { CommandRow } from './command-row'
import { COMMAND_WORDS, takenWords } from './command-words'
import { Ledger } from './ledger'

const ROWS_FIRST = 8
const ROWS_MORE = 20
/** A list that could not be read is asked for again after so long, seconds. */
const RETRY_S = 10
/** With commands under way the list is read again by itself, should the stream keep something back, seconds. */
const REREAD_S = 15

export class Commands {
  private vehicle: Vehicle | null = null
  private readonly ledger = new Ledger()
  private rows = new Map<string, CommandRow>()
  private rowsWanted = ROWS_FIRST
  private abort = new AbortController()
  private reading = false
  private readWanted = false
  private notBefore = 0
  private readAt = 0
  private fault = ''
  private missing: string[] = []

  private readonly list = el('ol', { class: 'commands', attributes: { 'aria-label': 'Newest first' } })
  private readonly note = el('p', { class: 'hint', attributes: { role: 'status' } })
  private readonly taken = el('p', { class: 'taken', attributes: { role: 'status' } })
  private readonly spoken = el('p', { class: 'unseen', attributes: { 'aria-live': 'polite' } })
  private readonly form = new CommandForm({
    send: (command, key) => this.send(command, key),
    closed: () => this.closeForm(),
  })
  private readonly opener = el(
    'button',
    {
      class: 'quiet opener',
      attributes: { type: 'button' },
      on: { click: () => this.openForm() },
    },
    icon('M8 3v10M3 8h10'),
    'New command',
  )
  private readonly more = el(
    'button',
    { class: 'quiet more', attributes: { type: 'button', hidden: '' }, on: { click: () => this.showMore() } },
    'Show more',
  )
  readonly root = el(
    'section',
    'commands-part',
    this.opener,
    this.form.root,
    this.taken,
    this.note,
    this.list,
    this.more,
    this.spoken,
  )

  constructor(private readonly clock: () => number) {}

  open(vehicle: Vehicle): void {
    this.vehicle = vehicle
    this.changed()
  }

  forget(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.vehicle = null
    this.ledger.clear()
    this.rows.clear()
    this.list.replaceChildren()
    this.rowsWanted = ROWS_FIRST
    this.reading = this.readWanted = false
    this.notBefore = this.readAt = 0
    this.fault = ''
    this.missing = []
    this.form.forget()
    this.opener.hidden = false
    this.setTaken('', '')
    setText(this.spoken, '')
  }

  /** Events may have been missed: the list is read again at the next drawing. */
  changed(): void {
    this.readWanted = true
  }

  /** A command from the stream. */
  takeEvent(command: CommandJson, now: number): void {
    if (command.vehicle === this.vehicle?.id) this.take(command, now)
  }

  /** How many are under way. */
  underWay(): number {
    return this.ledger.open()
  }

  openForm(): void {
    this.setTaken('', '')
    this.opener.hidden = true
    this.form.open([...new Set(this.ledger.newestFirst().map(({ command }) => command.name))])
  }

  /** Closes the form if it is open; answers whether it was. */
  closeForm(): boolean {
    if (!this.form.isOpen()) return false
    const held = this.form.root.contains(document.activeElement)
    this.form.close()
    this.opener.hidden = false
    if (held) this.opener.focus()
    return true
  }

  draw(vehicle: Vehicle, now: number): void {
    const due = this.readWanted || (this.ledger.open() > 0 && now - this.readAt > REREAD_S)
    if (due && !this.reading && now >= this.notBefore) void this.read(vehicle)
    for (const row of this.rows.values()) row.draw(now)
    const missing =
      this.missing.length === 0
        ? ''
        : `${listed(this.missing, 'and')} did not answer: commands given there may be missing.`
    const empty =
      this.rows.size > 0 ? '' : this.reading || this.readWanted ? 'Reading …' : 'No command was sent to it lately.'
    setText(this.note, this.fault || missing || empty)
  }

  private async read(vehicle: Vehicle): Promise<void> {
    const { signal } = this.abort
    const askedAt = this.clock()
    this.readWanted = false
    this.reading = true
    try {
      const { commands, missing_regions } = await readCommands(vehicle.id, signal)
      this.ledger.takeListed(commands, askedAt)
      this.missing = missing_regions
      this.fault = ''
      this.writeRows()
    } catch (error) {
      if (signal.aborted) return
      this.fault = `The commands cannot be read: ${faultText(error)}.`
      this.readWanted = true
      this.notBefore = this.clock() + RETRY_S
    }
    this.readAt = this.clock()
    this.reading = false
  }

  private async send(body: NewCommandJson, key: string): Promise<void> {
    const { vehicle } = this
    if (vehicle === null) return
    const { signal } = this.abort
    const askedAt = this.clock()
    const command = await sendCommand(vehicle.id, body, key)
    // Another vehicle may have been chosen meanwhile; the command was taken all the same.
    if (signal.aborted) return
    this.take(command, askedAt)
    this.closeForm()
    this.setTaken(command.durability ?? '', `${command.name}: ${takenWords(command)}`)
  }

  private async cancel(id: string): Promise<void> {
    const { signal } = this.abort
    const askedAt = this.clock()
    const command = await cancelCommand(id)
    if (!signal.aborted) this.take(command, askedAt)
  }

  private take(command: CommandJson, at: number): void {
    const before = this.ledger.newestFirst().find((kept) => kept.command.id === command.id)?.command.state
    if (!this.ledger.take(command, at)) return
    if (before !== command.state) setText(this.spoken, `${command.name}: ${COMMAND_WORDS[command.state].word}`)
    this.writeRows()
  }

  private setTaken(durability: string, words: string): void {
    this.taken.dataset.durability = durability
    setText(this.taken, words)
  }

  private showMore(): void {
    this.rowsWanted += ROWS_MORE
    this.writeRows()
  }

  /** Rows are kept while their command is shown, so that what is unfolded or focused stays so. */
  private writeRows(): void {
    const all = this.ledger.newestFirst()
    const before = this.rows
    this.rows = new Map()
    for (const kept of all.slice(0, this.rowsWanted)) {
      const { id } = kept.command
      const row = before.get(id) ?? new CommandRow(kept, (which) => this.cancel(which))
      row.show(kept)
      row.draw(this.clock())
      this.rows.set(id, row)
    }
    const wanted = [...this.rows.values()].map((row) => row.root)
    // Moving an element takes its focus away: the list is touched only where it differs.
    wanted.forEach((root, i) => {
      if (this.list.children[i] !== root) this.list.insertBefore(root, this.list.children[i] ?? null)
    })
    while (this.list.children.length > wanted.length) this.list.lastChild!.remove()
    this.more.hidden = all.length <= this.rowsWanted
  }
}
