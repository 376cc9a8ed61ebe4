// Computes the lines by which a billing run bills one charge, from what earlier runs billed and what is due now.
// Contract section 4, "Due". Invariants: after the run the billed amount equals the amount due, unless the run is limited
// to another entity; the lines of all runs add up to the billed amount; a credit repeats the billed line exactly.
//
// A charge is billed once under its own id. What changes later is two lines of kind `adjustment`: the credit repeats the
// billed line with the other sign, the rebill says what is due now. Both name the charge in `corrects`. When nothing is
// due any more there is only the credit; when it is due again, only the rebill.

import type { Charge } from '../../schemas/billing/charge.js'
import type { Discount } from '../../schemas/billing/discount.js'
import { negated } from '../../schemas/billing/tax-line.js'
import { stableId } from '../../schemas/identifiers.js'

export interface RunScope {
  readonly billingRunId: string
  /** Only what is billed by this entity; absent: all. */
  readonly entityId?: string
}

/** What earlier runs made of a charge. */
export interface BilledBefore {
  /** The charge as billed; undefined: it was credited in full. */
  readonly billed: Charge | undefined
}

export interface RunLines {
  readonly lines: readonly Charge[]
  /** The charge as billed after the run. */
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
 * Whether a billed charge needs no adjustment: same amounts, the same taken off by coupons, and same fields that decide where and when it is booked.
 * An amount in advance is earned over its period, so that must be the same; usage may end earlier unchanged.
 */
function isBilledAlike(billed: Charge, due: Charge): boolean {
  const isSameSum =
    billed.quantity === due.quantity &&
    billed.amount === due.amount &&
    billed.amountRounded === due.amountRounded &&
    billed.currency === due.currency
  if (!isSameSum || billed.entityId !== due.entityId) return false
  if (!isSameOff(billed.discounts, due.discounts)) return false
  if (due.amountRounded === 0n) return true // nothing of it is in the books
  return (
    billed.timing === due.timing &&
    billed.plan === due.plan &&
    billed.meter === due.meter &&
    billed.contractId === due.contractId &&
    (due.timing === 'in_arrears' || (billed.untilNs === due.untilNs && billed.timezone === due.timezone))
  )
}

const nothingOff: readonly Discount[] = []

function isSameOff(a = nothingOff, b = nothingOff): boolean {
  if (a === b) return true
  return (
    a.length === b.length && a.every(({ code, amount }, n) => code === b[n]!.code && amount === b[n]!.amount)
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
    ...(billed.taxLines === undefined ? {} : { taxLines: negated(billed.taxLines) }),
    ...(billed.discounts === undefined
      ? {}
      : { discounts: billed.discounts.map(({ code, amount }) => ({ code, amount: -amount })) }),
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
