// A journal as a connector gets it, for tests: receivable against revenue, in whole minor units.

import type { ConnectorRecord } from '../connector.js'

export interface JournalChanges {
  readonly amount?: string
  readonly entity?: string
  readonly currency?: string
  readonly date?: string
  readonly customer?: string
  /** Of both lines. */
  readonly segments?: Readonly<Record<string, string>>
}

export function journalRecord(n: number, changes: JournalChanges = {}): ConnectorRecord {
  const { amount = `${n + 1}.25`, entity = '', currency = 'USD', date = '2026-10-31' } = changes
  const { customer = 'acme', segments = {} } = changes
  const id = `je_${String(n).padStart(4, '0')}`
  const document = {
    journal_id: id,
    idempotency_key: id,
    kind: 'journal',
    entity_id: entity,
    currency,
    accounting_date: date,
    accounting_period: date.slice(0, 7),
    lines: [
      { account: '1200', role: 'receivable', debit: amount, credit: '0', segments },
      { account: '4000', role: 'revenue', debit: '0', credit: amount, segments },
    ],
    charge_id: `ch_${n}`,
    customer_id: customer,
    contract_id: '',
    subscription_id: `s_${n}`,
    subscription_version: 1,
    plan: 'pro',
    plan_version: 1,
    price: 'calls',
    meter: 'calls',
    charge_kind: 'usage',
    timing: 'in_arrears',
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    service_days: { first: '2026-10-01', last: '2026-10-31' },
    timezone: 'UTC',
    performance_obligation: 'metered_usage',
    correlation_id: '',
    source: { billing_run_id: 'run_1', batch_id: 'b_1', release_id: '' },
  }
  return { kind: 'journal', id, key: id, recordedAt: '2026-11-01T00:00:00Z', document }
}

/** A summary of many entries: nothing in it is of one charge. */
export function summaryRecord(n: number, changes: JournalChanges = {}): ConnectorRecord {
  const record = journalRecord(n, { ...changes, customer: '' })
  const id = `sm_${String(n).padStart(4, '0')}`
  const document = {
    ...record.document,
    ...{ journal_id: id, idempotency_key: id, kind: 'summary', charge_id: '', subscription_id: '' },
    ...{ subscription_version: 0, plan: '', plan_version: 0, price: '', meter: '', charge_kind: '' },
    ...{ timing: '', performance_obligation: '', covers: { from: 1, to: 40 } },
    source: { billing_run_id: 'run_1', batch_id: '', release_id: '' },
  }
  return { ...record, id, key: id, document }
}
