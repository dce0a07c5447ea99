// An episode of a vehicle's timeline in words. Pure.

import { causeWords, longSpan, STATE_WORDS } from '../format'
import type { Episode } from './episodes'

/** What happened. */
export function episodeTitle(episode: Episode): string {
  const { word } = STATE_WORDS[episode.state]
  if (episode.state === 'unknown') return `Let go by ${episode.gateway}`
  if (episode.from !== null && episode.state === 'online') return `Moved to ${episode.gateway}`
  if (episode.again) return episode.state === 'online' ? 'Attached again' : `${word} again`
  return episode.cause === null ? word : `${word}: ${causeWords(episode.cause)}`
}

/** Where, and for how long. */
export function episodeLine(episode: Episode, now_ms: number): string {
  const parts: string[] = []
  if (episode.from !== null)
    parts.push(episode.state === 'online' ? `from ${episode.from}` : `${episode.gateway}, before ${episode.from}`)
  else if (episode.state !== 'unknown') parts.push(episode.gateway)
  if (episode.late) parts.push('of an attach that was replaced, never shown')
  else if (episode.until_ms !== null) parts.push(`for ${longSpan((episode.until_ms - episode.at_ms) / 1000)}`)
  else parts.push(`since then, ${longSpan((now_ms - episode.at_ms) / 1000)}`)
  return parts.join(' · ')
}
