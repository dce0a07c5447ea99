// The keys, and what the signs mean.

import { STATES } from './api'
import { byId, el } from './dom'
import { STATE_WORDS } from './format'
import { sign } from './looks'

const KEYS: [keys: string[], meaning: string][] = [
  [['/'], 'Search'],
  [['↑', '↓'], 'Choose the vehicle above or below'],
  [['f'], 'Follow the chosen vehicle'],
  [['k'], 'Check whether it can be reached'],
  [['n', 'h', 'c'], 'What it does now, its history, its commands'],
  [['s'], 'Send it a command'],
  [['0'], 'Show all vehicles'],
  [['+', '−'], 'Zoom'],
  [['v', 'r'], 'Vehicles, regions'],
  [['t'], 'Dark or light'],
  [['Esc'], 'Close the vehicle, then show all'],
]

export class Help {
  private readonly dialog = byId<HTMLDialogElement>('keys')

  constructor() {
    const close = el(
      'button',
      { class: 'plain', attributes: { type: 'button' }, on: { click: () => this.dialog.close() } },
      'Close',
    )
    this.dialog.append(
      el('h2', { attributes: { id: 'keys-title' } }, 'Keyboard'),
      el(
        'dl',
        'keys',
        ...KEYS.map(([keys, meaning]) =>
          el('div', {}, el('dt', {}, ...keys.map((k) => el('kbd', {}, k))), el('dd', {}, meaning)),
        ),
      ),
      el('h2', {}, 'States'),
      el(
        'dl',
        'meanings',
        ...STATES.map((s) =>
          el(
            'div',
            {},
            el('dt', { data: { state: s } }, sign(s), STATE_WORDS[s].word),
            el('dd', {}, STATE_WORDS[s].meaning),
          ),
        ),
      ),
      close,
    )
    this.dialog.addEventListener('click', (event) => event.target === this.dialog && this.dialog.close())
  }

  toggle(): void {
    if (this.dialog.open) this.dialog.close()
    else this.dialog.showModal()
  }
}
