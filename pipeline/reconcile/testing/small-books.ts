// A small set of books that agree: one customer, one usage charge with an adjustment, one run, both posted; one subscription of
// two versions. The rows are made by hand, so that no ledger has them.

type Books = Record<string, readonly object[]>

export const outcome = (disposition: string) => ({
  partition: 0,
  ledger_sequence: 1,
  disposition,
  event_count: 1,
})

/** What a tax engine told of `t1`: so much on the charge. */
export const toldTax = (charge: string, tax: string, sequence: number, more: object = {}) => ({
  ...{ partition: 0, ledger_sequence: 1, tax_id: 't1', customer_id: 'c', sequence, status: 'committed' },
  ...{ currency: 'USD', event_source: 's', event_id: `told ${sequence}` },
  lines: JSON.stringify([{ line: '1', charge_id: charge, tax_code: 'SW', jurisdiction: 'US-CA', tax }]),
  ...more,
})

export const taxEntry = (charge: string, journal: string, tax: string, taxId = 't1') => {
  const of = { entry_kind: 'tax', journal_id: journal, charge_id: charge, currency: 'USD' }
  const what = { tax_id: taxId, tax_code: 'SW', tax_jurisdiction: 'US-CA' }
  return [
    { ...of, line: 1, role: 'receivable', debit: tax },
    { ...of, line: 2, role: 'tax', credit: tax, ...what },
  ]
}

export function smallBooks(charge1: string): Books {
  const { journal_entries: entries = [], ...others } = papers(charge1)
  return {
    ...charges(charge1),
    ...others,
    ...versions(),
    journal_entries: [...entries, ...taxEntry(charge1, 'tx1', '0.07')],
    tax_transactions: [
      toldTax(charge1, '0.09', 1),
      toldTax(charge1, '0.07', 2),
      toldTax('', '5', 1, { tax_id: 'of no charge' }),
    ],
  }
}

function charges(charge1: string): Books {
  const books: Books = {}
  const origin = { partition: 0 }
  books['event_dispositions'] = [
    { ...origin, ledger_sequence: 1, received: 4, rated: 2, applied: 1, duplicate: 1 },
    { ...origin, ledger_sequence: 3, received: 5, parked: 5 }, // after the checkpoint that is looked at
  ]
  books['event_outcomes'] = [outcome('applied'), outcome('duplicate')]
  const ofCharge = { charge_id: charge1, currency: 'USD', event_count: 1, meter: 'm' }
  const usage = { ...origin, event_source: 's', ...ofCharge }
  books['rated_usage'] = [
    { ...usage, event_id: 'e1', amount: '1.000000000001', ledger_sequence: 1 },
    { ...usage, event_id: 'e2', amount: '0.5', ledger_sequence: 2 },
    { ...usage, event_id: 'after the run', amount: '7', ledger_sequence: 3 },
    { ...usage, event_id: 'unwanted', charge_id: '', currency: '', amount: '0', ledger_sequence: 1 },
  ]
  const charge = {
    ...origin,
    customer_id: 'c',
    meter: 'm',
    currency: 'USD',
    billing_run_id: 'run1',
    status: 'closed',
  }
  books['charges'] = [
    {
      ...charge,
      charge_id: charge1,
      amount: '1.000000000001',
      amount_rounded: '1',
      kind: 'usage',
      ledger_sequence: 1,
    },
    {
      ...charge,
      charge_id: 'adj1',
      corrects: charge1,
      amount: '0.5',
      amount_rounded: '0.5',
      kind: 'adjustment',
      ledger_sequence: 2,
    },
    {
      ...charge,
      charge_id: 'open',
      amount: '0',
      amount_rounded: '0',
      billing_run_id: 'run2',
      meter: '',
      ledger_sequence: 3,
    },
  ]
  return books
}

function papers(charge1: string): Books {
  const books: Books = {}
  books['billing_batches'] = [
    {
      batch_id: 'b1',
      billing_run_id: 'run1',
      currency: 'USD',
      number: 1,
      of: 1,
      line_count: 2,
      amount_total: '1.500000000001',
      amount_rounded_total: '1.5',
    },
  ]
  const line = {
    batch_id: 'b1',
    billing_run_id: 'run1',
    currency: 'USD',
    customer_id: 'c',
    stream_sequence: 1,
  }
  books['batch_lines'] = [
    { ...line, line_id: 'l1', charge_id: charge1, amount: '1.000000000001', amount_rounded: '1' },
    { ...line, line_id: 'l2', charge_id: 'adj1', amount: '0.5', amount_rounded: '0.5' },
  ]
  const entry = { billing_run_id: 'run1', batch_id: 'b1', currency: 'USD' }
  books['journal_entries'] = [
    { ...entry, journal_id: 'j1', charge_id: charge1, line: 1, debit: '1' },
    { ...entry, journal_id: 'j1', charge_id: charge1, line: 2, credit: '1' },
    { ...entry, journal_id: 'j2', charge_id: 'adj1', line: 1, debit: '0.5' },
    { ...entry, journal_id: 'j2', charge_id: 'adj1', line: 2, credit: '0.5' },
  ]
  return books
}

function versions(): Books {
  const books: Books = {}
  const version = { subscription_id: 'sub', customer_id: 'c', currency: 'USD' }
  books['subscription_versions'] = [
    { ...version, sequence: 1, revision: 1, effective_from: '2026-01-01T00:00:00Z', mrr: '10' },
    { ...version, sequence: 2, revision: 1, effective_from: '2026-02-01T00:00:00Z', mrr: '11' },
    { ...version, sequence: 2, revision: 2, effective_from: '2026-02-01T00:00:00Z', mrr: '25' },
  ]
  const movement = { subscription_id: 'sub', customer_id: 'c', currency: 'USD' }
  books['mrr_movements'] = [
    {
      ...movement,
      movement_id: 'm1',
      effective_at: '2026-01-01T00:00:00Z',
      amount: '10',
      mrr_before: '0',
      mrr_after: '10',
    },
    {
      ...movement,
      movement_id: 'm2',
      effective_at: '2026-02-01T00:00:00Z',
      amount: '15',
      mrr_before: '10',
      mrr_after: '25',
    },
    {
      ...movement,
      movement_id: 'm3',
      effective_at: '2026-03-01T00:00:00Z',
      amount: '-25',
      mrr_before: '25',
      mrr_after: '0',
    },
  ]
  return books
}
