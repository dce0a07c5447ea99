// What this gateway's view lacks, in words: the banner and the regions panel say it alike. Pure.

import type { GatewayJson, RegionsJson } from './api'
import { listed, span } from './format'

export interface Cut {
  gateway: string
  region: string
  /** Since when it is not heard, seconds, at the moment of the reading; null if never heard. */
  silent_s: number | null
  vehicles: number
}

export function isCut(gateway: GatewayJson): boolean {
  if (gateway.self) return false
  return gateway.status === 'lost' || (gateway.stale_for_s ?? null) !== null
}

/** The gateways this one is cut off from; `elapsed_s` is the age of the reading. */
export function cuts(regions: RegionsJson, elapsed_s: number): Cut[] {
  return regions.regions.flatMap(({ region, gateways }) =>
    gateways.filter(isCut).map((gateway) => {
      const silent = gateway.heard_ago_s ?? gateway.stale_for_s ?? null
      return {
        gateway: gateway.id,
        region,
        silent_s: silent === null ? null : silent + elapsed_s,
        vehicles: Object.values(gateway.vehicles).reduce((sum, n) => sum + n, 0),
      }
    }),
  )
}

/** One sentence on what is cut off; empty when nothing is. */
export function cutSentence(cut: readonly Cut[]): string {
  if (cut.length === 0) return ''
  const names = cut.map((c) => c.gateway)
  const silent = cut.map((c) => c.silent_s).filter((s) => s !== null)
  const since = silent.length === 0 ? '' : ` for ${span(Math.max(...silent))}`
  return `Nothing heard from ${listed(names, 'and')}${since}`
}
