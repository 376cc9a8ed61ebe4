// What billing runs and batches look like on the wire, for the OpenAPI document. They are made in billing-runs.ts and in
// schemas/billing; the types here hold the two together.

import { z } from 'zod'
import { type Acknowledgement, acknowledgementSchema } from '../../schemas/billing/acknowledgement.js'
import type { BillingBatchWire } from '../../schemas/billing/billing-batch.js'
import { type ChargeWire, chargeKinds } from '../../schemas/billing/charge.js'
import { heldBackSchema } from '../../schemas/billing/held-back.js'

const decimal = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .describe('A decimal, exact')
const instant = z.iso.datetime({ offset: true })

const entityTotal = z
  .object({
    entity_id: z.string(),
    currency: z.string(),
    line_count: z.int().min(0),
    amount_total: decimal,
    amount_rounded_total: decimal,
  })
  .meta({ id: 'BillingRunTotal', description: 'Of one entity and currency' })

export const runSchema = z
  .looseObject({
    billing_run_id: z.string(),
    cutoff: instant,
    entity_id: z.string().nullable().describe('Null: of all entities'),
    customer_id: z.string().nullable().describe('Null: of all customers'),
    preview: z.boolean().describe('True: nothing is billed'),
    requested_at: instant,
    status: z
      .enum(['sealing', 'published', 'acknowledged', 'previewing', 'previewed', 'held', 'unknown_entity'])
      .describe(
        '`sealing` and `previewing` go on by themselves; `acknowledged`: all batches are; `held`: a batch waits for approval',
      ),
    partitions: z.object({ sealed: z.int().min(0), of: z.int().min(1) }),
    waiting_for: z
      .array(z.object({ partition: z.int().min(0), stopped: z.string().nullable() }))
      .describe('Partitions that have not sealed; `stopped` says why one does not do so by itself'),
    batches: z.object({ published: z.int().min(0), acknowledged: z.int().min(0), held: z.int().min(0) }),
    totals: z.array(entityTotal),
    held_back: z
      .array(heldBackSchema)
      .describe('What the run left out because people hold it back: by customer, entity and currency'),
  })
  .meta({ id: 'BillingRun' })

export const runExample = {
  billing_run_id: 'br_0d3182670839c2950ac3982af2fe161e',
  cutoff: '2026-02-01T00:00:00Z',
  entity_id: 'de',
  customer_id: null,
  preview: false,
  requested_at: '2026-02-01T06:00:00Z',
  status: 'published',
  partitions: { sealed: 4, of: 4 },
  waiting_for: [],
  batches: { published: 1, acknowledged: 0, held: 0 },
  totals: [
    {
      entity_id: 'de',
      currency: 'EUR',
      line_count: 1,
      amount_total: '3.469134000001',
      amount_rounded_total: '3.47',
    },
  ],
  held_back: [],
} satisfies z.input<typeof runSchema>

const chargeSchema: z.ZodType<ChargeWire> = z
  .looseObject({
    charge_id: z.string(),
    customer_id: z.string(),
    subscription_id: z.string(),
    subscription_version: z.int().min(0),
    entity_id: z.string(),
    contract_id: z.string(),
    correlation_id: z.string(),
    plan: z.string(),
    plan_version: z.int().min(0),
    price: z.string(),
    meter: z.string().describe('Empty for a recurring price'),
    kind: z.enum(chargeKinds),
    timing: z.enum(['in_advance', 'in_arrears']),
    service_period: z.object({ from: instant, until: instant }),
    timezone: z.string(),
    quantity: decimal,
    amount: decimal.describe('Exact, rounded once to 12 places'),
    amount_rounded: decimal.describe('Rounded to the minor unit of the currency'),
    currency: z.string(),
    status: z.enum(['open', 'closed']),
    corrects: z.exactOptional(z.string()).describe('Of an adjustment: the charge that it adjusts'),
    billing_run_id: z.exactOptional(z.string()),
    discounts: z
      .exactOptional(z.array(z.object({ code: z.string(), amount: decimal })))
      .describe('What coupons took off; amount is net of it'),
    makes_up_for: z
      .exactOptional(
        z.object({
          bound: z.enum(['minimum', 'maximum', 'commitment']),
          amount: decimal,
          counted: z.array(z.object({ price: z.string(), amount: decimal })),
        }),
      )
      .describe('Of kind commitment: what the charges had to come to, and what they came to by price'),
  })
  .meta({ id: 'Charge' })

const acknowledgement = acknowledgementSchema
  .extend({
    acknowledged_at: acknowledgementSchema.shape.acknowledged_at.describe(
      'Of the first time; null: not known',
    ),
    acknowledged_by: acknowledgementSchema.shape.acknowledged_by.describe(
      'The API key, or the consumer of BILLING over NATS; null: not known',
    ),
  })
  .meta({ id: 'Acknowledgement' })

type ListedBatch = BillingBatchWire & { readonly acknowledgement: Acknowledgement | null }

const batchSchema: z.ZodType<ListedBatch> = z
  .looseObject({
    batch_id: z.string(),
    billing_run_id: z.string(),
    entity_id: z.string(),
    currency: z.string(),
    number: z.int().min(1).describe('From 1 to `of`, within the run, entity and currency'),
    of: z.int().min(1),
    lines: z.array(chargeSchema),
    control: z.object({
      line_count: z.int().min(0),
      amount_total: decimal,
      amount_rounded_total: decimal,
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .describe('Of the lines as compact JSON in the order of their keys, each ended by a line feed'),
    }),
    acknowledgement: acknowledgement
      .nullable()
      .describe('Null: not acknowledged. Not part of the sealed batch'),
  })
  .meta({ id: 'BillingBatch', description: 'Sealed: it never changes' })

export const batchPageSchema = z
  .object({
    batches: z.array(batchSchema),
    next_after: z
      .string()
      .nullable()
      .describe("The next page's `after`; null: this page is the last for now"),
    held: z
      .object({ code: z.string(), detail: z.string(), until: z.string().nullable() })
      .nullable()
      .describe('Why the page ends before a batch that is sealed; null: nothing is held'),
    held_batches: z
      .array(
        z.object({
          batch_id: z.string(),
          entity_id: z.string(),
          currency: z.string(),
          line_count: z.int().min(0),
          amount_rounded_total: decimal,
          approval_id: z.string(),
          state: z.enum(['waiting', 'rejected']),
        }),
      )
      .describe(
        'Batches that a rule holds for a second person; they are on no page before they are released',
      ),
  })
  .meta({ id: 'BillingBatchPage' })

const chargeExample: ChargeWire = {
  charge_id: 'ch_0123456789abcdef0123456789abcdef',
  customer_id: 'acme',
  subscription_id: 'sub_1',
  subscription_version: 3,
  entity_id: 'de',
  contract_id: 'con_1',
  correlation_id: '',
  plan: 'pro',
  plan_version: 1,
  price: 'tokens',
  meter: 'tokens_in',
  kind: 'usage',
  timing: 'in_arrears',
  service_period: { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' },
  timezone: 'UTC',
  quantity: '1234567',
  amount: '3.469134000001',
  amount_rounded: '3.47',
  currency: 'EUR',
  status: 'closed',
  billing_run_id: runExample.billing_run_id,
}

const acknowledgementExample: Acknowledgement = {
  acknowledged_at: '2026-02-01T06:05:00Z',
  acknowledged_by: { kind: 'api_key', id: '0123456789ab', name: 'billing team' },
}

export const batchPageExample = {
  batches: [
    {
      batch_id: 'batch_0d3182670839c2950ac3982af2fe161e',
      billing_run_id: runExample.billing_run_id,
      entity_id: 'de',
      currency: 'EUR',
      number: 1,
      of: 1,
      lines: [chargeExample],
      control: {
        line_count: 1,
        amount_total: '3.469134000001',
        amount_rounded_total: '3.47',
        sha256: 'fef2ec412d9ebb1e7f2ef8b05eb2bfa9a3bb4a16e4e4cb1b97b4fb71b3b05a3d',
      },
      acknowledgement: acknowledgementExample,
    },
  ],
  next_after: null,
  held: null,
  held_batches: [],
}

export const acknowledgedSchema = acknowledgement
  .extend({ batch_id: z.string() })
  .meta({ id: 'BillingBatchAcknowledgement' })

export const acknowledgedExample = {
  batch_id: 'batch_0d3182670839c2950ac3982af2fe161e',
  ...acknowledgementExample,
}
