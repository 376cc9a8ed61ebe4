// What the report of report.ts looks like, for the OpenAPI document. The type holds the two together.

import { z } from 'zod'
import { arrivalStates } from '../../schemas/arrival-outcome.js'
import type {
  AcceptedTotal,
  ArrivalTotal,
  Check,
  CurrencyTotals,
  DeliveryTotal,
  Lag,
  NotBilledTotal,
  PartitionConservation,
  ReconcileReport,
} from './report.js'

const decimal = z.string().describe('A decimal, exact')
const count = z.int().min(0)

const differenceSchema = z
  .object({
    id: z.string().describe('The thing that differs: a partition, a charge, a batch, a subscription'),
    expected: z.string(),
    found: z.string(),
    detail: z.exactOptional(z.string()),
  })
  .meta({ id: 'Difference' })

const checkSchema: z.ZodType<Check> = z
  .object({
    check: z.string(),
    claim: z.string().describe('What is held against what, in words'),
    state: z.enum(['agrees', 'differs', 'unreadable', 'not_checked']),
    ok: z.boolean().describe('It agrees'),
    compared: z.number().min(0).describe('How many things were compared'),
    differences: z.array(differenceSchema).describe('The first ones, at most 1,000'),
    difference_count: count.describe('Of all'),
    skipped: z.exactOptional(z.string()).describe('Why nothing was compared'),
  })
  .meta({ id: 'ReconciliationCheck' })

const lagSchema: z.ZodType<Lag> = z.object({
  what: z.string().describe('A partition or a feed'),
  position: count,
  last: count,
})

const partitionSchema: z.ZodType<PartitionConservation> = z.object({
  partition: count,
  commit: count,
  counts: z.object({
    received: count,
    rated: count,
    applied: count,
    duplicate: count,
    conflicting: count,
    parked: count,
    dead_lettered: count,
    unmetered: count,
  }),
  gap: z.int().describe('Received less the sum of the dispositions: 0 when the conservation law holds'),
})

const totalsSchema: z.ZodType<CurrencyTotals> = z.object({
  currency: z.string(),
  rated_usage: decimal,
  charges: decimal,
  charges_rounded: decimal,
  batches_rounded: decimal,
  debits: decimal,
  credits: decimal,
  mrr_movements: decimal,
  usage_not_billed: decimal,
  sealed_not_batched: decimal,
})

const notBilledSchema: z.ZodType<NotBilledTotal> = z.object({
  customer_id: z.string(),
  subscription_id: z.string().nullable(),
  entity_id: z.string(),
  currency: z.string(),
  line_count: count,
  amount_rounded: decimal,
  first_date: z.string().describe('When its entries would have been dated, the first'),
  last_date: z.string(),
  billing_run_id: z.string().describe('The last run that left it out'),
})

const deliverySchema: z.ZodType<DeliveryTotal> = z.object({
  connection: z.string(),
  state: z.string(),
  deliveries: count,
})

export const acceptedSchema: z.ZodType<AcceptedTotal> = z.object({
  connection: z.string(),
  entity_id: z.string(),
  currency: z.string(),
  account: z.string().describe('Empty for lines of batches'),
  customer_id: z.string().describe('Of lines of batches, where they are told by customer; else empty'),
  day: z.string().describe('The accounting date of entries, the last day billed of lines; empty: all days'),
  debit: decimal.describe('Of all that the connection is to get; of lines, what is billed'),
  credit: decimal,
  accepted_debit: decimal.describe('Of those that its receiver has, posted or written'),
  accepted_credit: decimal,
  outcomes: z
    .array(
      z.object({
        outcome: z
          .string()
          .describe(
            'The state of the deliveries; not_taken_in: to come; no_delivery: taken in, and none tells of it',
          ),
        records: count,
        debit: decimal,
        credit: decimal,
      }),
    )
    .describe('How the records stand; together they are all'),
})

const arrivalSchema: z.ZodType<ArrivalTotal> = z.object({
  source: z.string(),
  state: z.enum(arrivalStates),
  arrivals: count,
})

export const reportSchema: z.ZodType<ReconcileReport> = z
  .looseObject({
    ok: z.boolean().describe('No check found a difference'),
    checked_at: z.iso.datetime(),
    caught_up: z.boolean().describe('False: something still lagged, which may be the cause of differences'),
    waited_ms: z.int().min(0),
    lagging: z.array(lagSchema),
    partitions: z.array(partitionSchema),
    totals: z.array(totalsSchema),
    not_billed: z.array(notBilledSchema).describe('What runs left out because people hold it back'),
    deliveries: z.array(deliverySchema),
    accepted: z.array(acceptedSchema),
    arrivals: z.array(arrivalSchema),
    checks: z.array(checkSchema),
  })
  .meta({ id: 'Reconciliation' })

export const reportExample: ReconcileReport = {
  ok: true,
  checked_at: '2026-02-01T06:00:00.000Z',
  caught_up: true,
  waited_ms: 12,
  lagging: [],
  partitions: [
    {
      partition: 0,
      commit: 42,
      counts: {
        received: 10,
        rated: 8,
        applied: 1,
        duplicate: 1,
        conflicting: 0,
        parked: 0,
        dead_lettered: 0,
        unmetered: 0,
      },
      gap: 0,
    },
  ],
  totals: [],
  not_billed: [],
  deliveries: [],
  accepted: [],
  arrivals: [],
  checks: [
    {
      check: 'conservation',
      claim: 'Of each partition, the events received are the sum of the dispositions.',
      state: 'agrees',
      ok: true,
      compared: 1,
      differences: [],
      difference_count: 0,
    },
  ],
}
