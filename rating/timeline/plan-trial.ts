// The trial that a plan gives: where it ends. docs/pricing.md, "Trials".
// Invariants: it follows from the first version in force and the catalog alone: a change of plan gives no trial, and takes none
// away; terms that say a trial of their own, also that there is none, are not asked.
// Worked example: 14 days from 20 March 10:00 in Europe/Berlin end on 3 April 10:00 there, 335 hours later.

import { beginninglessNs } from '../../schemas/time.js'
import { serviceCalendar } from '../periods/service-period.js'
import type { CatalogIndex } from './catalog-index.js'
import type { Timeline } from './timeline.js'

/** `beginninglessNs` where the plan on which the subscription starts has no trial. */
export function planTrialEnd({ versions }: Timeline, catalog: CatalogIndex): bigint {
  const first = versions[0]
  const days = first === undefined ? undefined : trialDaysOf(first.terms, catalog)
  if (first === undefined || days === undefined) return beginninglessNs
  return serviceCalendar(first.fromNs, first.terms.timezone, 'day').startOf(days)
}

function trialDaysOf(
  { plan, planVersion }: { readonly plan: string; readonly planVersion: number },
  catalog: CatalogIndex,
): number | undefined {
  return catalog.plan(plan, planVersion)?.trialDays
}
