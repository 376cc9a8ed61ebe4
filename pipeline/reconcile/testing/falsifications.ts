// Rows that falsify the small books: each with the checks, and the ids in them, by which it must be found.

import { outcome, taxEntry, toldTax } from './small-books.js'

type Falsification = readonly [claim: string, table: string, row: object, found: unknown]

export const extra = { partition: 0, ledger_sequence: 1, currency: 'USD' }
export const falsifications = (charge1: string): readonly Falsification[] => [
  [
    'a commit counted twice',
    'event_dispositions',
    { ...extra, received: 1, rated: 1, currency: undefined },
    [['dispositions', ['partition 0: received', 'partition 0: rated']]],
  ],
  ['an event told of twice', 'event_outcomes', outcome('applied'), [['outcomes', ['partition 0: applied']]]],
  [
    'a usage row too many',
    'rated_usage',
    { ...extra, charge_id: charge1, amount: '0.000000000001' },
    [
      ['owed_rated', [charge1]],
      ['rated_charged', [charge1]],
    ],
  ],
  [
    'a usage row of an open period too many',
    'rated_usage',
    { ...extra, charge_id: 'another', amount: '0.000000000001' },
    [['owed_rated', ['another']]],
  ],
  [
    'a charge that is in no batch',
    'charges',
    { ...extra, charge_id: 'ch9', billing_run_id: 'run1', amount: '3', amount_rounded: '3' },
    [
      ['charged_batched', ['run1  USD']],
      ['charged_lines', ['ch9']],
      ['batched_posted', ['ch9']],
    ],
  ],
  [
    'a line of a batch twice',
    'batch_lines',
    { batch_id: 'b1', billing_run_id: 'run1', charge_id: charge1, amount_rounded: '1' },
    [
      ['charged_lines', [charge1]],
      ['batched_lines', ['b1']],
    ],
  ],
  [
    'a delivery of a record that nobody made',
    'deliveries',
    { connection: 'books', record_kind: 'journal', record_id: 'je_x', state: 'posted' },
    [['deliveries_known', ['books: journal je_x']]],
  ],
  [
    'a batch twice',
    'billing_batches',
    { batch_id: 'b1', billing_run_id: 'run1', currency: 'USD', number: 1, of: 1 },
    [['batches_whole', ['run1  USD']]],
  ],
  [
    'an entry posted twice',
    'journal_entries',
    { journal_id: 'j3', charge_id: charge1, billing_run_id: 'run1', currency: 'USD' },
    [['batched_posted', [charge1]]],
  ],
  [
    'an unbalanced entry',
    'journal_entries',
    { journal_id: 'j1', charge_id: charge1, billing_run_id: 'run1', credit: '0.01' },
    [['batched_posted', [charge1]]],
  ],
  [
    'a movement without a version',
    'mrr_movements',
    {
      movement_id: 'm9',
      subscription_id: 'sub',
      effective_at: '2026-01-15T00:00:00Z',
      amount: '1',
      mrr_before: '10',
      mrr_after: '11',
    },
    [['mrr_versions', ['sub version 2']]],
  ],
  [
    'a movement that does not add up',
    'mrr_movements',
    { movement_id: 'm8', amount: '0', mrr_before: '1', mrr_after: '2' },
    [['mrr_movements', ['m8']]],
  ],
]

/** Taxes that are posted otherwise than they were told, each of its own id; `found` names it with what is expected and what is there. */
export const toldOtherwise = {
  tax_transactions: [
    toldTax('ch1', '1', 1, { tax_id: 'not posted' }),
    toldTax('ch1', '1', 1, { tax_id: 'twice' }),
    toldTax('ch1', '1', 1, { tax_id: 'voided' }),
    toldTax('ch1', '1', 2, { tax_id: 'voided', status: 'voided' }),
    toldTax('ch1', '1', 1, { tax_id: 'moved' }),
    toldTax('ch2', '1', 2, { tax_id: 'moved' }),
    toldTax('ch1', '1', 1, { tax_id: 'uneven' }),
    toldTax('ch1', '1.000000000001', 1, { tax_id: 'off by the least' }),
  ],
  journal_entries: [
    ...taxEntry('ch1', 'tx2', '1', 'twice'),
    ...taxEntry('ch1', 'tx3', '1', 'twice'),
    ...taxEntry('ch1', 'tx4', '1', 'voided'),
    ...taxEntry('ch1', 'tx5', '1', 'moved'),
    ...taxEntry('ch1', 'tx6', '1', 'uneven'),
    { ...taxEntry('ch1', 'tx6', '0.01')[0], line: 3 },
    ...taxEntry('ch1', 'tx7', '1', 'never told'),
    ...taxEntry('ch1', 'tx8', '1', 'off by the least'),
  ],
  found: [
    'moved: 1, 0, charge ch2, SW of US-CA',
    'moved: 0, 1, charge ch1, SW of US-CA',
    'never told: 0, 1, charge ch1, SW of US-CA',
    'not posted: 1, 0, charge ch1, SW of US-CA',
    'off by the least: 1.000000000001, 1, charge ch1, SW of US-CA',
    'twice: 1, 2, charge ch1, SW of US-CA',
    'uneven: 1, 1, and 1 entries do not balance, charge ch1, SW of US-CA',
    'voided: 0, 1, charge ch1, SW of US-CA',
  ],
} as const
