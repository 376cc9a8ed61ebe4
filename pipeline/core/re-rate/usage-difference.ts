// Finds the instant from which a change of a subscription alters how its usage is rated, and the instant from which the
// customer's history is needed to rate it again.

import { lineKeyOf, type SubscriptionPrices, segmentAt } from '../../../rating/timeline/price-lines.js'
import { versionAt } from '../../../rating/timeline/timeline.js'
import { compareInstants, earlier, endlessNs, instantKey } from '../../../schemas/time.js'

/**
 * The earliest instant at which usage would be attached or priced differently; undefined when there is none. Changes
 * that touch recurring prices alone are no difference.
 */
export function earliestUsageDifference(
  before: SubscriptionPrices | undefined,
  after: SubscriptionPrices | undefined,
): bigint | undefined {
  const instants = new Set<bigint>()
  for (const prices of [before, after]) if (prices !== undefined) addBreakpoints(prices, instants)
  for (const atNs of [...instants].sort(compareInstants)) {
    if (usageTermsAt(before, atNs) !== usageTermsAt(after, atNs)) return atNs
  }
  return undefined
}

function addBreakpoints(prices: SubscriptionPrices, into: Set<bigint>): void {
  for (const version of prices.timeline.versions) {
    into.add(version.fromNs)
    into.add(version.untilNs)
  }
  for (const lines of prices.usage.values()) {
    for (const line of lines) {
      into.add(line.fromNs)
      into.add(line.untilNs)
    }
  }
  into.delete(endlessNs)
}

/** Everything that decides where usage goes and what it costs, as one text. */
function usageTermsAt(prices: SubscriptionPrices | undefined, atNs: bigint): string {
  if (prices === undefined) return ''
  const version = versionAt(prices.timeline, atNs)
  if (version === undefined) return ''
  const lines: string[] = []
  for (const [meter, all] of prices.usage) {
    for (const line of all) {
      if (line.fromNs > atNs || atNs >= line.untilNs) continue
      lines.push(JSON.stringify([meter, line.price.price, lineKeyOf(line), instantKey(line.fromNs)]))
    }
  }
  return `${version.terms.status}${lines.sort().join()}`
}

/**
 * The start of the earliest segment that a difference at `atNs` cuts, lengthens or moves, in any of the given prices.
 * Every segment that starts from here on lies wholly in the history from here on; those that start earlier end by `atNs`
 * and are not affected.
 */
export function affectedFrom(atNs: bigint, all: Iterable<SubscriptionPrices | undefined>): bigint {
  let fromNs = atNs
  for (const prices of all) {
    for (const lines of prices?.usage.values() ?? []) {
      for (const line of lines) {
        if (line.fromNs > atNs || atNs >= line.untilNs) continue
        fromNs = earlier(fromNs, segmentAt(line, atNs)?.fromNs ?? atNs)
      }
    }
  }
  return fromNs
}
