// From when a subscription is taken over: service periods that begin in the period of the import are ours, those that began
// before stay with the other system, so that nothing is billed by both.

import { serviceCalendar } from '../../rating/periods/service-period.js'
import type { ImportedPlan } from './imported.js'

export function takenFrom(
  startNs: bigint,
  anchorNs: bigint,
  timezone: string,
  billingPeriod: ImportedPlan['billingPeriod'],
  periodFromNs: bigint,
): bigint {
  if (startNs >= periodFromNs) return startNs
  const { fromNs, untilNs } = serviceCalendar(anchorNs, timezone, billingPeriod).periodAt(periodFromNs)
  return fromNs === periodFromNs ? fromNs : untilNs
}
