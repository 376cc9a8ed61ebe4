// Why a change is refused for its commitments: they name a price that no plan has, another currency than the plan's, or the end of a
// term that has none. Invariant: it follows from the changes accepted so far and the catalog; what is accepted can be charged.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { planIn } from '../../../rating/timeline/plan-currency.js'
import type { Timeline } from '../../../rating/timeline/timeline.js'
import { noSuchPrice } from '../../../schemas/catalog/coupon.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { shownName } from '../../../schemas/nearest-name.js'
import type { Rejection } from '../../../schemas/rejection.js'

/** `timeline`: with the change. */
export function commitmentFault(
  change: SubscriptionChange,
  timeline: Timeline,
  catalog: CatalogIndex,
): Rejection | undefined {
  return unknownPrice(change, catalog) ?? unkeepable(change, timeline, catalog, 'term')
}

/** What depends on the customer's currency is looked at after everything else. */
export function commitmentCurrencyFault(
  change: SubscriptionChange,
  timeline: Timeline,
  catalog: CatalogIndex,
): Rejection | undefined {
  return unkeepable(change, timeline, catalog, 'currency')
}

function unknownPrice(
  { commitments = [] }: SubscriptionChange,
  catalog: CatalogIndex,
): Rejection | undefined {
  const known = catalog.prices()
  for (const [at, { appliesTo = [] }] of commitments.entries()) {
    const place = appliesTo.findIndex(price => !known.has(price))
    const price = appliesTo[place]
    if (price === undefined) continue
    const pointer = `/data/commitments/${at}/applies_to/${place}`
    return { code: 'invalid_data', detail: noSuchPrice(price, known), pointer }
  }
  return undefined
}

/** Points at the commitment where the change brings it, else at what else it brings. */
function unkeepable(
  change: SubscriptionChange,
  timeline: Timeline,
  catalog: CatalogIndex,
  of: 'currency' | 'term',
): Rejection | undefined {
  for (const { terms } of timeline.versions) {
    const plan = catalog.plan(terms.plan, terms.planVersion)
    for (const one of terms.commitments ?? []) {
      const name = shownName(one.commitment)
      const at = change.commitments?.findIndex(({ commitment }) => commitment === one.commitment) ?? -1
      const refused = (field: string, other: string, detail: string): Rejection => {
        const pointer = at === -1 ? `/data/${other}` : `/data/commitments/${at}/${field}`
        return { code: 'invalid_data', detail, pointer }
      }
      if (of === 'currency') {
        const currency = plan && planIn(plan, timeline.currency).currency
        if (one.currency === undefined || one.currency === currency) continue
        const detail = `The commitment ${name} is in ${one.currency}, and the plan ${terms.plan} in ${currency}.`
        return refused('currency', 'plan', detail)
      }
      if (one.trueUp === 'term_end' && terms.effectiveUntilNs === undefined) {
        const detail = `The commitment ${name} is trued up at the end of the term, so the subscription needs an effective_until.`
        return refused('true_up', 'effective_until', detail)
      }
    }
  }
  return undefined
}
