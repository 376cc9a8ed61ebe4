// The oracle's fees and credits that no plan names. Contract section 2: one of a subscription that is not known waits for it;
// nobody adds to another customer's subscription; one that is cancelled owes nothing, and a cancellation waits for its charge.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { stableId } from '../../../schemas/identifiers.js'
import { minorUnits } from '../../../schemas/money/currency.js'
import { formatInstant } from '../../../schemas/time.js'
import type { Judged } from './changes.js'
import type { OracleCharge } from './charges.js'
import type { DeadLetter, Intake, ReceivedCharge } from './intake.js'
import { planOf, type Subscription } from './prices.js'
import { correlationAt, instantsOf, termsAt } from './terms.js'

export interface JudgedCharges {
  readonly inEffect: readonly ReceivedCharge[]
  readonly deadLetters: readonly DeadLetter[]
  readonly applied: number
  readonly parked: number
}

export function judgeCharges(
  intake: Intake,
  { subscriptions, refusedForCurrency }: Pick<Judged, 'subscriptions' | 'refusedForCurrency'>,
): JudgedCharges {
  const inEffect: ReceivedCharge[] = []
  const deadLetters: DeadLetter[] = []
  let parked = 0
  for (const one of intake.addedCharges) {
    const { subscriptionId, customerId } = one.charge
    const created = intake.changes.find(
      ({ change }) => change.kind === 'created' && change.subscriptionId === subscriptionId,
    )
    const isStrange = created !== undefined && created.change.customerId !== customerId
    const isKnown =
      subscriptionId === undefined ||
      subscriptions.some(({ id }) => id === subscriptionId) ||
      refusedForCurrency.has(subscriptionId)
    if (isStrange) deadLetters.push({ ...one.event, code: 'customer_mismatch' })
    else if (isKnown) inEffect.push(one)
    else parked += 1
  }
  const arrived = intake.cancelledCharges.filter(cancelled =>
    intake.addedCharges.some(one => isAbout(cancelled, one)),
  )
  return {
    inEffect: inEffect.filter(one => !intake.cancelledCharges.some(cancelled => isAbout(cancelled, one))),
    deadLetters: deadLetters.map(({ source, id, code }) => ({ source, id, code })),
    applied: inEffect.length + arrived.length,
    parked: parked + intake.cancelledCharges.length - arrived.length,
  }
}

function isAbout(cancelled: Intake['cancelledCharges'][number], { event, charge }: ReceivedCharge): boolean {
  return (
    cancelled.customerId === charge.customerId &&
    cancelled.eventSource === event.source &&
    cancelled.eventId === event.id
  )
}

/** What is due from an instant before `asOfNs` on. */
export function addedOwed(
  { inEffect }: JudgedCharges,
  subscriptions: readonly Subscription[],
  catalog: Catalog,
  asOfNs: bigint,
): OracleCharge[] {
  return inEffect
    .filter(one => one.charge.effectiveFromNs < asOfNs)
    .map(one => chargeAdded(one, subscriptions, catalog))
    .sort((a, b) => (a.wire.charge_id < b.wire.charge_id ? -1 : 1))
}

/** Plan, entity and zone are those in force at its instant, else the last ones before it, else the first ones. */
function chargeAdded(
  { event, charge }: ReceivedCharge,
  subscriptions: readonly Subscription[],
  catalog: Catalog,
): OracleCharge {
  const { effectiveFromNs: atNs, customerId, currency, subscriptionId } = charge
  const changes = subscriptions.find(one => one.id === subscriptionId)?.changes ?? []
  const instants = [
    ...instantsOf(changes)
      .filter(one => one <= atNs)
      .reverse(),
    ...instantsOf(changes),
  ]
  const terms = [atNs, ...instants].map(one => termsAt(changes, one)).find(one => one !== undefined)
  const rounding = planOf(catalog, terms?.plan ?? '', terms?.planVersion)?.rounding
  const amount = toPlaces(exactly(charge.amount))
  const wire: ChargeWire = {
    charge_id: stableId('ch', 'added', customerId, event.source, event.id),
    customer_id: customerId,
    subscription_id: subscriptionId ?? '',
    subscription_version: terms?.sequence ?? 0,
    entity_id: terms?.entityId ?? '',
    contract_id: terms?.contractId ?? '',
    correlation_id: event.correlationId === '' ? correlationAt(changes, atNs) : event.correlationId,
    plan: terms?.plan ?? '',
    plan_version: terms?.planVersion ?? 0,
    price: charge.charge,
    meter: '',
    kind: charge.kind,
    timing: 'in_arrears',
    service_period: { from: formatInstant(atNs), until: formatInstant(atNs) },
    timezone: terms?.timezone ?? 'UTC',
    quantity: toPlaces(exactly(charge.quantity)),
    amount,
    amount_rounded: Exact.of(amount).toPlaces(
      minorUnits(currency)!,
      rounding === 'half_even' ? 'even' : 'away',
    ),
    currency,
    status: 'closed',
  }
  return { wire, events: 0, gross: amount }
}
