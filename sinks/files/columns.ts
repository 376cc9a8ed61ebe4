// The columns of a file, for each kind of record that files take: what CSV and Parquet share.
// A journal is one row per line of the entry, a line of a billing batch is one row.
// Invariant: a column is added at the end and never renamed, moved or dropped.

import type { BatchLineWire } from '../../schemas/billing/batch-line.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import type { ConnectorRecord, RecordKind } from '../connector.js'

export type ColumnType = 'text' | 'decimal' | 'date' | 'instant' | 'integer'

export interface FileColumn {
  readonly name: string
  readonly type: ColumnType
}

export interface Layout {
  readonly columns: readonly FileColumn[]
  /** The column that holds our key. */
  readonly keyColumn: string
  /** Cells as text, in the order of the columns. */
  rowsOf(record: ConnectorRecord): string[][]
}

const column = (name: string, type: ColumnType = 'text'): FileColumn => ({ name, type })

const journals: Layout = {
  keyColumn: 'journal_id', // the idempotency key of an entry is its id
  columns: [
    column('journal_id'),
    column('accounting_date', 'date'),
    column('entity_id'),
    column('currency'),
    column('account'),
    column('debit', 'decimal'),
    column('credit', 'decimal'),
    column('segments'),
    column('performance_obligation'),
    column('charge_id'),
    column('customer_id'),
    column('contract_id'),
    column('subscription_id'),
    column('subscription_version', 'integer'),
    column('service_period_from', 'instant'),
    column('service_period_until', 'instant'),
    column('billing_run_id'),
    column('batch_id'),
    column('correlation_id'),
    column('entry_kind'),
    column('role'),
    column('accounting_period'),
    column('moved_from'),
    column('corrects'),
    column('plan'),
    column('plan_version', 'integer'),
    column('price'),
    column('meter'),
    column('charge_kind'),
    column('timing'),
    column('first_service_day'),
    column('last_service_day'),
    column('release_id'),
    column('releases_journal_id'),
  ],
  rowsOf({ document }) {
    const entry = document as JournalEntryWire
    return entry.lines.map(line => [
      entry.journal_id,
      entry.accounting_date,
      entry.entity_id,
      entry.currency,
      line.account,
      line.debit,
      line.credit,
      Object.entries(line.segments)
        .map(([name, value]) => `${name}=${value}`)
        .join(';'),
      entry.performance_obligation,
      entry.charge_id,
      entry.customer_id,
      entry.contract_id,
      entry.subscription_id,
      String(entry.subscription_version),
      entry.service_period.from,
      entry.service_period.until,
      entry.source.billing_run_id,
      entry.source.batch_id,
      entry.correlation_id,
      entry.kind,
      line.role,
      entry.accounting_period,
      entry.moved_from ?? '',
      entry.corrects,
      entry.plan,
      String(entry.plan_version),
      entry.price,
      entry.meter,
      entry.charge_kind,
      entry.timing,
      entry.service_days.first,
      entry.service_days.last,
      entry.source.release_id,
      entry.releases?.journal_id ?? '',
    ])
  },
}

const batchLines: Layout = {
  keyColumn: 'key',
  columns: [
    column('key'),
    column('billing_run_id'),
    column('batch_id'),
    column('charge_id'),
    column('customer_id'),
    column('subscription_id'),
    column('subscription_version', 'integer'),
    column('entity_id'),
    column('contract_id'),
    column('correlation_id'),
    column('plan'),
    column('plan_version', 'integer'),
    column('price'),
    column('meter'),
    column('kind'),
    column('timing'),
    column('service_period_from', 'instant'),
    column('service_period_until', 'instant'),
    column('timezone'),
    column('quantity', 'decimal'),
    column('amount', 'decimal'),
    column('amount_rounded', 'decimal'),
    column('currency'),
    column('corrects'),
  ],
  rowsOf({ key, document }) {
    const line = document as unknown as BatchLineWire
    return [
      [
        key,
        line.billing_run_id ?? '',
        line.batch_id,
        line.charge_id,
        line.customer_id,
        line.subscription_id,
        String(line.subscription_version),
        line.entity_id,
        line.contract_id,
        line.correlation_id,
        line.plan,
        String(line.plan_version),
        line.price,
        line.meter,
        line.kind,
        line.timing,
        line.service_period.from,
        line.service_period.until,
        line.timezone,
        line.quantity,
        line.amount,
        line.amount_rounded,
        line.currency,
        line.corrects ?? '',
      ],
    ]
  },
}

/** Undefined: files do not take records of this kind. */
export function layoutOf(kind: RecordKind): Layout | undefined {
  switch (kind) {
    case 'journal':
    case 'release':
      return journals
    case 'batch_line':
      return batchLines
    case 'credit_note':
    case 'customer_standing':
    case 'support_case':
      return undefined
    default:
      return kind satisfies never
  }
}
