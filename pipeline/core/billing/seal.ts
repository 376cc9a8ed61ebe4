// Carries out a billing run: bills what is due by its cutoff, and adjusts what was billed and has changed since.
// Contract section 4, "Due".
// A run of many lines is sealed in parts, a commit each: customer by customer in the order of their ids, until a part has its
// lines. What comes in between is in the parts that follow.
// Invariants: a run is sealed once, even if it is ordered again; after a run, the amount billed for a charge over all runs
// is the amount that is due; the rows of a billed usage charge add up to it before coupons (I4); a preview changes nothing and only
// returns lines; nothing changes for what people hold back (held-back.ts).

import { dueAt } from '../../../rating/charges/close.js'
import { runLines } from '../../../rating/charges/run-lines.js'
import { type Charge, chargeToWire } from '../../../schemas/billing/charge.js'
import { grossOf } from '../../../schemas/billing/discount.js'
import type { HeldFromRuns } from '../../../schemas/billing/held-back.js'
import { beginninglessNs, formatInstant, later } from '../../../schemas/time.js'
import { withRelations } from '../lifecycle/relations.js'
import type { BillingRunOrder } from '../ports/core-io.js'
import { basisOf } from '../rate/basis.js'
import { levelsBefore } from '../rate/levels.js'
import { newCharge, writeResidual } from '../rate/rate.js'
import type { PartitionState } from '../state/partition-state.js'
import type { SealedCharge } from '../state/records.js'
import type { Step } from '../step/step.js'
import { HeldBackSums, type HoldsOfCustomer, holdOf, holdsByCustomer } from './held-back.js'
import { chargesOwed } from './owed.js'

/** `goes_on`: lines are left, and the order is to come again. */
export type Sealing = 'sealed' | 'sealed_before' | 'goes_on'

export function sealRun(step: Step, order: BillingRunOrder): Sealing {
  const { state, config } = step
  if (state.held.size > 0) throw new Error('A billing run was handed in while customers wait for history.')
  const { billingRunId, cutoffNs, entityId, customerId, preview = false } = order
  const begun = state.maps.runs.get(billingRunId)
  if (begun !== undefined && begun.rest === undefined) return 'sealed_before'
  const run = { cutoffNs, entityId, customerId, preview }
  if (begun === undefined) state.maps.runs.set(billingRunId, run)
  const part = new Part(step, order)
  const before = begun?.rest ?? { after: undefined, lines: 0, heldBack: [] }
  let after = before.after
  for (const customer of customersOf(state, order, after)) {
    if (after !== undefined && part.lines.length >= config.limits.runLinesPerCommit) {
      const lines = before.lines + part.lines.length
      const rest = { after, lines, heldBack: [...before.heldBack, ...part.heldBack.all] }
      state.maps.runs.set(billingRunId, { ...run, rest })
      step.out.sealed(part.lines)
      return 'goes_on'
    }
    part.seal(customer)
    after = customer
  }
  state.maps.runs.set(billingRunId, run)
  const heldBack = [...before.heldBack, ...part.heldBack.all]
  const end = {
    billing_run_id: billingRunId,
    partition: config.partition,
    cutoff: formatInstant(cutoffNs),
    entity_id: entityId ?? null,
    entity_known: entityId === undefined || state.maps.entities.has(entityId),
    line_count: before.lines + part.lines.length,
    ...(heldBack.length === 0 ? {} : { held_back: heldBack }),
    end: true,
  }
  step.out.sealed([...part.lines, JSON.stringify(end)])
  return 'sealed'
}

/** Those behind `after`, in the order of ids. */
function customersOf(
  state: PartitionState,
  { customerId }: BillingRunOrder,
  after: string | undefined,
): readonly string[] {
  if (customerId !== undefined) return state.maps.customers.has(customerId) ? [customerId] : []
  const all = state.customersInOrder()
  return after === undefined ? all : all.slice(placeBehind(all, after))
}

function placeBehind(sorted: readonly string[], value: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low
}

/** What one call seals of a run. */
class Part {
  readonly #step: Step
  readonly #order: BillingRunOrder
  readonly #reach: Reach
  readonly #holds: ReadonlyMap<string, HoldsOfCustomer>
  readonly lines: string[] = []
  readonly heldBack = new HeldBackSums()

  constructor(step: Step, order: BillingRunOrder) {
    this.#step = step
    this.#order = order
    this.#reach = new Reach(step.state, order)
    this.#holds = holdsByCustomer(order.held ?? [])
  }

  seal(customerId: string): void {
    const { state, book } = this.#step
    const { cutoffNs } = this.#order
    const billed = state.maps.sealed.of(customerId)
    const holds = this.#holds.get(customerId)
    // Every billed charge began at or before some cutoff; one that begins at the cutoff is due if it is paid in advance.
    const owed = chargesOwed(state, book, customerId, this.#reach.furthestNs + 1n)
    for (const charge of owed) {
      const before = billed.get(charge.chargeId)
      // A charge that an earlier run with a later cutoff billed stays billed.
      const untilNs =
        before?.billed === undefined ? cutoffNs : later(cutoffNs, this.#reach.of(charge.entityId, customerId))
      const due = dueAt(charge) <= untilNs ? charge : undefined
      this.#bill(charge.chargeId, before, due, holds && holdOf(holds, charge.subscriptionId))
    }
    const owedIds = new Set(owed.map(charge => charge.chargeId))
    for (const chargeId of [...billed.keys()].sort()) {
      if (owedIds.has(chargeId)) continue
      const before = billed.get(chargeId)
      this.#bill(chargeId, before, undefined, holds && holdOf(holds, before?.billed?.subscriptionId ?? ''))
    }
    // A run comes to each customer once: prices that it asked for are not kept.
    for (const id of state.maps.customers.get(customerId)?.subscriptionIds ?? []) book.release(id, customerId)
  }

  #bill(
    chargeId: string,
    before: SealedCharge | undefined,
    due: Charge | undefined,
    hold: HeldFromRuns | undefined,
  ): void {
    const order = this.#order
    const step = this.#step
    const { lines, billed } = runLines(order, before, due)
    if (hold !== undefined) {
      for (const line of lines) this.heldBack.add(hold, line, order.cutoffNs)
      return
    }
    for (const line of lines) this.lines.push(JSON.stringify(chargeToWire(withRelations(line, step.state))))
    if (order.preview === true) return
    for (const line of lines) step.out.charge(line)
    const [line] = lines
    if (line !== undefined) step.state.maps.sealed.put({ chargeId, customerId: line.customerId, billed })
    if (billed === due && due?.kind === 'usage') completeRows(step, order, due)
  }
}

/** The latest cutoff of all runs, this one included, over all entities and for one. */
class Reach {
  readonly #runs: readonly Reaching[]
  /** Those of one customer alone. */
  readonly #limited: readonly Reaching[]
  readonly #byEntity = new Map<string, bigint>()
  readonly furthestNs: bigint

  constructor(state: PartitionState, order: BillingRunOrder) {
    const before = [...state.maps.runs.values()].filter(run => !run.preview)
    const all = [...before, order]
    this.#runs = all.filter(run => run.customerId === undefined)
    this.#limited = all.filter(run => run.customerId !== undefined)
    this.furthestNs = furthest(all)
  }

  of(entityId: string, customerId: string): bigint {
    let reachNs = this.#byEntity.get(entityId)
    const ofEntity = (run: Reaching) => run.entityId === undefined || run.entityId === entityId
    if (reachNs === undefined) {
      reachNs = furthest(this.#runs.filter(ofEntity))
      this.#byEntity.set(entityId, reachNs)
    }
    if (this.#limited.length === 0) return reachNs
    const ofCustomer = this.#limited.filter(run => run.customerId === customerId && ofEntity(run))
    return later(reachNs, furthest(ofCustomer))
  }
}

interface Reaching {
  readonly cutoffNs: bigint
  readonly entityId?: string | undefined
  readonly customerId?: string | undefined
}

function furthest(runs: readonly Reaching[]): bigint {
  return runs.reduce((ns, run) => later(ns, run.cutoffNs), beginninglessNs)
}

/** Writes a row for a charge that is owed without usage, so that rows add up to what is billed, before coupons (I4). */
function completeRows(step: Step, order: BillingRunOrder, charge: Charge): void {
  const { state, book, out } = step
  const gross = grossOf(charge)
  const cause = { source: 'weir/billing-run', id: order.billingRunId, correlationId: '' }
  let kept = state.maps.charges.stopRunning(charge.chargeId)
  if (kept === undefined) {
    if (gross === 0n) return
    const segment = book.segmentOf(charge)
    if (segment === undefined) throw new Error(`The charge ${charge.chargeId} has no segment.`)
    kept = newCharge(segment, basisOf(segment, book.catalog), 0n)
    kept.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  }
  if (kept.emitted === gross) return
  writeResidual(kept, gross, cause, row => out.rated(row))
  state.putCharge(kept)
}
