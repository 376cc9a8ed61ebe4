// From which instant on a change of a subscription makes its usage come out differently, and from where the customer's
// history is needed to rate it again.

import { lineKeyOf, type SubscriptionPrices, segmentAt } from '../../rating/price-lines.js'
import { versionAt } from '../../rating/timeline.js'

/**
 * The earliest instant at which usage would be attached or priced differently; undefined when there is none. Changes
 * that touch recurring prices alone are no difference.
 */
export function earliestUsageDifference(
  before: SubscriptionPrices | undefined,
  after: SubscriptionPrices | undefined,
): number | undefined {
  const instants = new Set<number>()
  for (const prices of [before, after]) if (prices !== undefined) addBreakpoints(prices, instants)
  for (const atMs of [...instants].sort((a, b) => a - b)) {
    if (usageTermsAt(before, atMs) !== usageTermsAt(after, atMs)) return atMs
  }
  return undefined
}

function addBreakpoints(prices: SubscriptionPrices, into: Set<number>): void {
  for (const version of prices.timeline.versions) {
    into.add(version.fromMs)
    into.add(version.untilMs)
  }
  for (const lines of prices.usage.values()) {
    for (const line of lines) {
      into.add(line.fromMs)
      into.add(line.untilMs)
    }
  }
  into.delete(Number.POSITIVE_INFINITY)
}

/** Everything that decides where usage goes and what it costs, as one text. */
function usageTermsAt(prices: SubscriptionPrices | undefined, atMs: number): string {
  if (prices === undefined) return ''
  const version = versionAt(prices.timeline, atMs)
  if (version === undefined) return ''
  const lines: string[] = []
  for (const [meter, all] of prices.usage) {
    for (const line of all) {
      if (line.fromMs > atMs || atMs >= line.untilMs) continue
      // Whether a level goes on from the line before is a difference, too.
      const goesOn = line.previous !== undefined
      lines.push(JSON.stringify([meter, line.price.price, lineKeyOf(line), line.fromMs, goesOn]))
    }
  }
  return `${version.terms.status}${lines.sort().join()}`
}

/**
 * The start of the earliest segment that a difference at `atMs` cuts, lengthens or moves, in any of the given prices.
 * Every segment that starts from here on lies wholly in the history from here on; those that start earlier end by `atMs`
 * and are not affected.
 */
export function affectedFrom(atMs: number, all: Iterable<SubscriptionPrices | undefined>): number {
  let fromMs = atMs
  for (const prices of all) {
    for (const lines of prices?.usage.values() ?? []) {
      for (const line of lines) {
        if (line.fromMs > atMs || atMs >= line.untilMs) continue
        fromMs = Math.min(fromMs, segmentAt(line, atMs)?.fromMs ?? atMs)
      }
    }
  }
  return fromMs
}
