// From the ledger's sealed lines to billing batches: grouped by entity and currency, sorted by charge, cut by count, and
// where the totals would take more than 38 digits.

import { type BillingBatch, sealBatch } from '../../schemas/billing/billing-batch.js'
import { type BillingRunRecord, type SealedEnd, sealedEndSchema } from '../../schemas/billing/billing-run.js'
import { type Charge, chargeFromWire } from '../../schemas/billing/charge.js'
import { type Scaled, scaledMax } from '../../schemas/money/decimal.js'

export interface SealedLine {
  readonly partition: number
  readonly runId: string
  readonly charge: Charge
}

export type SealedMessageLine =
  | { readonly kind: 'line'; readonly runId: string; readonly charge: Charge }
  /** A line that cannot be read; no billing batch can hold it. */
  | { readonly kind: 'unreadable'; readonly content: string; readonly detail: string }
  | { readonly kind: 'end'; readonly end: SealedEnd }

/** The ledger holds wrong sealed lines; a retry does not help. */
export class SealedLinesError extends Error {
  override readonly name = 'SealedLinesError'
}

/** The lines of one `ledger.<p>.sealed` message (NDJSON), each parsed separately. */
export function sealedMessageLines(bytes: Uint8Array): SealedMessageLine[] {
  return new TextDecoder('utf-8', { fatal: true })
    .decode(bytes)
    .split('\n')
    .filter(line => line !== '')
    .map(readLine)
}

function readLine(content: string): SealedMessageLine {
  const value = jsonOf(content)
  if (value instanceof SyntaxError) return { kind: 'unreadable', content, detail: value.message }
  const end = sealedEndSchema.safeParse(value)
  if (end.success) return { kind: 'end', end: end.data }
  const charge = chargeFromWire(value)
  if (charge.kind === 'rejected') return { kind: 'unreadable', content, detail: charge.rejection.detail }
  return { kind: 'line', runId: charge.value.billingRunId ?? '', charge: charge.value }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    return error
  }
}

/** The billing batches by entity, in publishing order. The same lines in any order give the same batches. */
export function batchesOf(
  run: BillingRunRecord,
  lines: readonly SealedLine[],
  linesPerBatch: number,
): Map<string, BillingBatch[]> {
  const groups = new Map<string, { entityId: string; currency: string; charges: Charge[] }>()
  for (const { charge } of lines) {
    const key = JSON.stringify([charge.entityId, charge.currency])
    const group = groups.get(key) ?? { entityId: charge.entityId, currency: charge.currency, charges: [] }
    groups.set(key, group)
    group.charges.push(charge)
  }
  const byEntity = new Map<string, BillingBatch[]>()
  for (const key of [...groups.keys()].sort()) {
    const group = groups.get(key)
    if (group === undefined) continue
    const charges = group.charges.toSorted((a, b) => (a.chargeId < b.chargeId ? -1 : 1))
    const slices = cut(charges, linesPerBatch)
    const batches = byEntity.get(group.entityId) ?? []
    byEntity.set(group.entityId, batches)
    for (const [index, slice] of slices.entries()) {
      batches.push(
        sealBatch({
          billingRunId: run.billing_run_id,
          entityId: group.entityId,
          currency: group.currency,
          number: index + 1,
          of: slices.length,
          lines: slice,
        }),
      )
    }
  }
  return byEntity
}

/**
 * Cuts one group, in order. One charge alone has at most 38 digits, so every batch has at least one charge.
 */
function cut(charges: readonly Charge[], linesPerBatch: number): Charge[][] {
  const slices: Charge[][] = []
  let slice: Charge[] = []
  let amount = 0n
  let rounded = 0n
  for (const charge of charges) {
    amount += charge.amount
    rounded += charge.amountRounded
    if (slice.length === 0 || slice.length === linesPerBatch || !isKept(amount) || !isKept(rounded)) {
      slice = []
      slices.push(slice)
      amount = charge.amount
      rounded = charge.amountRounded
    }
    slice.push(charge)
  }
  return slices
}

function isKept(total: Scaled): boolean {
  return -scaledMax <= total && total <= scaledMax
}
