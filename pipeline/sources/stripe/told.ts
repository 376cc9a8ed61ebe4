// What Stripe told of one object, as the files of the objects take it.

import type { ForeignObject } from '../map/object-fields.js'

/** One object and when Stripe said so. */
export interface Told {
  readonly object: ForeignObject
  /** The type of the event without `v1.`; `fetched` for an object that was read. */
  readonly type: string
  /** When Stripe said so, in seconds: its order. */
  readonly atSeconds: number
  readonly previous: ForeignObject
  readonly eventId: string
  readonly isFetched: boolean
}

/** Objects that may be read in place of an event, by the type of the object. */
export const readable = [
  'subscription',
  'subscription_schedule',
  'invoice',
  'invoice_payment',
  'payment_intent',
  'charge',
  'refund',
  'dispute',
  'customer',
] as const
export type Readable = (typeof readable)[number]
