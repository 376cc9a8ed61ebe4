// From when a subscription is taken over: service periods that begin in the period of the import are ours, those that began
// before stay with the other system, so that nothing is billed by both.
// Invariant: a subscription whose prices have several periods is taken over when the longest of them begins one, with all of its
// prices: before that a part of the longer period would be owed here too.

import { serviceCalendar } from '../../rating/periods/service-period.js'
import { type BillingPeriod, longestDays } from '../../schemas/catalog/billing-period.js'
import { formatInstant } from '../../schemas/time.js'
import type { Findings } from './findings.js'

export interface Takeover {
  readonly startNs: bigint
  readonly anchorNs: bigint
  readonly timezone: string
  /** Of the plan and of its prices, at least one. */
  readonly periods: readonly BillingPeriod[]
  /** When the period of the import begins. */
  readonly importedFromNs: bigint
}

export function takenFrom({ startNs, anchorNs, timezone, periods, importedFromNs }: Takeover): bigint {
  if (startNs >= importedFromNs) return startNs
  const [longest] = periods.toSorted((a, b) => longestDays(b) - longestDays(a))
  const { fromNs, untilNs } = serviceCalendar(anchorNs, timezone, longest!).periodAt(importedFromNs)
  return fromNs === importedFromNs ? fromNs : untilNs
}

/** Tells when a longer period holds back prices of a shorter one. */
export function tellLonger(id: string, takeover: Takeover, takenNs: bigint, findings: Findings): void {
  const shortest = takeover.periods.toSorted((a, b) => longestDays(a) - longestDays(b)).slice(0, 1)
  if (takenFrom({ ...takeover, periods: shortest }) >= takenNs) return
  findings.leftOut(
    'subscription',
    id,
    'billing_period',
    'longer_period_under_way',
    `One of its prices has a longer period, which is under way: all of it stays there until ${formatInstant(takenNs)}.`,
  )
}
