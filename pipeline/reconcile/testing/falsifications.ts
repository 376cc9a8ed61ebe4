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

/** Found by the check `taxes_posted`: id, expected and found. */
export const toldOtherwise = (
  charge1: string,
): readonly (readonly [
  claim: string,
  table: string,
  rows: readonly object[],
  found: readonly string[],
])[] => [
  [
    'a tax that was told and not posted',
    'tax_transactions',
    [toldTax('ch9', '1', 1, { tax_id: 't2' })],
    ['t2 1 0'],
  ],
  ['a tax that was posted twice', 'journal_entries', taxEntry(charge1, 'tx2', '0.07'), ['t1 0.07 0.14']],
  [
    'a tax that stands though it was voided',
    'tax_transactions',
    [toldTax(charge1, '0.07', 3, { status: 'voided' })],
    ['t1 0 0.07'],
  ],
  ['a tax of another charge', 'tax_transactions', [toldTax('ch9', '0.07', 3)], ['t1 0 0.07', 't1 0.07 0']],
  [
    'an entry of a tax that does not balance',
    'journal_entries',
    [{ ...taxEntry(charge1, 'tx1', '0.01')[0], line: 3 }],
    ['t1 0.07 0.07, and 1 entries do not balance'],
  ],
]
