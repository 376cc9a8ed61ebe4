// A fee or a credit that no plan names, and its cancelling, from the `data` of `weir.charge.*`. Contract section 2.
// Invariants: the amount of a credit is negative in memory, that of a fee is not; an amount can be paid within 38 digits.

import type { ValidEvent } from '../event/usage-event.js'
import { present } from '../json/wire-fields.js'
import { minorUnitsOf } from '../money/currency.js'
import { decimalScale, divideRounded, type Scaled, scaledMax, scaledOne } from '../money/decimal.js'
import { type Parsed, rejected } from '../rejection.js'
import { dataOf } from './event-fields.js'
import { chargeAddedData, chargeCancelledData } from './lifecycle-data.js'

export const addedChargeKinds = ['one_off', 'credit'] as const
export type AddedChargeKind = (typeof addedChargeKinds)[number]

export interface ChargeAdded {
  readonly customerId: string
  readonly subscriptionId?: string
  /** Its name, which stands where a charge of a plan has its price. */
  readonly charge: string
  readonly kind: AddedChargeKind
  /** Negative for a credit. */
  readonly amount: Scaled
  readonly currency: string
  /** Negative for a credit, too: credited is so much of what one costs. */
  readonly quantity: Scaled
  readonly effectiveFromNs: bigint
  readonly reason: string
}

export interface ChargeCancelled {
  readonly customerId: string
  readonly eventSource: string
  readonly eventId: string
  readonly reason: string
}

export function parseChargeAdded(event: ValidEvent): Parsed<ChargeAdded> {
  const parsed = dataOf(chargeAddedData, event)
  if (parsed.kind === 'rejected') return parsed
  const { charge, amount, currency, quantity, kind, effective_from, reason, subscription_id } = parsed.value
  // The most that rounding to whole units of the currency can make of it.
  const step = 10n ** BigInt(decimalScale - minorUnitsOf(currency))
  if (divideRounded(amount, step) * step > scaledMax)
    return rejected('value_out_of_range', 'The field amount comes to more than 38 digits.', '/data/amount')
  const value: ChargeAdded = {
    customerId: event.subject,
    charge,
    kind: kind ?? 'one_off',
    amount: kind === 'credit' ? -amount : amount,
    currency,
    quantity: kind === 'credit' ? -(quantity ?? scaledOne) : (quantity ?? scaledOne),
    effectiveFromNs: effective_from,
    reason: reason ?? '',
    ...present({ subscriptionId: subscription_id ?? undefined }),
  }
  return { kind: 'ok', value }
}

export function parseChargeCancelled(event: ValidEvent): Parsed<ChargeCancelled> {
  const parsed = dataOf(chargeCancelledData, event)
  if (parsed.kind === 'rejected') return parsed
  const { event_source: eventSource, event_id: eventId, reason } = parsed.value
  return { kind: 'ok', value: { customerId: event.subject, eventSource, eventId, reason: reason ?? '' } }
}
