// Seals the charges that a billing run is due, once each; what turns out otherwise later becomes an adjustment.
// Invariants: a run is sealed once, whatever is ordered again; the totals billed for a charge, all runs together, equal
// what it came to at the last run; the rows of a sealed usage charge add up to it (I4).

import { isDue } from '../../rating/close.js'
import { type Charge, chargeToWire } from '../../schemas/charge.js'
import { stableId } from '../../schemas/identifiers.js'
import { formatInstant, later } from '../../schemas/time.js'
import { basisOf, levelsBefore, newCharge, writeResidual } from '../stages/rate.js'
import type { Batch } from './batch.js'
import type { BillingRunOrder } from './core-io.js'
import { segmentOfCharge } from './hold.js'
import { chargesOwed } from './owed.js'

/** Returns false when the run was sealed before. */
export function sealRun(batch: Batch, order: BillingRunOrder): boolean {
  const { state } = batch
  if (state.maps.runs.has(order.billingRunId)) return false
  if (state.held.size > 0) throw new Error('A billing run was handed in while customers are held.')
  state.maps.runs.set(order.billingRunId, { cutoffNs: order.cutoffNs })
  const lines: string[] = []
  for (const customerId of [...state.maps.customers.keys()].sort()) {
    for (const line of sealCustomer(batch, order, customerId)) {
      batch.out.charge(line)
      lines.push(JSON.stringify(chargeToWire(line)))
    }
  }
  lines.push(
    JSON.stringify({
      billing_run_id: order.billingRunId,
      partition: batch.config.partition,
      cutoff: formatInstant(order.cutoffNs),
      entity_id: order.entityId ?? null,
      line_count: lines.length,
      end: true,
    }),
  )
  batch.out.sealed(lines)
  return true
}

function sealCustomer(batch: Batch, order: BillingRunOrder, customerId: string): Charge[] {
  const { state, book } = batch
  const customer = state.customer(customerId)
  // What an earlier run with a later cutoff billed is looked at again, too.
  const asOfNs = later(order.cutoffNs, customer.sealedUntilNs)
  const owed = chargesOwed(state, book, customerId, asOfNs)
  const lines: Charge[] = []
  for (const charge of owed) {
    if (!isDue(charge, order.cutoffNs)) continue
    const line = lineFor(batch, order, charge)
    if (line !== undefined) lines.push(line)
  }
  const owedIds = new Set(owed.map(charge => charge.chargeId))
  for (const chargeId of [...(state.sealedOf.get(customerId) ?? [])].sort()) {
    const billed = state.maps.sealed.get(chargeId)!.charge
    if (owedIds.has(chargeId) || !isOfEntity(billed, order)) continue
    const line = adjust(batch, order, billed, { ...billed, quantity: 0n, amount: 0n, amountRounded: 0n })
    if (line !== undefined) lines.push(line)
  }
  if (lines.length > 0 && order.cutoffNs > customer.sealedUntilNs) {
    customer.sealedUntilNs = order.cutoffNs
    state.maps.customers.touch(customerId)
  }
  return lines
}

function isOfEntity(charge: Charge, order: BillingRunOrder): boolean {
  return order.entityId === undefined || charge.entityId === order.entityId
}

/** The line that a due charge makes in this run, if any. */
function lineFor(batch: Batch, order: BillingRunOrder, charge: Charge): Charge | undefined {
  const billed = batch.state.maps.sealed.get(charge.chargeId)?.charge
  if (!isOfEntity(billed ?? charge, order)) return undefined
  if (charge.kind === 'usage') completeRows(batch, order, charge)
  if (billed !== undefined) return adjust(batch, order, billed, charge)
  batch.state.putSealed({ charge })
  return { ...charge, status: 'closed', billingRunId: order.billingRunId }
}

function adjust(batch: Batch, order: BillingRunOrder, billed: Charge, now: Charge): Charge | undefined {
  const quantity = now.quantity - billed.quantity
  const amount = now.amount - billed.amount
  const amountRounded = now.amountRounded - billed.amountRounded
  if (quantity === 0n && amount === 0n && amountRounded === 0n) return undefined
  // The billed entity stays: what is taken back is taken back where it was billed.
  batch.state.putSealed({ charge: { ...now, entityId: billed.entityId } })
  return {
    ...now,
    entityId: billed.entityId,
    chargeId: stableId('adj', order.billingRunId, billed.chargeId),
    kind: 'adjustment',
    quantity,
    amount,
    amountRounded,
    status: 'closed',
    corrects: billed.chargeId,
    billingRunId: order.billingRunId,
  }
}

/** A charge that is owed without usage has no rows yet; it gets one, so that rows add up to what is billed. */
function completeRows(batch: Batch, order: BillingRunOrder, charge: Charge): void {
  const { state, book, out } = batch
  const cause = { source: 'weir/billing-run', id: order.billingRunId, correlationId: '' }
  let kept = state.maps.charges.get(charge.chargeId)
  if (kept === undefined) {
    if (charge.amount === 0n) return
    const segment = segmentOfCharge(batch, charge)
    if (segment === undefined) throw new Error(`The charge ${charge.chargeId} has no segment.`)
    kept = newCharge(segment, basisOf(segment, book.catalog), 0n)
    kept.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  }
  if (kept.emitted === charge.amount) return
  writeResidual(kept, charge.amount, cause, row => out.rated(row))
  state.putCharge(kept)
}
