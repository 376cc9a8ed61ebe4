// What of a source's events is published, after what other systems have said: claims are kept, and a customer is put together of
// what its owners say.
// Invariant: the same arrival again publishes what holds then, under an id that names it: the same is a duplicate, and another
// has a later time and wins. So a crash and any order of arrival come to the same end.

import { formatInstant, formatInstantMs } from '../../schemas/time.js'
import type { MadeEvent } from './map/made-events.js'
import type { Outcome } from './map/map-arrival.js'
import { heldFields } from './owners/claimed-object.js'
import { customerData } from './owners/object-claim.js'
import type { ObjectClaims } from './owners/object-claims.js'
import type { OwnerRule } from './owners/owner-rules.js'
import type { Arrival } from './source-kind.js'

export interface OwnersParts {
  readonly source: string
  readonly rules: readonly OwnerRule[]
  readonly claims: ObjectClaims
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
    const events = outcome.events.map(event => {
      const ofCustomer = event.type === 'weir.customer.upserted' ? customers.get(event.subject) : undefined
      return ofCustomer?.(event) ?? event
    })
    return { ...outcome, events }
  }
}
