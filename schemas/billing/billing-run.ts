// The billing run: the order to every partition to seal its due charges, and its outcome.
// Kept in the key-value bucket `weir_runs`; the order is published on `control.billing_run`.

import { z } from 'zod'
import { heldBackSchema, heldFromRunsSchema } from './held-back.js'

export const runsBucket = 'weir_runs'

/** `after[stream][p]`: the run includes everything that lay in the stream for partition p by this sequence. */
export const billingRunOrderSchema = z.object({
  billing_run_id: z.string().min(1),
  cutoff: z.iso.datetime({ offset: true }),
  entity_id: z.string().nullable(),
  /** Null: of all customers. */
  customer_id: z.string().nullable().default(null),
  /** What people held back when it was requested; none of it is billed. */
  held: z.array(heldFromRunsSchema).default([]),
  /** The run says what it would bill, and bills nothing. */
  preview: z.boolean(),
  requested_at: z.iso.datetime({ offset: true }),
  after: z.object({ METERING: z.array(z.int()), LIFECYCLE: z.array(z.int()) }),
})

export type BillingRunOrder = z.infer<typeof billingRunOrderSchema>

export const billingRunRecordSchema = billingRunOrderSchema.extend({
  partitions: z.int().positive(),
  /** Sealed lines of the run lie behind this sequence of `LEDGER`. */
  ledger_after: z.int(),
  /** False: the order may not have been published yet. */
  ordered: z.boolean(),
  /** The API key of whoever asked for it; null: none was required. */
  requested_by: z.object({ key_id: z.string(), name: z.string() }).nullable().default(null),
})

export type BillingRunRecord = z.infer<typeof billingRunRecordSchema>

/** What the billing sink has done for a run; written by it alone. */
export const billingRunProgressSchema = z.object({
  billing_run_id: z.string(),
  sealed_partitions: z.array(z.int()),
  /** Whether any partition knows of the run's entity, once every one has sealed. */
  entity_known: z.boolean().optional(),
  /** What it left out because people hold it back, once every partition has sealed. */
  held_back: z.array(heldBackSchema).optional(),
  /** Absent until every partition has sealed and every batch is published, held, or kept of a preview. */
  batches: z
    .array(
      z.object({
        batch_id: z.string(),
        entity_id: z.string(),
        currency: z.string(),
        number: z.int(),
        of: z.int(),
        line_count: z.int(),
        amount_total: z.string(),
        amount_rounded_total: z.string(),
        sha256: z.string(),
        /** Where the batch lies in `BILLING`; of a preview, and of one that is held, 0. */
        stream_sequence: z.int(),
        /** A rule holds it for a second person, or that person has rejected it. */
        held: z.object({ approval_id: z.string(), state: z.enum(['waiting', 'rejected']) }).optional(),
      }),
    )
    .optional(),
})

export type BillingRunProgress = z.infer<typeof billingRunProgressSchema>
export type PublishedBatch = NonNullable<BillingRunProgress['batches']>[number]

/** The last line that a partition seals for a run, also when there are no others. */
export const sealedEndSchema = z.object({
  billing_run_id: z.string(),
  partition: z.int(),
  cutoff: z.string(),
  entity_id: z.string().nullable(),
  /** Of a run of one entity: whether any subscription or customer of the partition ever had it. Else true. */
  entity_known: z.boolean(),
  line_count: z.int(),
  /** What the run left out because people hold it back. */
  held_back: z.array(heldBackSchema).optional(),
  end: z.literal(true),
})

export type SealedEnd = z.infer<typeof sealedEndSchema>

/** The end of a partition's lines, and the message of LEDGER that holds it. */
export const foundEndSchema = sealedEndSchema.extend({ sequence: z.int() })

export type FoundEnd = z.infer<typeof foundEndSchema>

/** Keys in `weir_runs`. */
export const runKeys = {
  record: (runId: string) => `run.${runId}`,
  progress: (runId: string) => `progress.${runId}`,
  /** That a partition has sealed, and where. */
  end: (runId: string, partition: number | '*') => `end.${runId}.${partition}`,
  /** What people hold back of runs; the name is a hash. */
  hold: (name: string) => `hold.${name}`,
  acknowledged: (runId: string, batchId: string) => `ack.${runId}.${batchId}`,
  /** A batch that is held back, whole. */
  held: (runId: string, batchId: string) => `held.${runId}.${batchId}`,
  /** A batch that a preview would make; kept for a day. */
  preview: (runId: string, batchId: string) => `preview.${runId}.${batchId}`,
} as const
