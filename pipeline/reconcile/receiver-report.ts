// The report of `weir reconcile --connection`: what the receiver of a connection has of ours, held against our deliveries and
// the records behind them. Keys are snake_case, because the object is sent as JSON.

import { z } from 'zod'

const count = z.int().min(0)
const decimal = z.string().describe('A decimal, exact')

export const receiverFaults = ['no_delivery', 'missing', 'extra', 'twice', 'different'] as const

const faultSchema = z
  .object({
    fault: z
      .enum(receiverFaults)
      .describe(
        'no_delivery: taken in, and no delivery tells of it; missing: delivered, and not there; extra: there with a key of ' +
          'ours that no delivery has; twice: there more than once; different: both sides have it, and not the same',
      ),
    key: z.string().describe('Our key, as the document contains it'),
    record: z.exactOptional(z.object({ kind: z.string(), id: z.string() })).describe('Absent: none is known'),
    delivery_id: z.exactOptional(z.string()),
    state: z.exactOptional(z.string()).describe('Of the delivery'),
    delivered_as: z.exactOptional(z.string()).describe('The id that the receiver gave it at the delivery'),
    external_ids: z.array(z.string()).describe('The ids of the documents that it has now'),
    field: z
      .exactOptional(z.enum(['date', 'currency', 'amount', 'quantity', 'account', 'state']))
      .describe('What is different'),
    ours: z.exactOptional(z.string()),
    theirs: z.exactOptional(z.string()),
  })
  .meta({ id: 'ReceiverFault' })
export type ReceiverFault = Readonly<z.infer<typeof faultSchema>>

const unsettledSchema = z.object({
  state: z.string().describe('Of the delivery; not_taken_in: the connection has not come to the record yet'),
  code: z.string().describe('Why, as far as it is known'),
  records: count,
  there: count.describe('As many of them are there already'),
  ids: z.array(z.string()).describe('The first records'),
})

const totalSchema = z.object({
  entity_id: z.string(),
  currency: z.string(),
  records: count.describe('Delivered records'),
  ours: decimal.describe('The sum of their debits, or of their amounts'),
  documents: count,
  theirs: decimal,
  untold: count.describe('Documents of which the receiver does not tell the amount'),
})

const daySchema = z.object({
  entity_id: z.string().describe('Empty too for what is extra'),
  currency: z.string(),
  account: z
    .string()
    .describe(
      "The receiver's; empty where it tells none; `?`: of this document, or of our record, it is not known",
    ),
  date: z.string(),
  records: count.describe('Delivered records with this account'),
  ours: decimal.describe('Debits less credits; where no accounts are told the debits, or the amounts'),
  documents: count,
  theirs: decimal,
})

export const receiverReportSchema = z
  .object({
    ok: z.boolean().describe('It was compared, and there is no fault'),
    connection: z.string(),
    compared: z.boolean().describe('False: this kind of connection does not list what it has'),
    from: z.string().describe('Accounting dates, both included; empty: there are no records'),
    until: z.string(),
    checked_at: z.iso.datetime(),
    lagging: z.array(z.string()).describe('What still lagged, which may be the cause of faults'),
    records: count.describe('Ours in these dates'),
    documents: count.describe('Theirs in these dates'),
    agreeing: count.describe('Records that are there once, and the same'),
    by_delivery_alone: count.describe(
      'Documents whose delivery is known and whose record the stream does not hold any more',
    ),
    unsettled: z.array(unsettledSchema).describe('No faults: they are on their way, or wait for somebody'),
    totals: z.array(totalSchema),
    accounts_told: z
      .boolean()
      .describe('Whether this kind of connection tells the accounts of its documents'),
    days: z.array(daySchema).describe('Both sides by account and day; those that differ come first'),
    faults: z.array(faultSchema).describe('The first ones'),
    fault_count: count.describe('Of all'),
  })
  .meta({ id: 'ReceiverReconciliation' })
export type ReceiverReport = Readonly<z.infer<typeof receiverReportSchema>>
export type Unsettled = Readonly<z.infer<typeof unsettledSchema>>
export type ReceiverDay = Readonly<z.infer<typeof daySchema>>
export type ReceiverTotal = Readonly<z.infer<typeof totalSchema>>

/** How far a comparison is that is not done yet. */
export const receiverProgressSchema = z
  .object({ records: count.describe('Ours, read so far'), documents: count.describe('Theirs, read so far') })
  .meta({ id: 'ReceiverReconciliationProgress' })
export type ReceiverProgress = z.infer<typeof receiverProgressSchema>

export const receiverReportExample: ReceiverReport = {
  ok: false,
  connection: 'books',
  compared: true,
  from: '2026-01-01',
  until: '2026-01-31',
  checked_at: '2026-02-01T06:00:00.000Z',
  lagging: [],
  records: 3,
  documents: 1,
  agreeing: 1,
  by_delivery_alone: 0,
  unsettled: [
    { state: 'refused', code: 'period_closed', records: 1, there: 0, ids: ['journal je_0193a1f0'] },
  ],
  totals: [
    { entity_id: '', currency: 'USD', records: 2, ours: '150', documents: 1, theirs: '100', untold: 0 },
  ],
  accounts_told: true,
  days: [
    {
      entity_id: '',
      currency: 'USD',
      account: '1200',
      date: '2026-01-31',
      records: 2,
      ours: '150',
      documents: 1,
      theirs: '100',
    },
  ],
  faults: [
    {
      fault: 'missing',
      key: 'je_0193a1ee',
      record: { kind: 'journal', id: 'je_0193a1ee' },
      delivery_id: 'dl_0193a1ef',
      state: 'posted',
      delivered_as: '1002',
      external_ids: [],
    },
  ],
  fault_count: 1,
}
