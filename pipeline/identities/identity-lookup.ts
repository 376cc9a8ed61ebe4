// Which of ours another system means by its id: what people set, else what events of customers say; and for a customer that
// was merged, the one that stands for it.
// Invariant: an id that two customers claim by events is nobody's until somebody says whose (`claimedBy`), in whatever order
// they claimed it.

import type { ClickHouseClient } from '@clickhouse/client'
import { type ExternalSystem, externalSystems } from '../../sinks/customer-ids.js'
import {
  type AskedIdentity,
  type FoundIdentity,
  type IdentityLookup,
  ownSystem,
} from '../feature/identity-lookup.js'
import type { MappingTable } from './mapping-table.js'
import type { MergedCustomers } from './merged-customers.js'

export class IdentityFinder implements IdentityLookup {
  readonly #table: Pick<MappingTable, 'get' | 'formers'>
  readonly #claims: Pick<CustomerClaims, 'of' | 'ever'>
  readonly #merged: Pick<MergedCustomers, 'standingFor' | 'everStandingFor'>

  constructor(
    table: Pick<MappingTable, 'get' | 'formers'>,
    claims: Pick<CustomerClaims, 'of' | 'ever'>,
    merged: Pick<MergedCustomers, 'standingFor' | 'everStandingFor'>,
  ) {
    this.#table = table
    this.#claims = claims
    this.#merged = merged
  }

  async ours(asked: readonly AskedIdentity[]): Promise<readonly FoundIdentity[]> {
    const set = await Promise.all(asked.map(one => this.#setFor(one)))
    const open = asked.filter((one, index) => set[index] === undefined && isClaimable(one))
    const claims = open.length === 0 ? new Map<string, readonly string[]>() : await this.#claims.of(open)
    return Promise.all(
      asked.map(async (one, index) => {
        const ofTable = set[index]
        if (one.object !== 'customer') return ofTable
        const customers = ofTable === undefined ? (claims.get(claimKey(one)) ?? []) : [ofTable]
        const standing = await Promise.all(customers.map(customer => this.#merged.standingFor(customer)))
        return claimed([...new Set(standing)])
      }),
    )
  }

  async ever(asked: readonly AskedIdentity[]): Promise<readonly (readonly string[])[]> {
    const meant = await Promise.all(asked.map(one => this.#everSetFor(one)))
    // What events claimed before somebody set it is among the formers (identity-desk.ts).
    const open = asked.filter((one, index) => meant[index]!.now === undefined && isClaimable(one))
    const claims = open.length === 0 ? new Map<string, readonly string[]>() : await this.#claims.ever(open)
    return Promise.all(
      meant.map(({ now, before }, index) => {
        const claimed = now === undefined ? (claims.get(claimKey(asked[index]!)) ?? []) : [now]
        return this.#merged.everStandingFor([...claimed, ...before])
      }),
    )
  }

  async #everSetFor({ object, system, id }: AskedIdentity) {
    if (object !== 'customer') return { now: undefined, before: [] }
    if (system === ownSystem) return { now: id, before: [] }
    const key = { object, system, theirs: id }
    const [kept, before] = await Promise.all([this.#table.get(key), this.#table.formers(key)])
    return { now: kept?.mapping.ours, before }
  }

  async #setFor({ object, system, id: theirs }: AskedIdentity): Promise<string | undefined> {
    if (system !== ownSystem) return (await this.#table.get({ object, system, theirs }))?.mapping.ours
    if (object !== 'customer') return undefined
    const standing = await this.#merged.standingFor(theirs)
    return standing === theirs ? undefined : standing
  }
}

function isClaimable({ object, system }: AskedIdentity): boolean {
  return object === 'customer' && isExternal(system)
}

export function isExternal(system: string): system is ExternalSystem {
  return (externalSystems as readonly string[]).includes(system)
}

function claimed(customers: readonly string[]): FoundIdentity {
  return customers.length > 1 ? { claimedBy: customers } : customers[0]
}

export function claimKey({ system, id }: Pick<AskedIdentity, 'system' | 'id'>): string {
  return `${system} ${id}`
}

/** The `external_ids` of customers, read back from the table of customers, of which the latest row counts. */
export class CustomerClaims {
  readonly #clickhouse: ClickHouseClient

  constructor(clickhouse: ClickHouseClient) {
    this.#clickhouse = clickhouse
  }

  /** The customers that claim each id, in order, by `claimKey`. */
  async of(
    asked: readonly Pick<AskedIdentity, 'system' | 'id'>[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    return this.#each(
      asked,
      // The column is one of three of ours, no text from outside.
      system => `SELECT customer_id AS ours, argMax(${system}_id, (event_time, ledger_sequence)) AS theirs FROM customers
        WHERE customer_id IN (SELECT customer_id FROM customers WHERE has({ids: Array(String)}, ${system}_id))
        GROUP BY customer_id HAVING has({ids: Array(String)}, theirs) ORDER BY ours`,
    )
  }

  /** The customers that have ever claimed each id, in order, by `claimKey`. */
  async ever(
    asked: readonly Pick<AskedIdentity, 'system' | 'id'>[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    return this.#each(
      asked,
      system => `SELECT DISTINCT customer_id AS ours, ${system}_id AS theirs FROM customers
        WHERE has({ids: Array(String)}, ${system}_id) ORDER BY ours`,
    )
  }

  async #each(
    asked: readonly Pick<AskedIdentity, 'system' | 'id'>[],
    queryOf: (system: ExternalSystem) => string,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const found = new Map<string, readonly string[]>()
    for (const system of externalSystems) {
      const ids = asked.filter(one => one.system === system).map(one => one.id)
      if (ids.length === 0) continue
      for (const { ours, theirs } of await this.#rows(queryOf(system), ids)) {
        const key = claimKey({ system, id: theirs })
        found.set(key, [...(found.get(key) ?? []), ours])
      }
    }
    return found
  }

  async #rows(query: string, ids: readonly string[]) {
    const answer = await this.#clickhouse.query({ query, query_params: { ids }, format: 'JSONEachRow' })
    return answer.json<{ readonly ours: string; readonly theirs: string }>()
  }
}
