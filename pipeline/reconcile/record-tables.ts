// Where ClickHouse has the records that come to a connection: lines of entries, of summaries or of billing batches, as rows of
// one form; and what became of each, by its last delivery.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import { entityToken } from '../../schemas/identifiers.js'
import type { Feed } from '../deliver/feed.js'
import type { TakenUpTo } from './deliveries.js'

export interface RecordTable {
  readonly connection: string
  readonly table: (typeof tables)[keyof typeof tables]
  readonly params: {
    readonly connection: string
    readonly entities: readonly string[]
    /** The sequence of the stream up to which the connection has taken records in. */
    readonly until: number
    /** The first one that the stream still has: the connection may never have seen an older record. */
    readonly first: number
  }
}

/** By the first part of a feed's subjects. */
const tables = {
  postings: 'journal_entries',
  summaries: 'journal_summaries',
  billing: 'batch_lines',
} as const

/** Of an entry the account decides, of a line of a batch the customer: billing systems have no accounts. */
const columns: Readonly<Record<RecordTable['table'], string>> = {
  journal_entries: `journal_id AS record_id, if(entry_kind = 'release', 'release', 'journal') AS kind, account, '' AS customer,
    accounting_date AS day, toDecimal256(debit, 12) AS debits, toDecimal256(credit, 12) AS credits`,
  journal_summaries: `journal_id AS record_id, 'journal' AS kind, account, '' AS customer,
    accounting_date AS day, toDecimal256(debit, 12) AS debits, toDecimal256(credit, 12) AS credits`,
  batch_lines: `line_id AS record_id, 'batch_line' AS kind, '' AS account, customer_id AS customer, billing_date AS day,
    toDecimal256(greatest(amount_rounded, 0), 12) AS debits, toDecimal256(greatest(-amount_rounded, 0), 12) AS credits`,
}

export async function recordTableOf(
  { clickhouse, jsm }: { readonly clickhouse: ClickHouseClient; readonly jsm: JetStreamManager },
  { feed, ofRecords, until }: TakenUpTo,
): Promise<RecordTable> {
  const [of = ''] = (feed.filterSubjects[0] ?? '').split('.')
  const table = tables[of as keyof typeof tables]
  const { connection } = ofRecords
  const entities = await entitiesOf(clickhouse, table, feed)
  const { state } = await jsm.streams.info(feed.stream)
  return { connection, table, params: { connection, entities, until, first: state.first_seq } }
}

/** The entities whose records come to this feed. */
async function entitiesOf(clickhouse: ClickHouseClient, table: string, feed: Feed): Promise<string[]> {
  const query = `SELECT DISTINCT toString(entity_id) AS entity FROM ${table}`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow' })
  const all = (await answer.json<{ entity: string }>()).map(row => row.entity)
  return all.filter(entity =>
    feed.filterSubjects.some(subject => {
      const [, token = ''] = subject.split('.')
      return token === '>' || token === entityToken(entity)
    }),
  )
}

/**
 * A row for each line of each record, with `outcome`: the state of its delivery; else `not_taken_in`, or `no_delivery` where
 * there should be one. ClickHouse puts the join on disk where it is too large for memory.
 */
export function outcomesOf({ table }: RecordTable, where = '1'): string {
  return `SELECT r.*, multiIf(d.state != '', d.state, r.sequence > {until: UInt64}, 'not_taken_in', 'no_delivery') AS outcome
    FROM
    (
      SELECT ${columns[table]}, toString(entity_id) AS entity, toString(currency) AS of_currency, stream_sequence AS sequence
      FROM ${table} WHERE entity_id IN {entities: Array(String)} AND ${where}
    ) AS r
    LEFT JOIN
    (
      SELECT record_id AS of_record, argMax(toString(deliveries.state), stream_sequence) AS state
      FROM deliveries WHERE connection = {connection: String} GROUP BY of_record
    ) AS d ON d.of_record = r.record_id
    WHERE d.state != '' OR r.sequence >= {first: UInt64}`
}

/** For every query on `outcomesOf`: what is larger than this is joined on disk. */
export const joinSettings = { join_algorithm: 'grace_hash', max_bytes_in_join: String(128 << 20) } as const

/** The column of a table that holds the day of a record. */
export function dayColumnOf({ table }: RecordTable): 'billing_date' | 'accounting_date' {
  return table === 'batch_lines' ? 'billing_date' : 'accounting_date'
}
