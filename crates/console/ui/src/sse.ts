// The live stream: server-sent events over fetch, with resume.
//
// Not EventSource, because that hides the keep-alive comments: silence must be told from a quiet fleet, so that
// a dead link is noticed. Owns the connection and its retries; what the events mean is the caller's.

export interface StreamEvent {
  id: string | null
  event: string
  data: string
}

/** Splits the bytes of an event stream into events (WHATWG HTML §9.2.6). */
export class EventParser {
  private rest = ''
  private event = ''
  private data: string[] = []
  private id: string | null = null

  push(text: string): StreamEvent[] {
    const out: StreamEvent[] = []
    const all = this.rest + text
    // A carriage return at the very end may be half of a line's end.
    const cut = all.endsWith('\r') ? all.length - 1 : all.length
    const lines = all.slice(0, cut).split(/\r\n|\n|\r/)
    this.rest = lines.pop()! + all.slice(cut)
    for (const line of lines) this.line(line, out)
    return out
  }

  private line(line: string, out: StreamEvent[]): void {
    if (line === '') {
      if (this.data.length > 0) out.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') })
      this.event = ''
      this.data = []
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.event = value
    else if (field === 'data') this.data.push(value)
    else if (field === 'id' && !value.includes('\0')) this.id = value
  }
}

export interface StreamHandlers {
  /** The stream stands; `again` when it stood before. */
  opened(again: boolean): void
  received(event: StreamEvent): void
  /** The stream is lost; the next try is due in `retryIn_ms`. */
  lost(retryIn_ms: number, why: string): void
}

/** A gateway sends a comment every 15 s; this long without a byte and the link counts as dead. */
export const SILENCE_MS = 20_000
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 8_000

/** How long to wait before the n-th try in a row, with `random` in [0, 1). */
export function retryDelay_ms(tries: number, random: number): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(tries, 10))
  return Math.round(ceiling / 2 + (random * ceiling) / 2)
}

export class Stream {
  private lastId: string | null = null
  private stood = false
  private tries = 0
  private stopped = false
  private abort: AbortController | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
  ) {}

  start(): void {
    void this.connect()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.abort?.abort()
  }

  /** Tries now instead of when the next try is due. */
  retryNow(): void {
    if (this.abort !== null || this.stopped) return
    clearTimeout(this.timer)
    void this.connect()
  }

  private async connect(): Promise<void> {
    const abort = (this.abort = new AbortController())
    let silence: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(() => abort.abort(new Error('nothing was heard for 20 s')), SILENCE_MS)
    }
    let why = 'the connection ended'
    try {
      heard()
      const headers: Record<string, string> = { accept: 'text/event-stream' }
      if (this.lastId !== null) headers['last-event-id'] = this.lastId
      const answer = await fetch(this.url, { headers, cache: 'no-store', signal: abort.signal })
      if (!answer.ok || answer.body === null) throw new Error(`the gateway answered ${answer.status}`)
      await this.read(answer.body, heard)
    } catch (error) {
      why = error instanceof TypeError ? 'the gateway does not answer' : error instanceof Error ? error.message : why
    }
    clearTimeout(silence)
    abort.abort()
    this.abort = null
    if (this.stopped) return
    const wait_ms = retryDelay_ms(this.tries++, Math.random())
    this.timer = setTimeout(() => void this.connect(), wait_ms)
    this.handlers.lost(wait_ms, why)
  }

  private async read(body: ReadableStream<Uint8Array>, heard: () => void): Promise<void> {
    const parser = new EventParser()
    const decoder = new TextDecoder()
    const reader = body.getReader()
    this.handlers.opened(this.stood)
    this.stood = true
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      heard()
      this.tries = 0
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        if (event.id !== null) this.lastId = event.id
        this.handlers.received(event)
      }
    }
  }
}
