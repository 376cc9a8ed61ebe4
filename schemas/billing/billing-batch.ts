// The billing batch: sealed charges of one run, entity and currency, with control totals. Contract section 7.
// Invariants: a batch's id and content follow from its run and lines alone; a sealed batch never changes; the control
// totals are those of the lines.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { stableId } from '../identifiers.js'
import { currencyField, decimalField, nameField, rejectionOfIssues } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { type Parsed, rejected } from '../rejection.js'
import { type Charge, type ChargeWire, chargeOf, chargeSchema, chargeToWire } from './charge.js'

export interface BatchControl {
  readonly lineCount: number
  readonly amountTotal: Scaled
  readonly amountRoundedTotal: Scaled
  /** SHA-256, in hexadecimal, of the lines as compact JSON in the order of their keys, each ended by a line feed. */
  readonly sha256: string
}

export interface BillingBatch {
  readonly batchId: string
  readonly billingRunId: string
  readonly entityId: string
  readonly currency: string
  /** From 1 to `of`, within the run, entity and currency. */
  readonly number: number
  readonly of: number
  readonly lines: readonly Charge[]
  readonly control: BatchControl
}

export interface BillingBatchWire {
  readonly batch_id: string
  readonly billing_run_id: string
  readonly entity_id: string
  readonly currency: string
  readonly number: number
  readonly of: number
  readonly lines: readonly ChargeWire[]
  readonly control: {
    readonly line_count: number
    readonly amount_total: string
    readonly amount_rounded_total: string
    readonly sha256: string
  }
}

export const billingBatchSchema = z.object({
  batch_id: nameField,
  billing_run_id: nameField,
  entity_id: z.string(),
  currency: currencyField,
  number: z.int().min(1),
  of: z.int().min(1),
  lines: z.array(chargeSchema),
  control: z.object({
    line_count: z.int().min(0),
    amount_total: decimalField,
    amount_rounded_total: decimalField,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
})

/** The batch of these lines, its id and control totals made. The lines carry the run's id. */
export function sealBatch(batch: Omit<BillingBatch, 'batchId' | 'control'>): BillingBatch {
  const { billingRunId, entityId, currency, number, of, lines } = batch
  return {
    batchId: batchIdOf(batch),
    billingRunId,
    entityId,
    currency,
    number,
    of,
    lines,
    control: controlOf(lines),
  }
}

/** The id of a line of a batch, as connections, which deliver lines singly, name it. */
export function lineIdOf(batchId: string, chargeId: string): string {
  return stableId('bl', batchId, chargeId)
}

export function batchIdOf({
  billingRunId,
  entityId,
  currency,
  number,
}: Pick<BillingBatch, 'billingRunId' | 'entityId' | 'currency' | 'number'>): string {
  return stableId('batch', billingRunId, entityId, currency, number)
}

export function controlOf(lines: readonly Charge[]): BatchControl {
  const hash = createHash('sha256')
  let amountTotal = 0n
  let amountRoundedTotal = 0n
  for (const line of lines) {
    hash.update(`${JSON.stringify(chargeToWire(line))}\n`)
    amountTotal += line.amount
    amountRoundedTotal += line.amountRounded
  }
  return { lineCount: lines.length, amountTotal, amountRoundedTotal, sha256: hash.digest('hex') }
}

/** In what a batch contradicts itself; empty for a sound one. */
export function batchProblems(batch: BillingBatch): string[] {
  const control = controlOf(batch.lines)
  const problems: string[] = []
  if (control.lineCount !== batch.control.lineCount) problems.push('line_count is not the number of lines')
  if (control.amountTotal !== batch.control.amountTotal)
    problems.push('amount_total is not the sum of the amounts')
  if (control.amountRoundedTotal !== batch.control.amountRoundedTotal) {
    problems.push('amount_rounded_total is not the sum of the rounded amounts')
  }
  if (control.sha256 !== batch.control.sha256) problems.push('sha256 is not that of the lines')
  if (batch.number > batch.of) problems.push('number is greater than of')
  for (const line of batch.lines) {
    if (line.currency !== batch.currency) problems.push(`charge ${line.chargeId} is of another currency`)
    if (line.entityId !== batch.entityId) problems.push(`charge ${line.chargeId} is of another entity`)
    if (line.status !== 'closed') problems.push(`charge ${line.chargeId} is still open`)
  }
  return problems
}

export function batchToWire(batch: BillingBatch): BillingBatchWire {
  return {
    batch_id: batch.batchId,
    billing_run_id: batch.billingRunId,
    entity_id: batch.entityId,
    currency: batch.currency,
    number: batch.number,
    of: batch.of,
    lines: batch.lines.map(chargeToWire),
    control: {
      line_count: batch.control.lineCount,
      amount_total: formatScaled(batch.control.amountTotal),
      amount_rounded_total: formatScaled(batch.control.amountRoundedTotal),
      sha256: batch.control.sha256,
    },
  }
}

/** Reads a batch and holds it against its own control totals. */
export function batchFromWire(value: unknown): Parsed<BillingBatch> {
  const parsed = billingBatchSchema.safeParse(value)
  if (!parsed.success) return { kind: 'rejected', rejection: rejectionOfIssues(parsed.error, '') }
  const wire = parsed.data
  const batch: BillingBatch = {
    batchId: wire.batch_id,
    billingRunId: wire.billing_run_id,
    entityId: wire.entity_id,
    currency: wire.currency,
    number: wire.number,
    of: wire.of,
    lines: wire.lines.map(chargeOf),
    control: {
      lineCount: wire.control.line_count,
      amountTotal: wire.control.amount_total,
      amountRoundedTotal: wire.control.amount_rounded_total,
      sha256: wire.control.sha256,
    },
  }
  const [problem] = batchProblems(batch)
  return problem === undefined
    ? { kind: 'ok', value: batch }
    : rejected('invalid_data', `The batch contradicts itself: ${problem}.`, '')
}
