// The charge of a fee or a credit that no plan names (`weir.charge.added`). Contract section 2.
// Invariants: its service period is the instant at which it is due; nothing is prorated; the exact amount is what was told,
// rounded once to the currency's minor unit. Plan, entity, contract and time zone are those of its subscription then.

import type { Charge } from '../../schemas/billing/charge.js'
import { stableId } from '../../schemas/identifiers.js'
import type { ChargeAdded } from '../../schemas/lifecycle/charge-event.js'
import type { Rounding } from '../../schemas/money/decimal.js'
import type { ResolvedTerms, Timeline } from '../timeline/timeline.js'
import { correlationAt, versionAt } from '../timeline/timeline.js'
import { roundToCurrency } from './rounding.js'

/** The event that told of it. */
export interface ToldBy {
  readonly eventSource: string
  readonly eventId: string
  readonly correlationId: string
}

/** What a charge takes from where it belongs. */
export interface ChargeHome {
  readonly timeline: Timeline
  readonly roundingOf: (terms: ResolvedTerms) => Rounding | undefined
}

/** `entityId`: of the customer, for a charge of no subscription. */
export function addedCharge(
  added: ChargeAdded,
  by: ToldBy,
  home: ChargeHome | undefined,
  entityId: string,
): Charge {
  const { customerId, kind, quantity, amount, currency, effectiveFromNs: atNs } = added
  const terms = home === undefined ? undefined : termsNear(home.timeline, atNs)
  const rounding = (terms === undefined ? undefined : home?.roundingOf(terms)) ?? 'half_up'
  const ofSubscription = home === undefined ? '' : correlationAt(home.timeline, atNs)
  return {
    chargeId: addedChargeId(customerId, by),
    customerId,
    subscriptionId: added.subscriptionId ?? '',
    subscriptionVersion: terms?.sequence ?? 0,
    entityId: terms?.entityId ?? entityId,
    contractId: terms?.contractId ?? '',
    correlationId: by.correlationId === '' ? ofSubscription : by.correlationId,
    plan: terms?.plan ?? '',
    planVersion: terms?.planVersion ?? 0,
    price: added.charge,
    meter: '',
    kind,
    timing: 'in_arrears',
    quantity,
    fromNs: atNs,
    untilNs: atNs,
    timezone: terms?.timezone ?? 'UTC',
    amount,
    amountRounded: roundToCurrency(amount, currency, rounding),
    currency,
    status: 'closed',
  }
}

export function addedChargeId(
  customerId: string,
  { eventSource, eventId }: Omit<ToldBy, 'correlationId'>,
): string {
  return stableId('ch', 'added', customerId, eventSource, eventId)
}

/** In force then, else the last ones before, as for a fee on leaving, else the first ones. */
function termsNear(timeline: Timeline, atNs: bigint): ResolvedTerms | undefined {
  const { versions } = timeline
  const near = versionAt(timeline, atNs) ?? versions.findLast(one => one.fromNs <= atNs) ?? versions[0]
  return near?.terms
}
