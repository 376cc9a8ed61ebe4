// Which customer of ours an event is of, by the rule of the settings.
// Invariants:
// 1. Nobody is guessed. Whom nothing tells is `<system>:<their id>`: the event is kept, waits as an exception of that
//    customer, and is redriven to the right one. A prefix of letters and a colon keeps it apart from ids of ours.
// 2. What was found is remembered for a minute; that nothing was found is asked again each time.
// 3. An event whose id of a customer has meant several goes where it was told first (told-before.ts).

import type { ClickHouseClient } from '@clickhouse/client'
import type { FoundIdentity, IdentityLookup } from '../feature/identity-lookup.js'
import type { ProducerName, ProducerSettings } from './settings.js'
import type { ToldBefore } from './told-before.js'
import type { NamedCustomer, SentEvent } from './usage-event.js'

const rememberedMs = 60_000
const rememberedMost = 50_000

/** The customers of subscriptions, in the order asked; undefined: none has it, or several have. */
export type SubscriptionOwners = (ids: readonly string[]) => Promise<readonly (string | undefined)[]>
/** Of several that claim one id nobody is meant: invariant 1. */
type Asked = (ids: readonly string[]) => Promise<readonly Meaning[]>

interface Meaning {
  readonly ours: FoundIdentity
  readonly ever: readonly string[]
}

export interface CustomerRules {
  readonly name: ProducerName
  readonly settings: Pick<ProducerSettings, 'customers' | 'system'>
  readonly identities: IdentityLookup
  readonly owners: SubscriptionOwners
  readonly toldBefore: Pick<ToldBefore, 'customersOf'>
  readonly nowMs?: () => number
}

export class Customers {
  readonly #rules: CustomerRules
  readonly #nowMs: () => number
  readonly #known = new Map<string, Meaning & { readonly untilMs: number }>()

  constructor(rules: CustomerRules) {
    this.#rules = rules
    this.#nowMs = rules.nowMs ?? Date.now
  }

  /** Ours, by place. Rejects when the table does not answer; throws a `Problem` while it is not known where an event was told. */
  async ours(events: readonly Pick<SentEvent, 'id' | 'customer'>[]): Promise<readonly string[]> {
    const named = events.map(({ customer }) => customer)
    const unknown = { subscription: new Set<string>(), theirs: new Set<string>() }
    for (const { as, id } of named)
      if (as !== 'ours' && !this.#asItIs(as) && !this.#isRemembered(as, id)) unknown[as].add(id)
    const { identities, settings, owners, toldBefore } = this.#rules
    const asked = new Map<string, Meaning>()
    await this.#ask(asked, 'subscription', [...unknown.subscription], async ids =>
      (await owners(ids)).map(ours => ({ ours, ever: [] })),
    )
    await this.#ask(asked, 'theirs', [...unknown.theirs], async ids => {
      const all = ids.map(id => ({ object: 'customer' as const, system: settings.system, id }))
      const [ours, ever] = await Promise.all([identities.ours(all), identities.ever(all)])
      return ids.map((_, at) => ({ ours: ours[at], ever: ever[at]! }))
    })
    return toldBefore.customersOf(
      events.map(({ id, customer: { as, id: theirs } }) => {
        if (as === 'ours' || this.#asItIs(as)) return { id, theirs, ours: theirs, ever: [] }
        const key = `${as} ${theirs}`
        const { ours, ever = [] } = asked.get(key) ?? this.#known.get(key) ?? {}
        return { id, theirs, ours: typeof ours === 'string' ? ours : `${this.#rules.name}:${theirs}`, ever } // invariant 1
      }),
    )
  }

  #asItIs(as: NamedCustomer['as']): boolean {
    return as === 'theirs' && this.#rules.settings.customers === 'as_is'
  }

  #isRemembered(as: NamedCustomer['as'], id: string): boolean {
    const known = this.#known.get(`${as} ${id}`)
    return known !== undefined && this.#nowMs() < known.untilMs
  }

  /** `asked`: what is found, for the events in hand. */
  async #ask(
    asked: Map<string, Meaning>,
    as: NamedCustomer['as'],
    ids: readonly string[],
    ask: Asked,
  ): Promise<void> {
    if (ids.length === 0) return
    const found = await ask(ids)
    const untilMs = this.#nowMs() + rememberedMs
    for (const [at, id] of ids.entries()) {
      const key = `${as} ${id}`
      const meaning = found[at]!
      asked.set(key, meaning)
      this.#known.delete(key)
      if (typeof meaning.ours === 'string') this.#known.set(key, { ...meaning, untilMs })
    }
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= rememberedMost) break
      this.#known.delete(oldest)
    }
  }
}

/** Read from the table of subscriptions' versions, which has one a moment after it was created. */
export function ownersIn(clickhouse: ClickHouseClient): SubscriptionOwners {
  return async ids => {
    const answer = await clickhouse.query({
      query: `SELECT subscription_id AS id, any(customer_id) AS owner FROM subscription_versions
        WHERE subscription_id IN {ids: Array(String)} GROUP BY subscription_id HAVING uniqExact(customer_id) = 1`,
      query_params: { ids },
      format: 'JSONEachRow',
    })
    const rows = await answer.json<{ readonly id: string; readonly owner: string }>()
    const owners = new Map(rows.map(({ id, owner }) => [id, owner]))
    return ids.map(id => owners.get(id))
  }
}
