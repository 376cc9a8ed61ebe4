// Decides which changes of one subscription are in effect: a pure function of all that are kept and of the catalog, so
// the order in which they arrived does not matter (I3).
// The `created` come first, then the others, in ascending sequence; each is judged on the changes accepted before it.
// A change waits while the subscription or its plan is unknown, and is refused when its terms would lack a quantity, when
// it names a price that no plan has or a coupon that no catalog has, when a commitment cannot be kept (commitment-fault.ts), or when its result would have more than 38 digits: it never takes effect in part.

import { beyondRange, mayBeLarge } from '../../../rating/ranges/price-range.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { lacksCurrency } from '../../../rating/timeline/plan-currency.js'
import { missingQuantities, resolvePrices } from '../../../rating/timeline/price-lines.js'
import { resolveTimeline, type Timeline } from '../../../rating/timeline/timeline.js'
import { groupFault } from '../../../schemas/catalog/group-by.js'
import { quantityFault } from '../../../schemas/catalog/models/registry.js'
import { currenciesOfPlan } from '../../../schemas/catalog/plan-currencies.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { nearestHint, shownName } from '../../../schemas/nearest-name.js'
import { pointerTo, type Rejection } from '../../../schemas/rejection.js'
import type { ChangeRecord, ChangeState, SubscriptionRecord } from '../state/records.js'
import { commitmentCurrencyFault, commitmentFault } from './commitment-fault.js'

export interface Settled {
  readonly record: ChangeRecord
  readonly before: ChangeState | undefined
  readonly after: ChangeState
}

interface Frame {
  readonly catalog: CatalogIndex
  /** Of the customer; '' where none was told. */
  readonly currency: string
}

const applied: ChangeState = { kind: 'applied' }

/**
 * Judges all changes again, writes their states, and returns the changes whose state is another one now. `fresh` is the
 * change that just arrived; `currency` is the customer's, '' where none was told. `exceeds` tells whether these changes would give the customer's total too many digits; then
 * changes that were refused before stay refused, and if that is not enough, the fresh one is refused.
 */
export function settleChanges(
  subscription: SubscriptionRecord,
  catalog: CatalogIndex,
  currency: string,
  exceeds: (accepted: readonly SubscriptionChange[]) => boolean,
  fresh?: ChangeRecord,
): Settled[] {
  const order = subscription.changes.toSorted((a, b) => rank(a) - rank(b) || sequenceOf(a) - sequenceOf(b))
  // Only the last change can be judged alone, because no other depends on it.
  const allApplied = subscription.changes.every(one => one === fresh || one.state.kind === 'applied')
  const from = fresh !== undefined && allApplied && order.at(-1) === fresh ? order.length - 1 : 0
  const barred = new Set<ChangeRecord>()
  const frame = { catalog, currency }
  let judged = judgeFrom(from, order, barred, subscription, frame)
  if (exceeds(judged.accepted)) {
    for (const one of order) if (one !== fresh && one.state.kind === 'refused') barred.add(one)
    judged = judgeFrom(from, order, barred, subscription, frame)
    if (fresh !== undefined && (barred.size === 0 || exceeds(judged.accepted))) {
      barred.add(fresh)
      judged = judgeFrom(from, order, barred, subscription, frame)
    }
  }
  const settled: Settled[] = []
  for (const [record, after] of judged.states) {
    const before = record === fresh ? undefined : record.state
    record.state = after
    if (before === undefined || !sameState(before, after)) settled.push({ record, before, after })
  }
  return settled
}

function judgeFrom(
  from: number,
  order: readonly ChangeRecord[],
  barred: ReadonlySet<ChangeRecord>,
  subscription: SubscriptionRecord,
  frame: Frame,
) {
  const accepted = order.slice(0, from).map(one => one.change)
  const states: [ChangeRecord, ChangeState][] = []
  for (const record of order.slice(from)) {
    const judgement = judge(record, accepted, subscription, frame)
    const after = judgement.kind === 'applied' && barred.has(record) ? refused(totalBeyond) : judgement
    if (after.kind === 'applied') accepted.push(record.change)
    states.push([record, after])
  }
  return { accepted, states }
}

const totalBeyond: Rejection = {
  code: 'value_out_of_range',
  detail: "It brings the customer's total MRR to more than 38 digits.",
}

function rank(record: ChangeRecord): number {
  return record.change.kind === 'created' ? 0 : 1
}

function sequenceOf(record: ChangeRecord): number {
  return record.change.sequence
}

function sameState(a: ChangeState, b: ChangeState): boolean {
  if (a.kind === 'applied' || b.kind === 'applied') return a.kind === b.kind
  return (
    a.kind === b.kind && a.rejection.code === b.rejection.code && a.rejection.detail === b.rejection.detail
  )
}

function judge(
  record: ChangeRecord,
  accepted: readonly SubscriptionChange[],
  subscription: SubscriptionRecord,
  { catalog, currency }: Frame,
): ChangeState {
  const { subscriptionId } = subscription
  if (subscription.customerId !== '' && record.change.customerId !== subscription.customerId) {
    const detail = `The subscription ${subscriptionId} belongs to another customer.`
    return refused({ code: 'customer_mismatch', detail, pointer: '/data/customer_id' })
  }
  fillPlanVersion(record, catalog)
  const timeline = resolveTimeline([...accepted, record.change], currency)
  if (timeline === undefined) {
    const detail = `The subscription ${subscriptionId} is not created yet.`
    return { kind: 'parked', rejection: { code: 'unknown_subscription', detail } }
  }
  const unknown = unknownPart(record.change, timeline.versions, catalog)
  if (unknown !== undefined) return { kind: 'parked', rejection: { code: 'unknown_plan', detail: unknown } }
  const unknownName =
    priceProblem(record.change, catalog) ??
    couponProblem(record.change, catalog) ??
    commitmentFault(record.change, timeline, catalog)
  if (unknownName !== undefined) return refused(unknownName)
  for (const version of timeline.versions) {
    const missing = missingQuantities(version.terms, catalog)
    if (missing.length === 0) continue
    const names = missing.join(', ')
    const detail = `The prices ${names} are per unit; their quantities are missing, and none is assumed.`
    return refused({ code: 'invalid_data', detail, pointer: '/data/quantities' })
  }
  const otherCurrency =
    currencyProblem(timeline, catalog) ?? commitmentCurrencyFault(record.change, timeline, catalog)
  if (otherCurrency !== undefined) return refused(otherCurrency)
  if (!timeline.versions.some(({ terms }) => mayBeLarge(terms, catalog, currency))) return applied
  const beyond = beyondRange(resolvePrices(timeline, catalog), catalog)
  if (beyond === undefined) return applied
  return refused({ code: 'value_out_of_range', detail: `${beyond} comes to more than 38 digits.` })
}

/** A quantity or an override of a price that no plan of the catalog has. */
function priceProblem(change: SubscriptionChange, catalog: CatalogIndex): Rejection | undefined {
  const known = catalog.prices()
  const quantity = [...(change.quantities?.keys() ?? [])].find(price => !known.has(price))
  if (quantity !== undefined) {
    return unknownPrice(quantity, pointerTo('/data/quantities', shownName(quantity)), known)
  }
  const at = change.priceOverrides?.findIndex(({ price }) => !known.has(price)) ?? -1
  const override = change.priceOverrides?.[at]
  if (override === undefined) return overrideFault(change, catalog)
  return unknownPrice(override.price, `/data/price_overrides/${at}/price`, known)
}

/** An override whose model or groups cannot follow the quantity of its meter. */
function overrideFault(
  { priceOverrides = [] }: SubscriptionChange,
  catalog: CatalogIndex,
): Rejection | undefined {
  for (const [at, price] of priceOverrides.entries()) {
    const meter = price.kind === 'usage' ? catalog.meter(price.meter) : undefined
    const fault =
      price.kind === 'usage' && meter !== undefined
        ? (quantityFault(price.model, meter) ?? groupFault(price, meter))
        : undefined
    if (fault !== undefined)
      return {
        code: 'invalid_data',
        detail: fault.message,
        pointer: `/data/price_overrides/${at}/${fault.field}`,
      }
  }
  return undefined
}

function unknownPrice(price: string, pointer: string, known: ReadonlySet<string>): Rejection {
  const detail = `No plan of the catalog has a price ${shownName(price)}${nearestHint(price, known)}.`
  return { code: 'invalid_data', detail, pointer }
}

/** A plan that is in several currencies, of which none is the customer's. */
function currencyProblem({ versions, currency }: Timeline, catalog: CatalogIndex): Rejection | undefined {
  for (const { terms } of versions) {
    const plan = catalog.plan(terms.plan, terms.planVersion)
    if (plan === undefined || !lacksCurrency(plan, currency)) continue
    const all = currenciesOfPlan(plan).join(', ')
    const detail = `The plan ${plan.plan} in version ${plan.version} is in ${all}; the customer's currency is ${currency}.`
    return { code: 'currency_not_in_plan', detail, pointer: '/data/plan' }
  }
  return undefined
}

function couponProblem({ coupons = [] }: SubscriptionChange, catalog: CatalogIndex): Rejection | undefined {
  const known = catalog.coupons()
  const at = coupons.findIndex(code => !known.has(code))
  const code = coupons[at]
  if (code === undefined) return undefined
  const detail = `No catalog has a coupon ${shownName(code)}${nearestHint(code, known.keys())}.`
  return { code: 'invalid_data', detail, pointer: `/data/coupons/${at}` }
}

function refused(rejection: Rejection): ChangeState {
  return { kind: 'refused', rejection }
}

/** Without a version, the newest that is published when the change is first judged; it never changes afterwards. */
function fillPlanVersion(record: ChangeRecord, catalog: CatalogIndex): void {
  const { plan, planVersion } = record.change
  if (plan === undefined || planVersion !== undefined) return
  const newest = catalog.newestVersion(plan)
  if (newest !== undefined) record.change = { ...record.change, planVersion: newest }
}

interface PlanUse {
  readonly terms: { readonly plan: string; readonly planVersion: number }
}

function unknownPart(
  change: SubscriptionChange,
  versions: readonly PlanUse[],
  catalog: CatalogIndex,
): string | undefined {
  if (change.plan !== undefined) {
    const version = change.planVersion
    if (version === undefined || catalog.plan(change.plan, version) === undefined) {
      return `The plan ${change.plan}${version === undefined ? '' : ` in version ${version}`} is not published.`
    }
  }
  for (const { terms } of versions) {
    if (catalog.plan(terms.plan, terms.planVersion) === undefined) {
      return `The plan ${terms.plan} in version ${terms.planVersion} is not published.`
    }
  }
  for (const price of change.priceOverrides ?? []) {
    if (price.kind === 'usage' && catalog.meter(price.meter) === undefined) {
      return `The price override ${price.price} names the meter ${price.meter}, which is not published.`
    }
  }
  return undefined
}
