import { describe, expect, test } from 'vitest'
import { commandLine, takenWords, valueText } from '../src/drawer/command-words'
import { Ledger } from '../src/drawer/ledger'
import { argumentsFault, commandOf, type Draft, fieldOf, nameFault } from '../src/drawer/new-command'
import { jsonFault } from '../src/json-fault'
import type { CommandJson } from '../src/presence-api'

const draft = (more: Partial<Draft> = {}): Draft => ({
  name: 'doors.lock',
  arguments: '',
  ttl_s: 300,
  policy: 'now',
  key: '',
  wake: true,
  ...more,
})

const command = (id: string, more: Partial<CommandJson> = {}): CommandJson => ({
  id,
  vehicle: 'a',
  name: 'doors.lock',
  policy: 'queue',
  state: 'queued',
  ended: false,
  age_s: 2,
  ttl_s: 300,
  expires_in_s: 298,
  origin: 'west',
  steps: [],
  ...more,
})

describe('the form of a new command', () => {
  test('makes what the API takes', () => {
    expect(commandOf(draft({ name: ' doors.lock ', arguments: ' {"doors": "all"} ' }))).toEqual({
      command: { name: 'doors.lock', arguments: { doors: 'all' }, ttl_s: 300, policy: 'now', wake: true },
    })
    expect(commandOf(draft({ policy: 'latest_wins' }))).toMatchObject({ command: { key: 'doors.lock' } })
    expect(commandOf(draft({ policy: 'latest_wins', key: 'doors' }))).toMatchObject({ command: { key: 'doors' } })
    expect(commandOf(draft({ key: 'doors' }))).not.toHaveProperty('command.key')
  })

  test('names the field and what is wrong with it', () => {
    expect(commandOf(draft({ name: '', arguments: '{' }))).toEqual({
      faults: {
        name: 'Say what it is to do.',
        arguments: 'Line 1, column 2: a name in double quotes is missing.',
      },
    })
    expect(nameFault('lock doors')).toContain('A space cannot be in a name')
    expect(nameFault('türen')).toContain('ü cannot')
    expect(nameFault('a'.repeat(65))).toBe('65 characters; at most 64.')
    expect(nameFault('A-z_0.9')).toBeNull()
    expect(argumentsFault(`"${'x'.repeat(16_384)}"`)).toBe('16386 bytes; at most 16384.')
  })

  test('finds the place at which a text stops being JSON', () => {
    const place = (text: string) => {
      const fault = jsonFault(text)
      return fault === null ? null : `${fault.line}:${fault.column} ${fault.what}`
    }
    expect(place('{"a": 1,\n "b": tru}')).toBe('2:7 tru is not a value; texts stand in double quotes')
    expect(place('{"a": 1 "b": 2}')).toBe('1:9 a comma or } is missing')
    expect(place('{"a" 1}')).toBe('1:6 a colon is missing after the name')
    expect(place('[1, 2')).toBe('1:6 a comma or ] is missing')
    expect(place('[1,]')).toBe('1:4 a value is missing')
    expect(place('{"a": "x')).toBe('1:7 the text is not closed')
    expect(place('"\\q"')).toBe('1:2 this escape does not exist')
    expect(place('01')).toBe('1:1 this is not a number')
    expect(place('1 2')).toBe('1:3 nothing more may follow the value')
    expect(place('['.repeat(100))).toContain('nested deeper')
  })

  test('agrees with the browser on what is JSON', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\u00e9"',
      '1',
      '-0.5e3',
      '-',
      'true',
      'null',
      ' ',
      '\n',
      'x',
    ]
    let seed = 7
    const next = (n: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n
    for (let i = 0; i < 20_000; i++) {
      const text = Array.from({ length: 1 + next(8) }, () => pieces[next(pieces.length)]).join('')
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      expect([text, jsonFault(text) === null]).toEqual([text, valid])
    }
  })

  test('knows its fields in what a gateway complains of', () => {
    expect([fieldOf('ttl_s'), fieldOf('limit'), fieldOf(null)]).toEqual(['ttl_s', null, null])
  })
})

describe('the commands of a vehicle', () => {
  test('are shown newest first, whatever order they are heard of in', () => {
    const ledger = new Ledger()
    ledger.takeListed([command('3'), command('1')], 0)
    ledger.take(command('2'), 1)
    expect(ledger.newestFirst().map((k) => k.command.id)).toEqual(['3', '2', '1'])
    expect(ledger.open()).toBe(3)
  })

  test('an event is not undone by a listing that was asked for before it', () => {
    const ledger = new Ledger()
    ledger.take(command('1', { state: 'running', percent: 40 }), 10)
    ledger.takeListed([command('1')], 9)
    expect(ledger.newestFirst()[0]!.command.state).toBe('running')
    ledger.takeListed([command('1', { state: 'running', percent: 60 })], 11)
    expect(ledger.newestFirst()[0]!.command.percent).toBe(60)
  })

  test('what has ended stays ended, and an end counts however late it is heard of', () => {
    const ledger = new Ledger()
    ledger.take(command('1', { state: 'running' }), 10)
    ledger.takeListed([command('1', { state: 'succeeded', ended: true })], 9)
    expect(ledger.take(command('1', { state: 'running' }), 20)).toBe(false)
    expect(ledger.newestFirst()[0]!.command.state).toBe('succeeded')
    expect(ledger.open()).toBe(0)
  })

  test('how it is kept is remembered from the gateway that took it; states of a later version are left out', () => {
    const ledger = new Ledger()
    ledger.take(command('1', { durability: 'safe' }), 1)
    ledger.take(command('1', { state: 'sent' }), 2)
    expect(ledger.newestFirst()[0]!.command).toMatchObject({ state: 'sent', durability: 'safe' })
    expect(ledger.take(command('2', { state: 'dreaming' as never }), 3)).toBe(false)
  })

  test('say where they stand and how long there is left', () => {
    expect(commandLine(command('1'), 60)).toBe('Waits until the vehicle attaches. 4 min left.')
    expect(commandLine(command('1'), 400)).toContain('Its time is over.')
    expect(commandLine(command('1', { state: 'failed', ended: true, text: 'no power' }), 0)).toBe('no power')
    expect(commandLine(command('1', { state: 'unknown', ended: true }), 0)).toContain('before you send it again')
    expect(commandLine(command('1', { state: 'unknown', ended: true, code: 'holder_lost' }), 0)).toBe(
      'It may have been done; nobody heard how it ended.',
    )
    expect(takenWords(command('1', { durability: 'safe' }))).toContain('two regions')
    expect(takenWords(command('1', { durability: 'local' }))).toContain('only on the disk of west')
    expect(valueText({ a: 1 })).toBe('{"a":1}')
  })
})
