// The tables that are fed from other streams than LEDGER: their feed, and how its messages become rows.

import { arrivalEventsTable, arrivalsTable } from '../../schemas/arrival-tables.js'
import { auditLogTable } from '../../schemas/audit/audit-log-table.js'
import {
  journalEntriesTable,
  journalSummariesTable,
  revenueScheduleTable,
} from '../../schemas/billing/journal-tables.js'
import type { TableDescription } from '../../schemas/table-description.js'
import {
  batchLinesTable,
  billingBatchesTable,
  deliveriesTable,
  exceptionResolutionsTable,
} from '../../schemas/tables.js'
import { insertsOfArrivals } from './arrival-rows.js'
import {
  insertsOfAudit,
  insertsOfBilling,
  insertsOfDeliveries,
  insertsOfPostings,
  insertsOfResolutions,
  insertsOfSummaries,
} from './records.js'
import type { ReadRange } from './sink.js'

export interface StreamTable {
  readonly table: TableDescription<unknown>
  /** Key of its feed. */
  readonly feed: string
  readonly rowsOf: ReadRange
}

export const streamTables: readonly StreamTable[] = [
  { table: billingBatchesTable, feed: 'clickhouse.billing', rowsOf: insertsOfBilling },
  { table: batchLinesTable, feed: 'clickhouse.billing', rowsOf: insertsOfBilling },
  { table: journalEntriesTable, feed: 'clickhouse.postings', rowsOf: insertsOfPostings },
  { table: revenueScheduleTable, feed: 'clickhouse.postings', rowsOf: insertsOfPostings },
  { table: journalSummariesTable, feed: 'clickhouse.summaries', rowsOf: insertsOfSummaries },
  { table: deliveriesTable, feed: 'clickhouse.deliveries', rowsOf: insertsOfDeliveries },
  { table: exceptionResolutionsTable, feed: 'clickhouse.resolutions', rowsOf: insertsOfResolutions },
  { table: auditLogTable, feed: 'clickhouse.audit', rowsOf: insertsOfAudit },
  { table: arrivalsTable, feed: 'clickhouse.arrivals', rowsOf: insertsOfArrivals },
  { table: arrivalEventsTable, feed: 'clickhouse.arrivals', rowsOf: insertsOfArrivals },
]
