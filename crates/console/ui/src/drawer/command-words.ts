// Commands in words. Pure.

import { longSpan } from '../format'
import type { CommandJson, CommandState, Policy } from '../presence-api'

/** How a state looks: under way, done, failed, let go, or not known. */
export type Tone = 'waiting' | 'moving' | 'good' | 'bad' | 'gone' | 'unsure'

export const COMMAND_WORDS: Record<CommandState, { word: string; meaning: string; tone: Tone }> = {
  queued: { word: 'Waiting', meaning: 'Waits until the vehicle attaches.', tone: 'waiting' },
  paging: { word: 'Waking', meaning: 'The vehicle is being woken for it.', tone: 'waiting' },
  sent: { word: 'Sent', meaning: 'Handed to the vehicle, which has not answered yet.', tone: 'moving' },
  accepted: { word: 'Accepted', meaning: 'The vehicle will do it.', tone: 'moving' },
  running: { word: 'Running', meaning: 'The vehicle is at it.', tone: 'moving' },
  succeeded: { word: 'Done', meaning: 'The vehicle has done it.', tone: 'good' },
  failed: { word: 'Failed', meaning: 'It was tried and did not work.', tone: 'bad' },
  rejected: { word: 'Refused', meaning: 'The vehicle will not do it.', tone: 'bad' },
  expired: { word: 'Expired', meaning: 'Its time ended before it was begun.', tone: 'gone' },
  cancelled: { word: 'Cancelled', meaning: 'Cancelled before it was begun.', tone: 'gone' },
  unknown: {
    word: 'Outcome unknown',
    meaning: 'It was given the command and no answer came. Look at the vehicle before you send it again.',
    tone: 'unsure',
  },
}

export const POLICY_WORDS: Record<Policy, { word: string; meaning: string }> = {
  now: { word: 'Now or not at all', meaning: 'Fails unless the vehicle is connected or can be woken now.' },
  queue: { word: 'When it comes back', meaning: 'Waits for the vehicle until its time to live ends.' },
  latest_wins: { word: 'Only the latest', meaning: 'Waits too; a later command with the same key takes its place.' },
}

/** Of an unknown outcome whose gateway is not heard: whether the vehicle was ever given it is unknown too. */
const HOLDER_LOST = 'It may have been done; nobody heard how it ended.'

/** Where a command that was just taken is kept. */
export function takenWords(command: CommandJson): string {
  switch (command.durability) {
    case 'safe':
      return 'Taken, and on the disks of two regions.'
    case 'local':
      return `Taken, but only on the disk of ${command.origin}: no other region could be reached.`
    case undefined:
      return 'Taken.'
  }
}

/** The line under a command's name; `elapsed_s` is the age of what is known of it. */
export function commandLine(command: CommandJson, elapsed_s: number): string {
  const { meaning, tone } = COMMAND_WORDS[command.state]
  if (command.ended) return command.text || (command.code === 'holder_lost' ? HOLDER_LOST : meaning)
  const left = command.expires_in_s - elapsed_s
  if (tone === 'waiting') return `${meaning} ${left > 0 ? `${longSpan(left)} left.` : 'Its time is over.'}`
  if (command.state === 'running' && command.text) return command.text
  return meaning
}

/** A value as a person reads it: short ones in a line, longer ones indented. */
export function valueText(value: unknown): string {
  const short = JSON.stringify(value)
  return short.length <= 40 ? short : JSON.stringify(value, null, 2)
}
