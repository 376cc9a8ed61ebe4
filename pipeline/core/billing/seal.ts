// Carries out a billing run: bills what is due by its cutoff, and adjusts what was billed and has changed since.
// Contract section 4, "Due".
// Invariants: a run is sealed once, even if it is ordered again; after a run, the amount billed for a charge over all runs
// is the amount that is due; the rows of a billed usage charge add up to it (I4); a preview changes nothing and only
// returns lines.

import { dueAt } from '../../../rating/charges/close.js'
import { runLines } from '../../../rating/charges/run-lines.js'
import { type Charge, chargeToWire } from '../../../schemas/billing/charge.js'
import { beginninglessNs, formatInstant, later } from '../../../schemas/time.js'
import type { BillingRunOrder } from '../ports/core-io.js'
import { basisOf } from '../rate/basis.js'
import { levelsBefore } from '../rate/levels.js'
import { newCharge, writeResidual } from '../rate/rate.js'
import type { PartitionState } from '../state/partition-state.js'
import type { Step } from '../step/step.js'
import { chargesOwed } from './owed.js'

/** Returns false when the run was sealed before. */
export function sealRun(step: Step, order: BillingRunOrder): boolean {
  const { state } = step
  if (state.maps.runs.has(order.billingRunId)) return false
  if (state.held.size > 0) throw new Error('A billing run was handed in while customers are held.')
  const { billingRunId, cutoffNs, entityId, preview = false } = order
  state.maps.runs.set(billingRunId, { cutoffNs, entityId, preview })
  const reach = new Reach(state, order)
  const lines: string[] = []
  for (const customerId of [...state.maps.customers.keys()].sort()) {
    for (const line of sealCustomer(step, order, reach, customerId)) {
      if (!preview) step.out.charge(line)
      lines.push(JSON.stringify(chargeToWire(line)))
    }
  }
  lines.push(
    JSON.stringify({
      billing_run_id: billingRunId,
      partition: step.config.partition,
      cutoff: formatInstant(cutoffNs),
      entity_id: entityId ?? null,
      entity_known: entityId === undefined || state.maps.entities.has(entityId),
      line_count: lines.length,
      end: true,
    }),
  )
  step.out.sealed(lines)
  return true
}

/** The latest cutoff of all runs, this one included, over all entities and for one. */
class Reach {
  readonly #runs: readonly { readonly cutoffNs: bigint; readonly entityId: string | undefined }[]
  readonly #byEntity = new Map<string, bigint>()

  constructor(state: PartitionState, order: BillingRunOrder) {
    const before = [...state.maps.runs.values()].filter(run => !run.preview)
    this.#runs = [...before, { cutoffNs: order.cutoffNs, entityId: order.entityId }]
  }

  get furthestNs(): bigint {
    return furthest(this.#runs)
  }

  ofEntity(entityId: string): bigint {
    const known = this.#byEntity.get(entityId)
    if (known !== undefined) return known
    const reaching = this.#runs.filter(run => run.entityId === undefined || run.entityId === entityId)
    const reachNs = furthest(reaching)
    this.#byEntity.set(entityId, reachNs)
    return reachNs
  }
}

function furthest(runs: readonly { readonly cutoffNs: bigint }[]): bigint {
  return runs.reduce((ns, run) => later(ns, run.cutoffNs), beginninglessNs)
}

function sealCustomer(step: Step, order: BillingRunOrder, reach: Reach, customerId: string): Charge[] {
  const { state, book } = step
  // Every billed charge began at or before some cutoff; one that begins at the cutoff is due if it is paid in advance.
  const owed = chargesOwed(state, book, customerId, reach.furthestNs + 1n)
  const lines: Charge[] = []
  for (const charge of owed) {
    const stands = state.maps.sealed.get(charge.chargeId)?.billed !== undefined
    // A charge that an earlier run with a later cutoff billed stays billed.
    const untilNs = stands ? later(order.cutoffNs, reach.ofEntity(charge.entityId)) : order.cutoffNs
    const due = dueAt(charge) <= untilNs ? charge : undefined
    lines.push(...billCharge(step, order, charge.chargeId, due))
  }
  const owedIds = new Set(owed.map(charge => charge.chargeId))
  for (const chargeId of [...(state.sealedOf.get(customerId) ?? [])].sort()) {
    if (!owedIds.has(chargeId)) lines.push(...billCharge(step, order, chargeId, undefined))
  }
  return lines
}

function billCharge(
  step: Step,
  order: BillingRunOrder,
  chargeId: string,
  due: Charge | undefined,
): readonly Charge[] {
  const before = step.state.maps.sealed.get(chargeId)
  const { lines, billed } = runLines(order, before, due)
  if (order.preview === true) return lines
  const [line] = lines
  if (line !== undefined) step.state.putSealed({ chargeId, customerId: line.customerId, billed })
  if (billed === due && due?.kind === 'usage') completeRows(step, order, due)
  return lines
}

/** Writes a row for a charge that is owed without usage, so that rows add up to what is billed (I4). */
function completeRows(step: Step, order: BillingRunOrder, charge: Charge): void {
  const { state, book, out } = step
  const cause = { source: 'weir/billing-run', id: order.billingRunId, correlationId: '' }
  let kept = state.maps.charges.stopRunning(charge.chargeId)
  if (kept === undefined) {
    if (charge.amount === 0n) return
    const segment = book.segmentOf(charge)
    if (segment === undefined) throw new Error(`The charge ${charge.chargeId} has no segment.`)
    kept = newCharge(segment, basisOf(segment, book.catalog), 0n)
    kept.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  }
  if (kept.emitted === charge.amount) return
  writeResidual(kept, charge.amount, cause, row => out.rated(row))
  state.putCharge(kept)
}
