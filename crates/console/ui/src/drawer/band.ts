// The states of the last day as one strip. Pure.

import type { State } from '../api'
import { span, STATE_WORDS } from '../format'
import type { Episode } from './episodes'

export interface Segment {
  state: State
  /** Parts of the strip, 0 to 1. */
  x: number
  width: number
  from_ms: number
  to_ms: number
}

export interface Band {
  from_ms: number
  to_ms: number
  segments: Segment[]
  /** Each state's part of the time, the largest first. */
  shares: { state: State; share: number }[]
}

export const BAND_MS = 24 * 3600 * 1000
/** A blip is drawn at least this wide, so that a minute offline in a day is seen. */
export const WIDTH_MIN = 0.006

/** What is drawn on top where segments meet: the rarer and graver. */
const ON_TOP: readonly State[] = ['online', 'idle', 'asleep', 'unknown', 'offline', 'stale', 'unreachable']

/** What is shown now if it is not what the last transition says: stale is decided where it is read. */
export interface Tail {
  state: State
  since_ms: number
}

/** The strip of the last day, or since the first that is known; null when nothing is. Episodes come newest first. */
export function band(newestFirst: readonly Episode[], now_ms: number, tail: Tail | null): Band | null {
  const counted = newestFirst.filter((e) => !e.late)
  const oldest = counted.at(-1)
  if (oldest === undefined) return null
  const from_ms = Math.max(now_ms - BAND_MS, Math.min(oldest.at_ms, now_ms - 1000))
  const tailFrom = tail === null ? now_ms : Math.max(from_ms, Math.min(tail.since_ms, now_ms))
  const spans = counted
    .map((e) => ({ state: e.state, from_ms: e.at_ms, to_ms: Math.min(e.until_ms ?? now_ms, tailFrom) }))
    .reverse()
  if (tail !== null) spans.push({ state: tail.state, from_ms: tailFrom, to_ms: now_ms })
  const inside = spans
    .map((s) => ({ ...s, from_ms: Math.max(s.from_ms, from_ms), to_ms: Math.min(s.to_ms, now_ms) }))
    .filter((s) => s.to_ms > s.from_ms)
  const whole = now_ms - from_ms
  return { from_ms, to_ms: now_ms, segments: drawn(fused(inside), from_ms, whole), shares: shares(inside, whole) }
}

/** The largest shares in words: "Online 94 % · idle 6 %". */
export function shareWords({ shares }: Band, most = shares.length): string {
  const words = shares
    .slice(0, most)
    .map(({ state, share }) => `${STATE_WORDS[state].word.toLowerCase()} ${percent(share)}`)
  const all = words.join(' · ')
  return all.charAt(0).toUpperCase() + all.slice(1)
}

/** One segment in words: "Idle for 12 min". */
export function segmentWords(segment: Segment): string {
  return `${STATE_WORDS[segment.state].word} for ${span((segment.to_ms - segment.from_ms) / 1000)}`
}

type Span = Pick<Segment, 'state' | 'from_ms' | 'to_ms'>

function fused(spans: readonly Span[]): Span[] {
  const out: Span[] = []
  for (const s of spans) {
    const last = out.at(-1)
    if (last !== undefined && last.state === s.state && s.from_ms <= last.to_ms) last.to_ms = s.to_ms
    else out.push({ ...s })
  }
  return out
}

function drawn(spans: readonly Span[], from_ms: number, whole: number): Segment[] {
  return spans
    .map((s) => {
      const width = Math.max(WIDTH_MIN, (s.to_ms - s.from_ms) / whole)
      const x = Math.min((s.from_ms - from_ms) / whole, 1 - width)
      return { ...s, x: Math.max(0, x), width: Math.min(1, width) }
    })
    .sort((a, b) => ON_TOP.indexOf(a.state) - ON_TOP.indexOf(b.state))
}

function shares(spans: readonly Span[], whole: number): Band['shares'] {
  const sums = new Map<State, number>()
  for (const s of spans) sums.set(s.state, (sums.get(s.state) ?? 0) + (s.to_ms - s.from_ms) / whole)
  return [...sums].map(([state, share]) => ({ state, share })).sort((a, b) => b.share - a.share)
}

function percent(share: number): string {
  if (share > 0.995 && share < 1) return '> 99 %'
  return share < 0.01 ? '< 1 %' : `${Math.round(share * 100)} %`
}
