// Brings the events of an arrival to the customers under which they were told first (owners/customer-homes.ts).
// Invariants:
// 1. A subscription's change goes to the customer that has the subscription, if the id means or ever meant that one; else it
//    waits, since it would be billed twice.
// 2. What counts again when it is told under another customer (payments, invoices, usage, added charges) goes where it was told
//    first, however its customer is found now; the cancelling of a charge goes where the charge does. What a later one wins over has no home: customers' own data.
//    Where its customer is another one altogether now, as after a mended mapping, that is told when it is run again (`said`).
// 3. Nothing gets a home before it is known that no subscription of the arrival waits.

import type { Homes } from '../owners/customer-homes.js'
import { isCorrectable, type MadeEvent } from './made-events.js'

export interface HomedEvents {
  readonly events: readonly MadeEvent[]
  /** As the mapping says them now, by place; those whose customers were ever one with their homes as they are published. */
  readonly said: readonly MadeEvent[]
  readonly faults: readonly { readonly code: string; readonly detail: string; readonly pointer: string }[]
}

/** `wereOne`: whether something that means one of two customers means or ever meant the other. */
export async function atHome(
  events: readonly MadeEvent[],
  homes: Homes,
  wereOne: (customerId: string, home: string) => Promise<boolean>,
): Promise<HomedEvents> {
  const faults: HomedEvents['faults'][number][] = []
  const homed = await Promise.all(
    events.map(async event => {
      const subscription = subscriptionOf(event)
      if (subscription === undefined) return event
      const home = await homes.ofSubscription(subscription, event.subject)
      if (home === event.subject) return event
      if (await wereOne(event.subject, home)) return under(event, home)
      const detail = `${subscription} was told under the customer ${home} before, and now under ${event.subject}. Merge the customers, or mend the id.`
      faults.push({ code: 'subscription_of_another_customer', detail, pointer: '/data/customer_id' })
      return event
    }),
  )
  if (faults.length > 0) return { events, said: events, faults } // invariant 3
  const all = await Promise.all(
    homed.map(async said => {
      if (subscriptionOf(said) !== undefined || isCorrectable(said)) return { event: said, said }
      const { source, id } = chargeOf(said) ?? said
      const home = await homes.ofEvent(source, id, said.subject)
      const event = under(said, home)
      return { event, said: home === said.subject || (await wereOne(said.subject, home)) ? event : said }
    }),
  )
  return { events: all.map(({ event }) => event), said: all.map(({ said }) => said), faults }
}

function subscriptionOf({ type, data }: MadeEvent): string | undefined {
  const id = data['subscription_id']
  return type.startsWith('weir.subscription.') && typeof id === 'string' ? id : undefined
}

/** The charge that is cancelled: its cancelling goes where the charge was told first, or will be told. */
function chargeOf({ type, data }: MadeEvent): { readonly source: string; readonly id: string } | undefined {
  const { event_source: source, event_id: id } = data
  if (type !== 'weir.charge.cancelled' || typeof source !== 'string' || typeof id !== 'string')
    return undefined
  return { source, id }
}

function under(event: MadeEvent, home: string): MadeEvent {
  if (home === event.subject) return event
  const { data } = event
  return {
    ...event,
    subject: home,
    data: data['customer_id'] === undefined ? data : { ...data, customer_id: home },
  }
}
