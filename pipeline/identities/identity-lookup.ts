// Which of our customers another system means by its id: read back from the table of customers, of which the latest row counts.

import type { ClickHouseClient } from '@clickhouse/client'
import { externalSystems } from '../../sinks/customer-ids.js'
import type { AskedIdentity, IdentityLookup } from '../feature/identity-lookup.js'

export class CustomersLookup implements IdentityLookup {
  readonly #clickhouse: ClickHouseClient

  constructor(clickhouse: ClickHouseClient) {
    this.#clickhouse = clickhouse
  }

  async ours(asked: readonly AskedIdentity[]): Promise<readonly (string | undefined)[]> {
    const found = new Map<string, string>()
    for (const system of externalSystems) {
      const ids = asked.filter(one => one.object === 'customer' && one.system === system).map(one => one.id)
      if (ids.length === 0) continue
      for (const row of await this.#customers(system, ids)) found.set(`${system} ${row.theirs}`, row.ours)
    }
    return asked.map(({ object, system, id }) =>
      object === 'customer' ? found.get(`${system} ${id}`) : undefined,
    )
  }

  async #customers(system: (typeof externalSystems)[number], ids: readonly string[]) {
    // The column is one of three of ours, no text from outside.
    const query = `SELECT customer_id AS ours, argMax(${system}_id, (event_time, ledger_sequence)) AS theirs FROM customers
      WHERE customer_id IN (SELECT customer_id FROM customers WHERE has({ids: Array(String)}, ${system}_id))
      GROUP BY customer_id HAVING has({ids: Array(String)}, theirs)`
    const answer = await this.#clickhouse.query({
      query,
      query_params: { ids },
      format: 'JSONEachRow',
    })
    return answer.json<{ readonly ours: string; readonly theirs: string }>()
  }
}
