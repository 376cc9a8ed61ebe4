// Decides which changes are in effect. Contract section 2: a change waits while its subscription or its plan
// is unknown; a change without a needed quantity is refused, the quantity is never assumed; nobody changes
// another customer's subscription. `created` comes first, then the others by sequence; each is judged on
// those in effect before it.

import type { Catalog, Price } from '../../../schemas/catalog/catalog.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { billedOf } from './billed.js'
import { catalogIn, currencyOf, isLacking } from './currencies.js'
import type { DeadLetter, Intake, ReceivedChange } from './intake.js'
import { isTooLarge } from './largest.js'
import { oneOffsOf } from './one-offs.js'
import { linesOf, planOf, pricesInForce, quantityOf, type Subscription } from './prices.js'
import { everyPhase } from './stages.js'
import { instantsOf, termsAt } from './terms.js'

export interface Judged {
  readonly subscriptions: readonly Subscription[]
  /** Those whose `created` the currency of the customer decides about, and refuses. */
  readonly refusedForCurrency: ReadonlySet<string>
  readonly deadLetters: readonly DeadLetter[]
  readonly applied: number
  readonly parked: number
}

type Verdict =
  | 'applied'
  | 'unknown_subscription'
  | 'unknown_plan'
  | 'invalid_data'
  | 'currency_not_in_plan'
  | 'commitment_in_other_currency'
  | 'customer_mismatch'
  | 'value_out_of_range'

const ofCurrency: readonly Verdict[] = [
  ...(['currency_not_in_plan', 'commitment_in_other_currency', 'value_out_of_range'] as const),
]

export function judgeChanges(intake: Intake, catalog: Catalog): Judged {
  const subscriptions: Subscription[] = []
  const deadLetters: DeadLetter[] = []
  const refusedForCurrency = new Set<string>()
  let applied = 0
  let parked = 0
  for (const id of new Set(intake.changes.map(one => one.change.subscriptionId))) {
    const received = intake.changes.filter(one => one.change.subscriptionId === id)
    // The subscription belongs to the customer whose `created` came first.
    const owner = received.find(one => one.change.kind === 'created')?.change.customerId
    const currency = currencyOf(intake.currencies, owner)
    const own = catalogIn(catalog, currency)
    const inEffect: SubscriptionChange[] = []
    for (const one of inOrder(received)) {
      const change = withPlanVersion(one, intake.catalogs)
      const verdict = judge(change, inEffect, owner, own, currency)
      if (verdict === 'applied') {
        inEffect.push(change)
        applied += 1
      } else if (verdict.startsWith('unknown_')) parked += 1
      else
        deadLetters.push({
          source: change.eventSource,
          id: change.eventId,
          code: verdict === 'commitment_in_other_currency' ? 'invalid_data' : verdict,
        })
      if (ofCurrency.includes(verdict) && change.kind === 'created') refusedForCurrency.add(id)
    }
    if (owner === undefined || inEffect.length === 0) continue
    const lines = linesOf(inEffect, own)
    const owed = { lines, billed: billedOf(lines), oneOffs: oneOffsOf(inEffect, own) }
    subscriptions.push({ id, customerId: owner, currency, changes: inEffect, ...owed })
  }
  subscriptions.sort((a, b) => (a.id < b.id ? -1 : 1))
  return { subscriptions, refusedForCurrency, deadLetters, applied, parked }
}

function inOrder(received: readonly ReceivedChange[]): ReceivedChange[] {
  const isLater = (one: ReceivedChange) => Number(one.change.kind !== 'created')
  return received.toSorted((a, b) => isLater(a) - isLater(b) || a.change.sequence - b.change.sequence)
}

/** "Else the newest published": when the change came, or when the plan was first published if it came before that. */
function withPlanVersion(
  { change, batch }: ReceivedChange,
  catalogs: readonly Catalog[],
): SubscriptionChange {
  if (change.plan === undefined || change.planVersion !== undefined) return change
  for (const catalog of catalogs.slice(batch)) {
    const versions = catalog.plans.filter(one => one.plan === change.plan).map(one => one.version)
    if (versions.length > 0) return { ...change, planVersion: Math.max(...versions) }
  }
  return change
}

function judge(
  change: SubscriptionChange,
  inEffect: readonly SubscriptionChange[],
  owner: string | undefined,
  catalog: Catalog,
  currency: string | undefined,
): Verdict {
  if (owner !== undefined && change.customerId !== owner) return 'customer_mismatch'
  const together = [...inEffect, change]
  if (!together.some(one => one.kind === 'created')) return 'unknown_subscription'
  if (change.plan !== undefined && planOf(catalog, change.plan, change.planVersion) === undefined) {
    return 'unknown_plan'
  }
  const inForce = instantsOf(together)
    .map(instant => termsAt(together, instant))
    .filter(terms => terms !== undefined)
    .map(terms => ({ terms, plan: planOf(catalog, terms.plan, terms.planVersion) }))
  if (inForce.some(one => one.plan === undefined)) return 'unknown_plan'
  const isKnown = (price: Price) =>
    price.kind !== 'usage' || catalog.meters.some(meter => meter.meter === price.meter)
  if (!(change.priceOverrides ?? []).every(isKnown)) return 'unknown_plan'
  const named = [...(change.quantities?.keys() ?? []), ...(change.priceOverrides ?? []).map(one => one.price)]
  const isSold = (price: string) =>
    catalog.plans.some(one =>
      everyPhase(one)
        .flat()
        .some(other => other.price === price),
    )
  if (!named.every(isSold)) return 'invalid_data'
  const isCoupon = (code: string) => (catalog.coupons ?? []).some(one => one.code === code)
  if (!(change.coupons ?? []).every(isCoupon)) return 'invalid_data'
  const listed = (change.commitments ?? []).flatMap(one => one.appliesTo ?? [])
  if (!listed.every(isSold)) return 'invalid_data'
  const cannotBeKept = inForce.some(({ terms }) =>
    terms.commitments.some(({ trueUp }) => trueUp === 'term_end' && terms.untilNs === undefined),
  )
  if (cannotBeKept) return 'invalid_data'
  const lacksQuantity = inForce.some(({ terms, plan }) =>
    everyPhase(plan!)
      .flatMap(of => pricesInForce(of, terms))
      .some(
        price => price.kind !== 'usage' && price.per === 'unit' && quantityOf(price, terms) === undefined,
      ),
  )
  if (lacksQuantity) return 'invalid_data'
  if (inForce.some(one => isLacking(one.plan!, currency))) return 'currency_not_in_plan'
  const isInOther = inForce.some(({ terms, plan }) =>
    terms.commitments.some(one => one.currency !== undefined && one.currency !== plan!.currency),
  )
  if (isInOther) return 'commitment_in_other_currency'
  const isLarge = isTooLarge(linesOf(together, catalog), oneOffsOf(together, catalog), catalog)
  return isLarge ? 'value_out_of_range' : 'applied'
}
