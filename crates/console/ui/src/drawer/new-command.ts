// What an operator typed, as a command or as faults at the fields they are in. Pure.

import { faultWords, jsonFault } from '../json-fault'
import type { NewCommandJson, Policy } from '../presence-api'

export const FIELDS = ['name', 'arguments', 'ttl_s', 'policy', 'key', 'wake'] as const
export type Field = (typeof FIELDS)[number]
export type Faults = Partial<Record<Field, string>>

export interface Draft {
  name: string
  /** JSON, or nothing. */
  arguments: string
  ttl_s: number
  policy: Policy
  key: string
  wake: boolean
}

export const TTLS: readonly { seconds: number; word: string }[] = [
  { seconds: 30, word: '30 s' },
  { seconds: 300, word: '5 min' },
  { seconds: 3600, word: '1 h' },
  { seconds: 86_400, word: '24 h' },
]

/** The API's own limit. */
const ARGUMENTS_BYTES_MAX = 16 * 1024

/** The command, or what is wrong with it. An empty key is the command's name. */
export function commandOf(draft: Draft): { command: NewCommandJson } | { faults: Faults } {
  const faults: Faults = {}
  const name = nameFault(draft.name)
  if (name !== null) faults.name = name
  const args = argumentsFault(draft.arguments)
  if (args !== null) faults.arguments = args
  if (Object.keys(faults).length > 0) return { faults }
  const text = draft.arguments.trim()
  const { ttl_s, policy, wake } = draft
  const command: NewCommandJson = { name: draft.name.trim(), ttl_s, policy, wake }
  if (text !== '') command.arguments = JSON.parse(text)
  if (policy === 'latest_wins') command.key = draft.key.trim() || command.name
  return { command }
}

export function nameFault(text: string): string | null {
  const name = text.trim()
  if (name === '') return 'Say what it is to do.'
  if (name.length > 64) return `${name.length} characters; at most 64.`
  const bad = [...name].find((c) => !/[A-Za-z0-9._-]/.test(c))
  if (bad === undefined) return null
  return `${bad === ' ' ? 'A space' : bad} cannot be in a name: letters, digits, dot, dash and underscore can.`
}

/** What is wrong with the arguments, and where; nothing at all is right. */
export function argumentsFault(text: string): string | null {
  if (text.trim() === '') return null
  const fault = jsonFault(text)
  if (fault !== null) return faultWords(fault)
  const bytes = new TextEncoder().encode(JSON.stringify(JSON.parse(text))).length
  return bytes > ARGUMENTS_BYTES_MAX ? `${bytes} bytes; at most ${ARGUMENTS_BYTES_MAX}.` : null
}

/** Which field a gateway's problem is about. */
export function fieldOf(parameter: string | null): Field | null {
  return FIELDS.find((f) => f === parameter) ?? null
}
