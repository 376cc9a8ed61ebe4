// The list of identities, a page at a time: first what people set, then what events of customers say.
// Invariant: a cursor names the last one that was read, by its key; nothing is read twice.

import type { ClickHouseClient } from '@clickhouse/client'
import type { IdentityObject } from '../feature/identity-lookup.js'
import type { MappingFilter, MappingTable } from './mapping-table.js'

export interface Identity {
  readonly object: IdentityObject
  readonly ours: string
  readonly system: string
  readonly theirs: string
  /** `set` by somebody, or told by an `event` of the customer. */
  readonly from: 'set' | 'event'
  readonly set_at: string | null
  readonly set_by: string | null
}

export interface Page {
  readonly identities: readonly Identity[]
  readonly next: string | null
}

export type Cursor =
  | { readonly of: 'set'; readonly key: string }
  | { readonly of: 'event'; readonly customer: string; readonly system: string }

export function cursorText(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

export function parseCursor(text: string): Cursor | undefined {
  try {
    const read = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<Record<string, unknown>>
    if (read['of'] === 'set' && typeof read['key'] === 'string') return { of: 'set', key: read['key'] }
    const { customer, system } = read
    if (read['of'] === 'event' && typeof customer === 'string' && typeof system === 'string')
      return { of: 'event', customer, system }
    return undefined
  } catch {
    return undefined
  }
}

export async function listIdentities(
  table: MappingTable,
  clickhouse: ClickHouseClient,
  filter: MappingFilter,
  after: Cursor | undefined,
  limit: number,
): Promise<Page> {
  const found: Identity[] = []
  let last: Cursor | undefined
  if (after?.of !== 'event')
    for (const { mapping, key } of await table.list(filter, after?.key ?? '', limit)) {
      found.push({ ...mapping, from: 'set' })
      last = { of: 'set', key }
    }
  const left = limit - found.length
  if (left > 0 && (filter.object ?? 'customer') === 'customer')
    for (const one of await ofEvents(clickhouse, filter, after?.of === 'event' ? after : undefined, left)) {
      found.push({ object: 'customer', ...one, from: 'event', set_at: null, set_by: null })
      last = { of: 'event', customer: one.ours, system: one.system }
    }
  return { identities: found, next: found.length < limit || last === undefined ? null : cursorText(last) }
}

async function ofEvents(
  clickhouse: ClickHouseClient,
  { ours = '', system = '', theirs = '' }: MappingFilter,
  after: Extract<Cursor, { of: 'event' }> | undefined,
  limit: number,
) {
  const query = `SELECT customer_id AS ours, pair.1 AS system, pair.2 AS theirs FROM (
      SELECT customer_id, argMax((crm_id, billing_id, erp_id), (event_time, ledger_sequence)) AS ids FROM customers
      WHERE ({ours: String} = '' OR customer_id = {ours: String}) AND customer_id >= {customer: String}
        AND ({theirs: String} = '' OR customer_id IN (
          SELECT customer_id FROM customers WHERE {theirs: String} IN (crm_id, billing_id, erp_id)))
      GROUP BY customer_id)
    ARRAY JOIN [('billing', ids.2), ('crm', ids.1), ('erp', ids.3)] AS pair
    WHERE theirs != '' AND ({theirs: String} = '' OR theirs = {theirs: String})
      AND ({system: String} = '' OR system = {system: String})
      AND (ours, system) > ({customer: String}, {afterSystem: String})
    ORDER BY ours, system LIMIT {limit: UInt32}`
  const { customer = '', system: afterSystem = '' } = after ?? {}
  const query_params = { ours, system, theirs, customer, afterSystem, limit }
  const answer = await clickhouse.query({ query, query_params, format: 'JSONEachRow' })
  return answer.json<{ readonly ours: string; readonly system: string; readonly theirs: string }>()
}
