// A moment by the reader's clock. Pure.

/** "02:15:09" of the same day, otherwise "24 Nov 02:15". */
export function momentWords(at_ms: number, now_ms: number): string {
  const at = new Date(at_ms)
  if (at.toDateString() === new Date(now_ms).toDateString()) return at.toLocaleTimeString('en-GB')
  const day = at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return `${day} ${at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}`
}
