// The form that makes a command. Owns what is typed; what becomes of it is the caller's.

import { ApiError, faultText, mayHaveHappened } from '../api'
import { el, setText } from '../dom'
import { POLICIES, type NewCommandJson, type Policy } from '../presence-api'
import { POLICY_WORDS } from './command-words'
import { argumentsFault, commandOf, type Draft, type Field, fieldOf, type Faults, nameFault, TTLS } from './new-command'

export interface FormEvents {
  /** Sends it; rejects with what the gateway says against it. */
  send(command: NewCommandJson, requestKey: string): Promise<void>
  closed(): void
}

export class CommandForm {
  private sending = false
  /** The request that may have been taken though no answer came, and its key: sent again it is taken once. */
  private attempt: { body: string; key: string } | null = null
  private readonly faults = new Map<Field, HTMLElement>()
  private readonly controls = new Map<Field, HTMLElement>()

  private readonly names = el('datalist', { attributes: { id: 'command-names' } })
  private readonly name = el('input', {
    attributes: {
      id: 'command-name',
      list: 'command-names',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      placeholder: 'doors.lock',
    },
    on: { input: () => this.recheck('name', nameFault(this.name.value)) },
  })
  private readonly arguments = el('textarea', {
    attributes: { id: 'command-arguments', rows: '3', spellcheck: 'false', placeholder: '{"doors": "all"}' },
    on: { input: () => this.fault('arguments', argumentsFault(this.arguments.value)) },
  })
  private readonly key = el('input', {
    attributes: { id: 'command-key', autocomplete: 'off', spellcheck: 'false', placeholder: 'the name' },
  })
  private readonly keyField: HTMLElement
  private readonly wake = el('input', { attributes: { id: 'command-wake', type: 'checkbox', checked: '' } })
  private readonly general = el('p', { class: 'fault', attributes: { role: 'alert' } })
  private readonly submit = el('button', { class: 'solid', attributes: { type: 'submit' } }, 'Send')
  readonly root: HTMLFormElement

  constructor(private readonly events: FormEvents) {
    this.keyField = this.field('key', 'Key', this.key)
    this.keyField.hidden = true
    const wake = el(
      'label',
      { class: 'choice', attributes: { for: 'command-wake' } },
      this.wake,
      el('span', {}, el('b', {}, 'Wake it'), el('small', {}, 'if it has no connection')),
    )
    this.root = el(
      'form',
      {
        class: 'command-form',
        attributes: { novalidate: '', 'aria-label': 'New command', hidden: '' },
        on: {
          submit: (event) => {
            event.preventDefault()
            void this.send()
          },
          keydown: (event) => this.keys(event),
        },
      },
      this.field('name', 'Name', this.name),
      this.names,
      this.field('arguments', 'Arguments, JSON', this.arguments),
      this.ttl(),
      this.policy(),
      this.keyField,
      el('div', {}, wake, this.faultOf('wake')),
      this.general,
      el(
        'div',
        'buttons',
        this.submit,
        el('button', { class: 'quiet', attributes: { type: 'button' }, on: { click: () => events.closed() } }, 'Close'),
      ),
    )
  }

  isOpen(): boolean {
    return !this.root.hidden
  }

  /** Opens with the names that were used before to choose from. */
  open(names: readonly string[]): void {
    this.names.replaceChildren(...names.map((name) => el('option', { attributes: { value: name } })))
    this.root.hidden = false
    this.name.focus()
  }

  close(): void {
    this.root.hidden = true
  }

  /** Begins anew, for another vehicle or another command. An answer that is still out is no longer waited for. */
  forget(): void {
    this.root.reset()
    this.keyField.hidden = true
    this.attempt = null
    this.rest()
    this.showFaults({}, '')
    this.close()
  }

  /** Takes the next sending. */
  private rest(): void {
    this.sending = false
    this.submit.removeAttribute('aria-disabled')
    setText(this.submit, 'Send')
  }

  private draft(): Draft {
    const chosen = new FormData(this.root)
    return {
      name: this.name.value,
      arguments: this.arguments.value,
      ttl_s: Number(chosen.get('ttl_s')),
      policy: chosen.get('policy') as Policy,
      key: this.key.value,
      wake: this.wake.checked,
    }
  }

  private async send(): Promise<void> {
    if (this.sending) return
    const read = commandOf(this.draft())
    if ('faults' in read) {
      this.showFaults(read.faults, '')
      return
    }
    this.showFaults({}, '')
    this.sending = true
    this.submit.setAttribute('aria-disabled', 'true')
    setText(this.submit, 'Sending …')
    const body = JSON.stringify(read.command)
    if (this.attempt?.body !== body) this.attempt = { body, key: randomKey() }
    const attempt = this.attempt
    try {
      await this.events.send(read.command, attempt.key)
    } catch (error) {
      // Forgotten meanwhile: what is typed now is another vehicle's, and so would be the fault.
      if (this.attempt !== attempt) return
      this.refused(error)
      this.rest()
      return
    }
    if (this.attempt === attempt) this.forget()
  }

  private refused(error: unknown): void {
    const words = sentenceOf(faultText(error))
    const field = error instanceof ApiError ? fieldOf(error.parameter) : null
    if (mayHaveHappened(error)) {
      this.showFaults(
        {},
        `${words} It may have been taken all the same; sent again unchanged, it is still taken only once.`,
      )
      return
    }
    this.attempt = null
    if (field === null) this.showFaults({}, words)
    else this.showFaults({ [field]: words }, '')
  }

  private showFaults(faults: Faults, general: string): void {
    for (const field of this.faults.keys()) this.fault(field, faults[field] ?? null)
    setText(this.general, general)
    const first = [...this.controls].find(([field]) => faults[field] !== undefined)?.[1]
    first?.focus()
  }

  /** While something is typed, a fault that is shown is put right at once; a new one waits for the sending. */
  private recheck(field: Field, fault: string | null): void {
    if (this.faults.get(field)!.textContent !== '') this.fault(field, fault)
  }

  private fault(field: Field, words: string | null): void {
    setText(this.faults.get(field)!, words ?? '')
    const control = this.controls.get(field)
    if (words === null) control?.removeAttribute('aria-invalid')
    else control?.setAttribute('aria-invalid', 'true')
  }

  private faultOf(field: Field): HTMLElement {
    const fault = el('p', { class: 'fault', attributes: { id: `command-fault-${field}`, 'aria-live': 'polite' } })
    this.faults.set(field, fault)
    return fault
  }

  private field(field: Field, label: string, control: HTMLElement): HTMLElement {
    this.controls.set(field, control)
    control.setAttribute('aria-describedby', `command-fault-${field}`)
    return el('div', 'field', el('label', { attributes: { for: control.id } }, label), control, this.faultOf(field))
  }

  private ttl(): HTMLElement {
    const choices = TTLS.map(({ seconds, word }) => {
      const radio = el('input', { attributes: { type: 'radio', name: 'ttl_s', value: String(seconds) } })
      if (seconds === 300) radio.setAttribute('checked', '')
      return el('label', {}, radio, el('span', {}, word))
    })
    return el(
      'fieldset',
      {},
      el('legend', {}, 'Must be begun within'),
      el('div', 'segments', ...choices),
      this.faultOf('ttl_s'),
    )
  }

  private policy(): HTMLElement {
    const choices = POLICIES.map((policy) => {
      const { word, meaning } = POLICY_WORDS[policy]
      const radio = el('input', {
        attributes: { type: 'radio', name: 'policy', value: policy },
        on: { change: () => (this.keyField.hidden = policy !== 'latest_wins') },
      })
      if (policy === 'now') radio.setAttribute('checked', '')
      return el('label', 'choice', radio, el('span', {}, el('b', {}, word), el('small', {}, meaning)))
    })
    return el('fieldset', {}, el('legend', {}, 'If it is not connected'), ...choices, this.faultOf('policy'))
  }

  private keys(event: KeyboardEvent): void {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      void this.send()
    }
  }
}

/** A key nobody else uses. `crypto.randomUUID` is not there where the page is not served over TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')
}

function sentenceOf(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.'
  return text.charAt(0).toUpperCase() + text.slice(1) + end
}
