// Where a text stops being JSON. Browsers word this each in their own way, and some do not name the place. Pure.

export interface JsonFault {
  line: number
  column: number
  what: string
}

class Fault extends Error {
  constructor(
    readonly at: number,
    what: string,
  ) {
    super(what)
  }
}

const ESCAPES = '"\\/bfnrt'
/** Deeper than this nobody types arguments. */
const DEPTH_MAX = 64

/** The first fault in a text that should be one JSON value (RFC 8259), or null. */
export function jsonFault(text: string): JsonFault | null {
  try {
    const reader = new Reader(text)
    reader.value(0)
    reader.end()
    return null
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const before = text.slice(0, error.at)
    return {
      line: before.split('\n').length,
      column: error.at - before.lastIndexOf('\n'),
      what: error.message,
    }
  }
}

/** The fault in words: "line 2, column 5: a comma or } is missing". */
export function faultWords({ line, column, what }: JsonFault): string {
  return `Line ${line}, column ${column}: ${what}.`
}

class Reader {
  private at = 0

  constructor(private readonly text: string) {}

  value(depth: number): void {
    this.space()
    if (depth > DEPTH_MAX) throw new Fault(this.at, `nested deeper than ${DEPTH_MAX} levels`)
    const c = this.text[this.at]
    if (c === undefined) throw new Fault(this.at, 'a value is missing')
    if (c === '{') this.object(depth)
    else if (c === '[') this.array(depth)
    else if (c === '"') this.string()
    else if (c === '-' || (c >= '0' && c <= '9')) this.number()
    else this.word()
    this.space()
  }

  end(): void {
    if (this.at < this.text.length) throw new Fault(this.at, 'nothing more may follow the value')
  }

  private object(depth: number): void {
    this.at++
    this.space()
    if (this.take('}')) return
    for (;;) {
      this.space()
      if (this.text[this.at] !== '"') throw new Fault(this.at, 'a name in double quotes is missing')
      this.string()
      this.space()
      if (!this.take(':')) throw new Fault(this.at, 'a colon is missing after the name')
      this.value(depth + 1)
      if (this.take('}')) return
      if (!this.take(',')) throw new Fault(this.at, 'a comma or } is missing')
    }
  }

  private array(depth: number): void {
    this.at++
    this.space()
    if (this.take(']')) return
    for (;;) {
      this.value(depth + 1)
      if (this.take(']')) return
      if (!this.take(',')) throw new Fault(this.at, 'a comma or ] is missing')
    }
  }

  private string(): void {
    const start = this.at++
    for (;;) {
      const c = this.text[this.at]
      if (c === undefined || c === '\n') throw new Fault(start, 'the text is not closed')
      if (c < ' ') throw new Fault(this.at, 'a control character must be escaped')
      this.at++
      if (c === '"') return
      if (c === '\\') this.escape()
    }
  }

  private escape(): void {
    const c = this.text[this.at]
    if (c === 'u' && /^[0-9a-fA-F]{4}/.test(this.text.slice(this.at + 1, this.at + 5))) this.at += 5
    else if (c !== undefined && c !== 'u' && ESCAPES.includes(c)) this.at++
    else throw new Fault(this.at - 1, 'this escape does not exist')
  }

  private number(): void {
    const found = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/.exec(this.text.slice(this.at))
    const after = found === null ? '' : (this.text[this.at + found[0].length] ?? '')
    if (found === null || /[\w.]/.test(after)) throw new Fault(this.at, 'this is not a number')
    this.at += found[0].length
  }

  private word(): void {
    const found = /^\w+/.exec(this.text.slice(this.at))?.[0] ?? ''
    if (found !== 'true' && found !== 'false' && found !== 'null') {
      throw new Fault(
        this.at,
        found === '' ? 'a value is missing' : `${found} is not a value; texts stand in double quotes`,
      )
    }
    this.at += found.length
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false
    this.at++
    return true
  }

  private space(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at++
  }
}
