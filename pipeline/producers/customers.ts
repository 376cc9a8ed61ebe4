// Which customer of ours an event is of, by the rule of the settings.
// Invariants:
// 1. Nobody is guessed. Whom nothing tells is `<system>:<their id>`: the event is kept, waits as an exception of that
//    customer, and is redriven to the right one. A prefix of letters and a colon keeps it apart from ids of ours.
// 2. What was found is remembered for a minute; that nothing was found is asked again each time.

import type { ClickHouseClient } from '@clickhouse/client'
import type { FoundIdentity, IdentityLookup } from '../feature/identity-lookup.js'
import type { ProducerName, ProducerSettings } from './settings.js'
import type { NamedCustomer } from './usage-event.js'

const rememberedMs = 60_000
const rememberedMost = 50_000

/** The customers of subscriptions, in the order asked; undefined: none has it, or several have. */
export type SubscriptionOwners = (ids: readonly string[]) => Promise<readonly (string | undefined)[]>
/** Of several that claim one id nobody is meant: invariant 1. */
type Asked = (ids: readonly string[]) => Promise<readonly FoundIdentity[]>

export interface CustomerRules {
  readonly name: ProducerName
  readonly settings: Pick<ProducerSettings, 'customers' | 'system'>
  readonly identities: IdentityLookup
  readonly owners: SubscriptionOwners
  readonly nowMs?: () => number
}

export class Customers {
  readonly #rules: CustomerRules
  readonly #nowMs: () => number
  readonly #known = new Map<string, { readonly ours: string; readonly untilMs: number }>()

  constructor(rules: CustomerRules) {
    this.#rules = rules
    this.#nowMs = rules.nowMs ?? Date.now
  }

  /** Ours, by place. Rejects when the table does not answer. */
  async ours(named: readonly NamedCustomer[]): Promise<readonly string[]> {
    const unknown = { subscription: new Set<string>(), theirs: new Set<string>() }
    for (const { as, id } of named)
      if (as !== 'ours' && this.#asItIs(as) === false && this.#remembered(as, id) === undefined)
        unknown[as].add(id)
    await this.#ask('subscription', [...unknown.subscription], this.#rules.owners)
    const { identities, settings } = this.#rules
    await this.#ask('theirs', [...unknown.theirs], ids =>
      identities.ours(ids.map(id => ({ object: 'customer', system: settings.system, id }))),
    )
    return named.map(({ as, id }) => {
      if (as === 'ours' || this.#asItIs(as)) return id
      return this.#remembered(as, id) ?? `${this.#rules.name}:${id}` // invariant 1
    })
  }

  #asItIs(as: NamedCustomer['as']): boolean {
    return as === 'theirs' && this.#rules.settings.customers === 'as_is'
  }

  #remembered(as: NamedCustomer['as'], id: string): string | undefined {
    const known = this.#known.get(`${as} ${id}`)
    return known !== undefined && this.#nowMs() < known.untilMs ? known.ours : undefined
  }

  async #ask(as: NamedCustomer['as'], ids: readonly string[], ask: Asked): Promise<void> {
    if (ids.length === 0) return
    const found = await ask(ids)
    const untilMs = this.#nowMs() + rememberedMs
    for (const [at, id] of ids.entries()) {
      const ours = found[at]
      if (typeof ours !== 'string') continue
      this.#known.delete(`${as} ${id}`)
      this.#known.set(`${as} ${id}`, { ours, untilMs })
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
