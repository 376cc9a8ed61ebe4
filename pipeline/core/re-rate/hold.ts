// Asks for a customer's history when rated usage must be rated again, and holds the customer's usage until it is there.
// Invariants: at most one open request per customer, and it reaches back far enough for every change since it was
// asked; an answer to a request that was replaced is ignored.

import { chargeOf } from '../../../rating/charges/rate.js'
import { stableId } from '../../../schemas/identifiers.js'
import { compareInstants, instantKey } from '../../../schemas/time.js'
import type { HistoryRequest } from '../ports/core-io.js'
import { basisOf } from '../rate/basis.js'
import { levelsBefore } from '../rate/levels.js'
import { newCharge, writeResidual } from '../rate/rate.js'
import type { PartitionState } from '../state/partition-state.js'
import type { Hold, UsageCharge } from '../state/records.js'
import type { Step } from '../step/step.js'

export function requireHistory(step: Step, customerId: string, fromNs: bigint, cause: Hold['cause']): void {
  const customer = step.state.customer(customerId)
  step.state.maps.customers.touch(customerId)
  if (customer.hold !== undefined && customer.hold.fromNs <= fromNs) {
    customer.hold.cause = cause
    return
  }
  const requestId = stableId('hr', customerId, instantKey(fromNs), step.commit)
  customer.hold = { requestId, fromNs, cause }
  step.state.hold(customerId)
}

/** The start of the customer's first charge. */
export function earliestCharge(step: Step, customerId: string): bigint | undefined {
  let earliest: bigint | undefined
  for (const { fromNs } of step.state.maps.charges.stopRunningOf(customerId)) {
    if (earliest === undefined || fromNs < earliest) earliest = fromNs
  }
  return earliest
}

export function openRequests(state: PartitionState): HistoryRequest[] {
  return [...state.held].sort().map(customerId => {
    const hold = state.maps.customers.get(customerId)?.hold
    if (hold === undefined) throw new Error(`The customer ${customerId} is not held.`)
    return { requestId: hold.requestId, customerId, fromNs: hold.fromNs }
  })
}

/**
 * For a change of terms after the newest rated event: accumulators stay valid, but a segment may now end elsewhere, and a
 * prorated amount or an average over time depends on its end.
 */
export function rebaseCharges(step: Step, customerId: string, fromNs: bigint, cause: Hold['cause']): void {
  const { state, book, out } = step
  const kept = state.maps.charges.stopRunningOf(customerId)
  // In the order of time, because a level carries over from one to the next.
  kept.sort((a, b) => compareInstants(a.fromNs, b.fromNs) || (a.chargeId < b.chargeId ? -1 : 1))
  for (const charge of kept) {
    if (charge.untilNs < fromNs) continue
    const segment = book.segmentOf(charge)
    if (segment === undefined) {
      // It was billed without usage, and its terms are gone: the amount of its rows is taken back.
      if (charge.accumulator.events > 0)
        throw new Error(`The charge ${charge.chargeId} has no terms any more.`)
      writeResidual(charge, 0n, cause, row => out.rated(row))
      state.removeCharge(charge)
      continue
    }
    const basis = basisOf(segment, book.catalog)
    const fresh = newCharge(segment, basis, charge.emitted)
    // A charge that was billed without usage may hold an accumulator of terms that never came into effect.
    const isUsed = charge.accumulator.events > 0
    const rebased: UsageCharge = isUsed ? { ...fresh, accumulator: charge.accumulator } : fresh
    rebased.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
    state.putCharge(rebased)
    writeResidual(rebased, chargeOf(basis, rebased.accumulator).amount, cause, row => out.rated(row))
  }
}
