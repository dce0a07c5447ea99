// The commands of one vehicle, from listings and the live stream in any order.
//
// Keeps each with the moment at which its ages were true. What was learned later wins; what has ended stays so.

import { COMMAND_STATES, type CommandJson } from '../presence-api'

export interface Kept {
  command: CommandJson
  /** When its ages were true, seconds of the page's clock. */
  at: number
}

/** Commands kept at once; the oldest of them are dropped. */
const KEPT_MAX = 200

export class Ledger {
  private readonly kept = new Map<string, Kept>()

  /** A listing that was asked for at `askedAt`. What it does not name is kept: another region may not have answered. */
  takeListed(commands: readonly CommandJson[], askedAt: number): void {
    for (const command of commands) this.take(command, askedAt)
  }

  /** One command; answers whether anything changed by it. */
  take(command: CommandJson, at: number): boolean {
    if (!(COMMAND_STATES as readonly string[]).includes(command.state)) return false
    const before = this.kept.get(command.id)
    if (before !== undefined) {
      if (before.command.ended && !command.ended) return false
      const settled = command.ended && !before.command.ended
      if (at < before.at && !settled) return false
    }
    // Only the gateway that took it says how it is kept.
    const durability = command.durability ?? before?.command.durability
    this.kept.set(command.id, { command: durability === undefined ? command : { ...command, durability }, at })
    if (this.kept.size > KEPT_MAX) this.kept.delete(this.newestFirst().at(-1)!.command.id)
    return true
  }

  /** Identifiers are UUIDs of version 7: their order is that of time. */
  newestFirst(): Kept[] {
    return [...this.kept.values()].sort((a, b) => (a.command.id < b.command.id ? 1 : -1))
  }

  /** How many have not ended. */
  open(): number {
    let n = 0
    for (const { command } of this.kept.values()) if (!command.ended) n++
    return n
  }

  clear(): void {
    this.kept.clear()
  }
}
