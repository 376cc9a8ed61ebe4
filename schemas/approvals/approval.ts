// An approval: what a rule held back, why, with its evidence, and what became of it. Kept in the bucket `weir_approvals`, and
// what the API shows.
// Invariants: the facts, the rules with their versions and the evidence are those of the moment at which it was held; an
// approval is decided once.

import { z } from 'zod'
import { approvalKinds, heldRecordKinds } from './approval-kind.js'

export const approvalStates = ['waiting', 'approved', 'rejected'] as const
export type ApprovalState = (typeof approvalStates)[number]

const decimalText = z.string().regex(/^-?\d+(\.\d+)?$/)

/** What the rules look at. Whatever is left out is not known, and no rule but those of `amount` holds for it. */
export const approvalFactsSchema = z.object({
  /** Empty: none, or several. */
  entity_id: z.string().default(''),
  /** Of a delivery: the record and where it goes. */
  record: z
    .object({ connection: z.string(), kind: z.enum(heldRecordKinds), customer_id: z.string() })
    .nullable()
    .default(null),
  /** By currency. Null: not known, which every rule of an amount holds. */
  amounts: z.array(z.object({ currency: z.string(), amount: decimalText.nullable() })).default([]),
  /** What each customer's part is, and what it was in the periods before, the newest first. */
  customers: z
    .array(
      z.object({
        customer_id: z.string(),
        currency: z.string(),
        amount: decimalText,
        previous: z.array(decimalText),
      }),
    )
    .default([]),
  /** What the entity's was in the periods before, by currency, the newest first. */
  previous: z.array(z.object({ currency: z.string(), amounts: z.array(decimalText) })).default([]),
  /** What is taken back, by the charge that it corrects; the amounts are negative. */
  credits: z
    .array(
      z.object({
        charge_id: z.string(),
        customer_id: z.string(),
        currency: z.string(),
        /** Null: whether anything is taken back is not known. */
        amount: decimalText.nullable(),
        /** Whether the customer has an invoice. Null: not known. */
        has_invoice: z.boolean().nullable(),
        /** Whether it corrects a charge that was billed. Null: not known. */
        has_charge: z.boolean().nullable().default(null),
      }),
    )
    .default([]),
  /** The ids of lines with a quantity for which there is no event. Null: not known. */
  without_source: z.array(z.string()).nullable().default([]),
  /** The red flags that were found. */
  flags: z.array(z.object({ flag: z.string(), object_id: z.string(), detail: z.string() })).default([]),
})

export type ApprovalFacts = z.input<typeof approvalFactsSchema>
export type WholeApprovalFacts = z.output<typeof approvalFactsSchema>

/** A rule that holds something back, and why. */
export const holdingRuleSchema = z.object({
  rule: z.string(),
  version: z.int().min(1),
  detail: z.string(),
})

export type HoldingRule = Readonly<z.infer<typeof holdingRuleSchema>>

export const personSchema = z.object({ key_id: z.string(), name: z.string() })

export const approvalSchema = z
  .object({
    approval_id: z.string(),
    kind: z.enum(approvalKinds),
    object_id: z.string().describe('The batch, job or delivery'),
    state: z.enum(approvalStates),
    rules: z.array(holdingRuleSchema).describe('Every rule that holds it, with its version and why'),
    facts: approvalFactsSchema.describe('What the rules looked at'),
    evidence: z.record(z.string(), z.unknown()).describe('Ids of the sources, before and after, attempts'),
    requested_by: personSchema.nullable().describe('Who asked for it; null: Weir by itself'),
    requested_at: z.iso.datetime(),
    decided_by: personSchema.nullable(),
    decided_at: z.iso.datetime().nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'Approval' })

export type Approval = Readonly<z.infer<typeof approvalSchema>>
