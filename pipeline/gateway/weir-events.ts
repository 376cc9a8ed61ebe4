// What the gateway knows of our own event types: an unknown one is refused at the door.

import { type Rejection, rejected } from '../../schemas/rejection.js'
import type { ValidEvent } from '../../schemas/usage-event.js'

const known: ReadonlySet<string> = new Set([
  'weir.customer.upserted',
  'weir.subscription.created',
  'weir.subscription.amended',
  'weir.subscription.renewed',
  'weir.subscription.suspended',
  'weir.subscription.resumed',
  'weir.subscription.cancelled',
  'weir.usage.retracted',
  'weir.invoice.finalized',
  'weir.invoice.paid',
  'weir.invoice.voided',
  'weir.payment.succeeded',
  'weir.payment.failed',
  'weir.payment.refunded',
  'weir.catalog.published',
  'weir.fx_rate.published',
])

/** Why an event of ours is refused; undefined for usage and for what is well formed. */
export function weirEventProblem(event: ValidEvent): Rejection | undefined {
  if (!event.type.startsWith('weir.') || known.has(event.type)) return undefined
  return rejected(
    'unknown_event_type',
    'Types that begin with weir. are Weir’s own, and this is none.',
    '/type',
  ).rejection
}
