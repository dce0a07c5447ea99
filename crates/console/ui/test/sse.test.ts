import { describe, expect, test } from 'vitest'
import { EventParser, retryDelay_ms } from '../src/sse'

describe('the event parser', () => {
  test('reads an event with its id, wherever the bytes are cut', () => {
    const text = 'id: 7\nevent: presence\ndata: {"a":\ndata: 1}\n\n'
    for (let cut = 0; cut <= text.length; cut++) {
      const parser = new EventParser()
      const events = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]
      expect(events).toEqual([{ id: '7', event: 'presence', data: '{"a":\n1}' }])
    }
  })

  test('takes each of the three line ends, cut anywhere', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      const text = `event: hello${end}data: x${end}${end}`
      for (let cut = 0; cut <= text.length; cut++) {
        const parser = new EventParser()
        const events = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut)), ...parser.push(':\n')]
        expect(events).toEqual([{ id: null, event: 'hello', data: 'x' }])
      }
    }
  })

  test('keeps the last id for events that carry none, and passes over comments', () => {
    const parser = new EventParser()
    const events = parser.push('id: 1\ndata: a\n\n: keep-alive\n\ndata: b\n\n')
    expect(events.map((e) => [e.id, e.event, e.data])).toEqual([
      ['1', 'message', 'a'],
      ['1', 'message', 'b'],
    ])
  })

  test('does not deliver an event that was not finished', () => {
    expect(new EventParser().push('event: presence\ndata: half')).toEqual([])
  })
})

test('retries wait longer each time, never beyond their bound, and are spread', () => {
  expect(retryDelay_ms(0, 0)).toBe(250)
  expect(retryDelay_ms(0, 1)).toBe(500)
  expect(retryDelay_ms(3, 0)).toBe(2000)
  for (let tries = 0; tries < 100; tries++) expect(retryDelay_ms(tries, 1)).toBeLessThanOrEqual(8000)
})
