// Makes the events of customers and subscriptions. Their ids come from the ids of the objects, so that an import that is
// repeated makes nothing twice; the sequences lie below all that a live source of the same system gives.

import { formatInstant, later } from '../../schemas/time.js'
import type { ForeignObject } from './fields.js'
import type { ImportedEvent, Period } from './imported.js'

/** A source counts millionths of a second from when the object was made (pipeline/sources): these come before. */
const perMs = 1_000
const below = 500

/** Told as of the period: what is older than the horizon of duplicates would be refused. */
export function customerEvent(
  system: string,
  customer: string,
  theirs: string,
  createdNs: bigint,
  { fromNs }: Period,
  data: ForeignObject,
): ImportedEvent {
  return {
    specversion: '1.0',
    id: `customer:${theirs}`,
    source: `weir:import:${system}`,
    type: 'weir.customer.upserted',
    subject: customer,
    time: formatInstant(later(createdNs, fromNs)),
    data: { customer_id: customer, ...data },
  }
}

export interface SubscriptionOf {
  readonly system: string
  readonly customer: string
  readonly subscription: string
  /** When the object was made there. */
  readonly createdMs: number
}

/** `step`: which of the events of one subscription it is; of two that say one thing the later one holds. */
export function subscriptionEvent(
  { system, customer, subscription, createdMs }: SubscriptionOf,
  kind: 'created' | 'amended' | 'suspended' | 'cancelled',
  step: number,
  effectiveNs: bigint,
  data: ForeignObject,
): ImportedEvent {
  return {
    specversion: '1.0',
    id: `subscription:${subscription}:${step}`,
    source: `weir:import:${system}`,
    type: `weir.subscription.${kind}`,
    subject: customer,
    time: formatInstant(effectiveNs),
    data: {
      subscription_id: subscription,
      customer_id: customer,
      sequence: Math.max(0, createdMs * perMs - below) + step,
      effective_from: formatInstant(effectiveNs),
      ...data,
    },
  }
}
