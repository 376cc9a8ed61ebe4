// From the messages of a range to what is inserted: one Arrow stream per table.
// Rows of the ledger are Arrow already and are joined, never decoded.

import { concatenateStreams } from '../../schemas/arrow-rows.js'
import { tables } from '../../schemas/tables.js'
import type { FeedMessage } from '../sink.js'

export interface TableInsert {
  readonly table: string
  /** What tells this insert from the others of its range: the table, and a number where one table needs several. */
  readonly part: string
  readonly bytes: Uint8Array
}

export type RangeInserts =
  | { readonly kind: 'ok'; readonly inserts: readonly TableInsert[] }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }

/** Tables whose rows arrive as Arrow streams on `ledger.<partition>.<table>`. */
export const ledgerTables: readonly string[] = tables
  .map(table => table.name as string)
  .filter(name => name !== 'billing_batches' && name !== 'journal_entries')

/** What the ClickHouse sink reads from the ledger: the filters of its feed. */
export const ledgerSubjects: readonly string[] = ledgerTables.map(table => `ledger.*.${table}`)

/** Messages of the ledger, by table in the order of the ledger. */
export function insertsOfLedger(messages: readonly FeedMessage[]): RangeInserts {
  const byTable = new Map<string, Uint8Array[]>()
  for (const { natsSubject, bytes, sequence } of messages) {
    const table = natsSubject.split('.')[2] ?? ''
    if (!ledgerTables.includes(table))
      return { kind: 'rejected', code: 'unknown_table', detail: `message ${sequence}: ${natsSubject}` }
    const streams = byTable.get(table)
    if (streams === undefined) byTable.set(table, [bytes])
    else streams.push(bytes)
  }
  const inserts: TableInsert[] = []
  for (const [table, streams] of byTable) inserts.push(...insertsOfTable(table, streams))
  return { kind: 'ok', inserts }
}

/**
 * One insert, unless a release that added a column lies inside the range: then one per message. Either way the same
 * messages give the same inserts, which is what their tokens rest on.
 */
function insertsOfTable(table: string, streams: readonly Uint8Array[]): TableInsert[] {
  try {
    return [{ table, part: table, bytes: concatenateStreams(streams) }]
  } catch {
    return streams.map((bytes, index) => ({ table, part: `${table}:${index}`, bytes }))
  }
}
