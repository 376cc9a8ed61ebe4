// What of a source's events is published, after what other systems have said: claims are kept, a customer is put together of what
// its owners say, and a subscription stays with the customer under which it was told first.
// Invariant: the same arrival again publishes what holds then, under an id that names it: the same is a duplicate, and another
// has a later time and wins. So a crash and any order of arrival come to the same end.

import { formatInstant, formatInstantMs } from '../../schemas/time.js'
import { type IdentityLookup, ownSystem } from '../feature/identity-lookup.js'
import type { MadeEvent } from './map/made-events.js'
import type { Fault, Outcome } from './map/map-arrival.js'
import { heldFields } from './owners/claimed-object.js'
import { customerData } from './owners/object-claim.js'
import type { ObjectClaims } from './owners/object-claims.js'
import type { OwnerRule } from './owners/owner-rules.js'
import type { SubscriptionHomes } from './owners/subscription-homes.js'
import type { Arrival } from './source-kind.js'

export interface OwnersParts {
  readonly source: string
  readonly rules: readonly OwnerRule[]
  readonly claims: ObjectClaims
  readonly homes: SubscriptionHomes
  readonly identities: IdentityLookup
}

export class Owners {
  readonly #parts: OwnersParts

  constructor(parts: OwnersParts) {
    this.#parts = parts
  }

  get rules(): readonly OwnerRule[] {
    return this.#parts.rules
  }

  async settled(outcome: Outcome, arrival: Arrival): Promise<Outcome> {
    if (outcome.kind !== 'events' && outcome.kind !== 'ignored') return outcome
    const { claims, rules, source } = this.#parts
    const customers = new Map<string, (event: MadeEvent) => MadeEvent>()
    for (const claim of outcome.claims ?? []) {
      const after = await claims.keep(claim, source, formatInstantMs(arrival.receivedAtMs))
      if (after.object !== 'customer') continue
      const data = customerData(after.id, heldFields(after, rules))
      const time = formatInstant(BigInt(after.made_at))
      customers.set(after.id, event => ({ ...event, id: `${event.id}~r${after.count}`, time, data }))
    }
    if (outcome.kind === 'ignored') return outcome
    const faults: Fault[] = []
    const events: MadeEvent[] = []
    for (const event of outcome.events) {
      const ofCustomer = event.type === 'weir.customer.upserted' ? customers.get(event.subject) : undefined
      events.push(ofCustomer?.(event) ?? (await this.#atHome(event, faults)))
    }
    const [first, ...others] = faults
    return first === undefined
      ? { ...outcome, events }
      : { kind: 'waits', faults: [first, ...others], needs: [] }
  }

  async #atHome(event: MadeEvent, faults: Fault[]): Promise<MadeEvent> {
    const { homes, identities } = this.#parts
    const { type, subject, data } = event
    const id = data['subscription_id']
    if (!type.startsWith('weir.subscription.') || typeof id !== 'string') return event
    const home = await homes.of(id, subject)
    if (home === subject) return event
    const [standing] = await identities.ours([{ object: 'customer', system: ownSystem, id: home }])
    if (standing === subject) return { ...event, subject: home, data: { ...data, customer_id: home } }
    faults.push({
      code: 'subscription_of_another_customer',
      detail: `${id} was told under the customer ${home} before, and now under ${subject}. Merge the customers, or mend the id.`,
      pointer: '/data/customer_id',
    })
    return event
  }
}
