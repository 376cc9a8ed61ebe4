// What a billing run bills for one charge, given what stands billed and what is due now. Contract section 4, "Due".
// Invariants: after the run, what stands billed is what is due, or, where the run may not touch it, what stood before;
// the lines of all runs add up to what stands billed; a credit takes back exactly what was billed, where it was billed.
//
// A charge is billed once under its own id. What changes later is two lines of kind `adjustment`: the credit repeats the
// billed line with the other sign, the rebill says what is due now. Both name the charge in `corrects`. When nothing is
// due any more there is only the credit; when it is due again, only the rebill.

import type { Charge } from '../../schemas/billing/charge.js'
import { stableId } from '../../schemas/identifiers.js'

export interface RunScope {
  readonly billingRunId: string
  /** Only what is billed by this entity; absent: all. */
  readonly entityId?: string
}

/** What earlier runs made of a charge. */
export interface BilledBefore {
  /** As it stands billed; undefined: all of it was credited. */
  readonly billed: Charge | undefined
}

export interface RunLines {
  readonly lines: readonly Charge[]
  /** What stands billed after the run. */
  readonly billed: Charge | undefined
}

/** `before` undefined: never billed. `due` undefined: nothing is due, or no longer. */
export function runLines(run: RunScope, before: BilledBefore | undefined, due: Charge | undefined): RunLines {
  const standing = before?.billed
  if (standing !== undefined && due !== undefined && isBilledAlike(standing, due)) {
    return { lines: [], billed: due }
  }
  const lines: Charge[] = []
  const isCredited = standing !== undefined && isOfEntity(standing, run)
  if (isCredited) lines.push(creditOf(standing, run))
  // What another entity still has billed is not billed a second time.
  const isFree = standing === undefined || isCredited
  if (due === undefined || !isFree || !isOfEntity(due, run)) {
    return { lines, billed: isCredited ? undefined : standing }
  }
  lines.push(before === undefined ? firstLineOf(due, run) : rebillOf(due, run))
  return { lines, billed: due }
}

function isOfEntity(charge: Charge, { entityId }: RunScope): boolean {
  return entityId === undefined || charge.entityId === entityId
}

/**
 * Whether an amount billed so needs no adjustment: what is owed, and all that decides where and when it is booked. When
 * an amount in advance is earned depends on the period, too; usage that is the same in a shorter segment is not billed
 * again.
 */
function isBilledAlike(billed: Charge, due: Charge): boolean {
  const isSameSum =
    billed.quantity === due.quantity &&
    billed.amount === due.amount &&
    billed.amountRounded === due.amountRounded &&
    billed.currency === due.currency
  if (!isSameSum || billed.entityId !== due.entityId) return false
  if (due.amountRounded === 0n) return true // nothing of it is in the books
  return (
    billed.timing === due.timing &&
    billed.plan === due.plan &&
    billed.meter === due.meter &&
    billed.contractId === due.contractId &&
    (due.timing === 'in_arrears' || (billed.untilNs === due.untilNs && billed.timezone === due.timezone))
  )
}

function firstLineOf(due: Charge, { billingRunId }: RunScope): Charge {
  return { ...due, status: 'closed', billingRunId }
}

function creditOf(billed: Charge, { billingRunId }: RunScope): Charge {
  return {
    ...billed,
    chargeId: stableId('adj', billingRunId, billed.chargeId, 'credit'),
    kind: 'adjustment',
    quantity: -billed.quantity,
    amount: -billed.amount,
    amountRounded: -billed.amountRounded,
    status: 'closed',
    corrects: billed.chargeId,
    billingRunId,
  }
}

function rebillOf(due: Charge, { billingRunId }: RunScope): Charge {
  return {
    ...due,
    chargeId: stableId('adj', billingRunId, due.chargeId, 'rebill'),
    kind: 'adjustment',
    status: 'closed',
    corrects: due.chargeId,
    billingRunId,
  }
}
