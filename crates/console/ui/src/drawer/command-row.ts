// One command in the list: what it is, where it stands, and how it came to that.

import { faultText, mayHaveHappened } from '../api'
import { el, setText } from '../dom'
import { coarseSpan } from '../format'
import type { CommandJson } from '../presence-api'
import { COMMAND_WORDS, commandLine, POLICY_WORDS, valueText } from './command-words'
import type { Kept } from './ledger'

let made = 0

export class CommandRow {
  private kept: Kept
  private written: CommandJson | null = null
  private stepAges: { element: HTMLElement; age_s: number }[] = []

  private readonly state = el('span', 'state')
  private readonly age = el('span', 'age')
  private readonly line = el('p', 'line')
  private readonly progress = el('progress', { attributes: { max: '100', 'aria-label': 'Progress' } })
  private readonly head: HTMLButtonElement
  private readonly more: HTMLElement
  private readonly cancel: HTMLButtonElement
  private readonly fault = el('p', { class: 'fault', attributes: { role: 'alert' } })
  readonly root: HTMLElement

  constructor(kept: Kept, cancelled: (id: string) => Promise<void>) {
    this.kept = kept
    const id = `command-more-${made++}`
    this.more = el('div', { class: 'command-more', attributes: { id, hidden: '' } })
    this.head = el(
      'button',
      {
        class: 'command-head',
        attributes: { type: 'button', 'aria-expanded': 'false', 'aria-controls': id },
        on: { click: () => this.fold() },
      },
      el('b', {}, kept.command.name),
      this.state,
      this.age,
    )
    this.cancel = el(
      'button',
      {
        class: 'quiet',
        attributes: { type: 'button', 'aria-label': `Cancel ${kept.command.name}` },
        on: { click: () => void this.askCancel(cancelled) },
      },
      'Cancel',
    )
    this.root = el(
      'li',
      'command',
      this.head,
      el('div', 'command-line', this.line, this.cancel),
      this.progress,
      this.fault,
      this.more,
    )
  }

  show(kept: Kept): void {
    this.kept = kept
  }

  draw(now: number): void {
    const { command, at } = this.kept
    const elapsed = Math.max(0, now - at)
    if (this.written !== command) this.write(command)
    setText(this.line, commandLine(command, elapsed))
    setText(this.age, `${coarseSpan(command.age_s + elapsed)} ago`)
    for (const { element, age_s } of this.stepAges) setText(element, `${coarseSpan(age_s + elapsed)} ago`)
  }

  private write(command: CommandJson): void {
    this.written = command
    const { word, tone } = COMMAND_WORDS[command.state]
    this.root.dataset.tone = tone
    const running = command.state === 'running'
    const percent = running && command.percent !== undefined ? ` ${command.percent} %` : ''
    setText(this.state, word + percent)
    this.cancel.hidden = command.ended
    this.progress.hidden = !running
    if (command.percent === undefined) this.progress.removeAttribute('value')
    else this.progress.value = command.percent
    this.writeMore(command)
  }

  private writeMore(command: CommandJson): void {
    this.stepAges = []
    const steps = command.steps.map((step) => {
      const age = el('span', 'age')
      this.stepAges.push({ element: age, age_s: step.age_s })
      const { word, tone } = COMMAND_WORDS[step.state]
      const where = el('span', 'where', step.gateway, step.text ? ` · ${step.text}` : null)
      return el('li', { data: { tone } }, el('span', 'step', word), where, age)
    })
    const fact = (label: string, value: string | undefined) =>
      value === undefined || value === '' ? [] : [el('dt', {}, label), el('dd', {}, value)]
    const values = [
      ...fact('Arguments', command.arguments === undefined ? undefined : valueText(command.arguments)),
      ...fact('Result', command.result === undefined ? undefined : valueText(command.result)),
      ...fact('Reason', command.code),
      ...fact('Policy', POLICY_WORDS[command.policy].word + (command.key === undefined ? '' : `, key ${command.key}`)),
      ...fact('Kept', command.durability === undefined ? undefined : KEPT[command.durability]),
      ...fact('Id', command.id),
    ]
    this.more.replaceChildren(el('ol', 'steps', ...steps), el('dl', 'values', ...values))
  }

  private fold(): void {
    const open = this.more.hidden
    this.more.hidden = !open
    this.head.setAttribute('aria-expanded', String(open))
  }

  private async askCancel(cancelled: (id: string) => Promise<void>): Promise<void> {
    if (this.cancel.getAttribute('aria-disabled') === 'true') return
    this.cancel.setAttribute('aria-disabled', 'true')
    setText(this.fault, '')
    const held = document.activeElement === this.cancel
    try {
      await cancelled(this.kept.command.id)
      if (held) this.head.focus()
    } catch (error) {
      const said = mayHaveHappened(error) ? 'It may have been cancelled all the same' : 'Not cancelled'
      setText(this.fault, `${said}: ${faultText(error)}.`)
    }
    this.cancel.removeAttribute('aria-disabled')
  }
}

const KEPT = { safe: 'on the disks of two regions', local: 'on the disk of one gateway only' } as const
