// Random fees and credits that no plan names, and cancellations: of known, unknown and others' subscriptions, before and after
// what they are about.

import fc from 'fast-check'
import { rank, slots } from './choices.js'
import { type Clock, event, type Ranked, text } from './events.js'
import { defined } from './picks.js'

export const addedCharge = fc.record({
  rank,
  customer: fc.constantFrom('c1', 'c1', 'c2', 'c3'),
  /** Undefined: of the customer alone. */
  subscription: fc.constantFrom(undefined, 's0', 's0', 's1', 's2', 'never'),
  charge: fc.constantFrom('training', 'goodwill', 'base'),
  kind: fc.constantFrom(undefined, 'one_off', 'credit', 'credit'),
  amount: fc.constantFrom<unknown>(
    '50',
    '0',
    '0.005',
    '10.005',
    '99.999999999999',
    12.5,
    '-1',
    '9'.repeat(26),
  ),
  currency: fc.constantFrom('USD', 'USD', 'JPY', 'BHD', 'XXX'),
  quantity: fc.constantFrom(undefined, '3', '0', '2.5'),
  at: fc.tuple(fc.nat({ max: slots - 1 }), fc.constantFrom(0n, 0n, 1n)),
  correlation: fc.constantFrom(undefined, 'deal-1'),
  /** When it is cancelled. */
  cancelled: fc.option(rank),
  /** By whom: another customer cancels nothing. */
  stranger: fc.constantFrom(false, false, false, true),
})

type Choice = typeof addedCharge extends fc.Arbitrary<infer T> ? T : never

export function addedCharges(choices: readonly Choice[], owners: readonly string[], clock: Clock): Ranked[] {
  return choices.flatMap((one, n) => {
    const { rank: place, subscription, at, cancelled, correlation, stranger, ...data } = one
    const owner = subscription === undefined ? undefined : owners[Number(subscription.slice(1))]
    // Mostly of the customer whose subscription it is.
    const customer = n % 4 === 3 ? one.customer : (owner ?? one.customer)
    const own = { ...data, customer, effective_from: text(clock(...at)), subscription_id: subscription }
    const { customer: _, ...told } = own
    const added = event(`charge${n}`, 'crm', 'weir.charge.added', customer, clock(0), {
      ...defined(told),
      customer_id: customer,
    })
    const charge = { rank: place, event: defined({ ...added, correlationid: correlation }) }
    if (cancelled === null) return [charge]
    const by = stranger ? 'c4' : customer
    const target = { customer_id: by, event_source: 'crm', event_id: `charge${n}` }
    const cancelling = event(`cancel${n}`, 'crm', 'weir.charge.cancelled', by, clock(0), target)
    return [charge, { rank: cancelled, event: cancelling }]
  })
}
